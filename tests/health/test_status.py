"""What a site's status says, from answers of real hosts (HTCondor 23.9.6), some of them broken on purpose."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from casa_install.health.read_status import read_status
from casa_install.health.status import DAY, Status
from casa_install.health.thresholds import RESTART_WITHOUT_JOBS, Thresholds, find
from casa_install.report.status import findings_text, status_json, status_text

ANSWERS = Path(__file__).with_name("answers")
GROUPS = {"cm1": ["manager", "access"], "ep1": ["execute"], "ep2": ["execute"]}


@pytest.fixture
def answers() -> dict[str, dict[str, Any]]:
    return {name: json.loads((ANSWERS / f"status-{name}.json").read_text()) for name in GROUPS}


def _now(answers: dict[str, dict[str, Any]]) -> float:
    return float(answers["cm1"]["pool"]["negotiators"][0]["LastNegotiationCycleEnd0"] + 10)


def _status(answers: dict[str, dict[str, Any]], lost: dict[str, str] | None = None) -> Status:
    return read_status(answers, GROUPS, lost or {}, _now(answers))


def _found(answers: dict[str, dict[str, Any]], lost: dict[str, str] | None = None) -> dict[str, str]:
    return {finding.where: finding.what for finding in find(_status(answers, lost), Thresholds())}


def test_a_good_site_has_no_findings(answers: dict[str, dict[str, Any]]) -> None:
    status = _status(answers)
    assert find(status, Thresholds()) == []
    assert findings_text([], colour=False) == "All is well."
    found = [(host.name, host.slots and (host.slots.cores, host.slots.free)) for host in status.hosts]
    assert found == [("cm1", None), ("ep1", (2, 2)), ("ep2", (2, 2))]
    assert [daemon.kind for daemon in status.hosts[0].daemons] == [
        "master",
        "collector",
        "negotiator",
        "schedd",
    ]
    assert status.asked_on == "cm1"
    assert status.negotiation is not None
    assert status.negotiation.age == 10


def test_the_table_names_each_host_with_what_is_free(answers: dict[str, dict[str, Any]]) -> None:
    dynamic = {"SlotType": "Dynamic", "State": "Claimed", "Cpus": 1, "Machine": "ep1.casa.test"}
    answers["cm1"]["pool"]["slots"].append(dynamic)
    text = status_text(_status(answers))
    row = next(line.split() for line in text.splitlines() if line.split()[:1] == ["ep1"])
    assert row[:6] == ["ep1", "execute", "23.9.6", "2", "1", "1"]


def test_a_narrow_terminal_has_fewer_columns_and_says_which(answers: dict[str, dict[str, Any]]) -> None:
    text = status_text(_status(answers), width=75)
    table = text.split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 75
    assert "address" not in table
    assert "no room for address, MiB" in " ".join(text.split())
    assert "address" in status_text(_status(answers), width=120).split("\n\n")[0]


def test_jobs_are_counted_by_group_over_all_access_points(answers: dict[str, dict[str, Any]]) -> None:
    queue = {"jobs": [{"group": "batch", "state": "running", "jobs": 3}], "held": []}
    answers["cm1"]["queue"] = queue
    answers["ep1"]["queue"] = copy.deepcopy(queue)
    assert _status(answers).jobs == {"batch": {"running": 6}}


def _stop(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["host"]["unit"] = "inactive"


def _unknown(answers: dict[str, dict[str, Any]]) -> None:
    masters = answers["cm1"]["pool"]["masters"]
    masters[:] = [ad for ad in masters if ad["Machine"] != "ep2.casa.test"]


def _slotless(answers: dict[str, dict[str, Any]]) -> None:
    slots = answers["cm1"]["pool"]["slots"]
    slots[:] = [ad for ad in slots if ad["Machine"] != "ep2.casa.test"]


def _ill(answers: dict[str, dict[str, Any]]) -> None:
    for ad in answers["cm1"]["pool"]["slots"]:
        if ad["Machine"] == "ep2.casa.test":
            ad |= {"CasaHealthy": False, "CasaHealthReason": "scratch: 12 MiB are free"}


def _old_token(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["tokens"][0]["expires"] = _now(answers) + 3 * DAY


def _ended_token(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["tokens"][0]["expires"] = _now(answers) - DAY


def _endless_token(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["tokens"][0]["expires"] = None


def _draining(answers: dict[str, dict[str, Any]]) -> None:
    for ad in answers["cm1"]["pool"]["slots"]:
        if ad["Machine"] == "ep2.casa.test":
            ad |= {"Draining": True, "State": "Drained", "DrainReason": "new disk"}


def _broken_slot(answers: dict[str, dict[str, Any]]) -> None:
    answers["cm1"]["pool"]["slots"][-1]["SlotBrokenReason"] = "a job cannot be killed"
    assert answers["cm1"]["pool"]["slots"][-1]["Machine"] == "ep2.casa.test"


def _without_docker(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["offers"] = ["docker"]
    answers["cm1"]["pool"]["slots"][-1] |= {"HasDocker": False, "DockerOfflineReason": "no daemon"}


def _without_gpus(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["offers"] = ["gpus"]


def _old_startd(answers: dict[str, dict[str, Any]]) -> None:
    answers["cm1"]["pool"]["slots"][-1]["CondorVersion"] = "$CondorVersion: 23.9.5 2026-01-01 $"


def _two_masters(answers: dict[str, dict[str, Any]]) -> None:
    masters = answers["cm1"]["pool"]["masters"]
    twin = next(ad for ad in masters if ad["Machine"] == "ep2.casa.test")
    masters.append(twin | {"MyAddress": "<10.0.0.9:9618>"})


def _drift(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep2"]["drift"] = [{"path": "/etc/condor/config.d/x", "what": "is gone"}]


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (_stop, "condor.service is inactive"),
        (_unknown, "the pool does not know ep2.casa.test"),
        (_slotless, "offers no slot"),
        (_ill, "takes no jobs: scratch: 12 MiB are free"),
        (_old_token, "the token casa-join ends in 3 days"),
        (_ended_token, "the token casa-join has ended"),
        (_endless_token, "the token casa-join never ends"),
        (_drift, "/etc/condor/config.d/x is gone"),
        (_broken_slot, "has a broken slot: a job cannot be killed"),
        (_without_docker, "does not offer docker: no daemon"),
        (_without_gpus, "does not offer gpus: it gives no reason"),
        (_old_startd, "HTCondor 23.9.6 is installed, and startd still runs 23.9.5"),
        (_two_masters, "the pool has two masters of that name"),
    ],
)
def test_a_broken_host_is_named_with_what_is_wrong(
    answers: dict[str, dict[str, Any]], break_it: Any, says: str
) -> None:
    break_it(answers)
    assert _found(answers) == {"ep2": says}


def test_daemons_of_an_old_version_are_restarted_without_ending_jobs(
    answers: dict[str, dict[str, Any]],
) -> None:
    _old_startd(answers)
    status = _status(answers)
    (finding,) = find(status, Thresholds())
    assert finding.hint.endswith(RESTART_WITHOUT_JOBS)
    assert RESTART_WITHOUT_JOBS in Path("docs/htcondor-changes.md").read_text()
    assert "23.9.6, 23.9.5 (23.9.6 installed)" in status_text(status)


def test_a_drain_is_shown_and_is_no_finding(answers: dict[str, dict[str, Any]]) -> None:
    _draining(answers)
    status = _status(answers)
    assert find(status, Thresholds()) == []
    assert "ep2: it is being drained: new disk" in status_text(status)
    assert status.hosts[2].slots is not None
    assert status.hosts[2].slots.free == 0


@pytest.mark.parametrize("kind", ["collector", "negotiator", "schedd"])
def test_a_daemon_that_the_pool_does_not_know_is_a_finding(
    answers: dict[str, dict[str, Any]], kind: str
) -> None:
    now = _now(answers)
    answers["cm1"]["pool"][f"{kind}s"] = []
    found = {
        finding.what
        for finding in find(read_status(answers, GROUPS, {}, now), Thresholds())
        if finding.where == "cm1"
    }
    assert found == {f"the pool does not know its {kind}"}


def test_machines_beyond_the_inventory_are_named(answers: dict[str, dict[str, Any]]) -> None:
    answers["cm1"]["pool"]["masters"].append({"Machine": "old.casa.test", "MyAddress": "<10.0.0.9:9618>"})
    assert _status(answers).others == ("old.casa.test",)
    assert "in the pool and not in the inventory: old.casa.test" in status_text(_status(answers))


def test_a_queue_that_cannot_be_read_is_a_finding(answers: dict[str, dict[str, Any]]) -> None:
    answers["cm1"]["queue"] = {"fault": "AUTHENTICATE:1003"}
    assert _found(answers) == {"cm1": "its queue cannot be read: AUTHENTICATE:1003"}


def test_a_host_that_cannot_be_reached_is_a_finding(answers: dict[str, dict[str, Any]]) -> None:
    del answers["ep2"]
    assert _found(answers, {"ep2": "no route"}) == {"ep2": "could not be asked: no route"}


@pytest.mark.parametrize(
    ("ad", "says"),
    [
        ({"LastNegotiationCycleDuration0": 40}, "the last negotiation cycle took 40 s"),
        ({"LastNegotiationCycleEnd0": 1}, "the last negotiation cycle ended"),
    ],
)
def test_a_slow_or_silent_negotiator_is_a_finding(
    answers: dict[str, dict[str, Any]], ad: dict[str, int], says: str
) -> None:
    now = _now(answers)
    answers["cm1"]["pool"]["negotiators"][0] |= ad
    findings = find(read_status(answers, GROUPS, {}, now), Thresholds())
    assert [finding.where for finding in findings] == ["pool"]
    assert findings[0].what.startswith(says)


def test_no_negotiator_and_a_busy_schedd_are_findings(answers: dict[str, dict[str, Any]]) -> None:
    now = _now(answers)
    answers["cm1"]["pool"]["negotiators"] = []
    answers["cm1"]["pool"]["schedds"][0]["RecentDaemonCoreDutyCycle"] = 0.97
    found = [finding.what for finding in find(read_status(answers, GROUPS, {}, now), Thresholds())]
    assert found == [
        "the pool does not know its negotiator",
        "no negotiator answers",
        "its schedd is busy for 97% of its time",
    ]


def test_held_jobs_beyond_the_limit_are_a_finding_with_their_reasons(
    answers: dict[str, dict[str, Any]],
) -> None:
    answers["cm1"]["queue"] = {
        "jobs": [{"group": "", "state": "held", "jobs": 4}],
        "held": [{"reason": "no memory", "jobs": 4}],
    }
    assert find(_status(answers), Thresholds(held=4)) == []
    (finding,) = find(_status(answers), Thresholds(held=3))
    assert (finding.what, finding.hint) == ("4 jobs are held", "4 times: no memory")


def test_a_pool_that_does_not_answer_is_one_finding(answers: dict[str, dict[str, Any]]) -> None:
    now = _now(answers)
    answers["cm1"]["pool"] = {"fault": "AUTHENTICATE:1003"}
    findings = find(read_status(answers, GROUPS, {}, now), Thresholds())
    assert [(finding.where, finding.what) for finding in findings] == [
        ("pool", "does not answer: AUTHENTICATE:1003")
    ]


def test_what_is_owed_is_shown_and_is_no_finding(answers: dict[str, dict[str, Any]]) -> None:
    answers["ep1"]["owed"] = [{"role": "htcondor", "handler": "Restart HTCondor", "reason": "write x"}]
    status = _status(answers)
    assert find(status, Thresholds()) == []
    assert "Owed: ep1: Restart HTCondor (write x)" in status_text(status)


def test_json_holds_hosts_by_name_and_findings(answers: dict[str, dict[str, Any]]) -> None:
    _ill(answers)
    status = _status(answers)
    document = json.loads(json.dumps(status_json(status, find(status, Thresholds()))))
    assert document["hosts"]["ep2"]["slots"]["healthy"] is False
    assert document["findings"][0]["where"] == "ep2"
