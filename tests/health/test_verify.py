"""How tries are judged, from what real hosts found (HTCondor 23.9.6), some changed to what must fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casa_install.engine.answers import parse_answer
from casa_install.health import authority_checks, job_checks
from casa_install.health.checks import Result, Verdict, judge
from casa_install.health.read_status import read_status
from casa_install.report.verify import verify_json, verify_text
from casa_install.site.collection import collection_root

ANSWERS = Path(__file__).with_name("answers")
GROUPS = {"cm1": ["manager", "access"], "ep1": ["execute"], "ep2": ["execute"]}
CHECKS = (*authority_checks.CHECKS, *job_checks.CHECKS)
Tried = dict[str, dict[str, Any]]


@pytest.fixture
def tried() -> Tried:
    """What each host answered in one run: what it is, what it may do, and the jobs."""
    return {
        name: json.loads((ANSWERS / f"status-{name}.json").read_text())
        | json.loads((ANSWERS / f"verify-{name}.json").read_text())
        for name in GROUPS
    }


def _judged(tried: Tried) -> list[Result]:
    negotiators = json.loads((ANSWERS / "status-cm1.json").read_text())["pool"]["negotiators"]
    now = float(negotiators[0]["LastNegotiationCycleEnd0"] + 10)
    return judge(tried, read_status(tried, GROUPS, {}, now))


def _ended(tried: Tried, verdict: Verdict) -> list[tuple[str, str, str]]:
    return [
        (result.check.name, result.host, result.found)
        for result in _judged(tried)
        if result.verdict is verdict
    ]


def _failed(tried: Tried) -> list[tuple[str, str, str]]:
    return _ended(tried, Verdict.FAILED)


def _untried(tried: Tried) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for name, host, _ in _ended(tried, Verdict.NOT_VERIFIED):
        names.setdefault(name, set()).add(host)
    return names


def test_a_good_site_fails_nothing_and_says_what_was_not_tried(tried: Tried) -> None:
    assert _failed(tried) == []
    assert {result.check for result in _judged(tried)} == set(CHECKS)
    assert _untried(tried) == {
        "least authority": {"cm1"},
        "jobs can be limited": {"ep1", "ep2"},
        "offers what the inventory says": {"pool"},
        "a memory limit holds": {"ep1", "ep2"},
        "jobs see the site's file systems": {"pool"},
        "a running job can be logged in to": {"cm1"},
        "a GPU job has its GPU": {"pool"},
        "a docker job runs": {"pool"},
        "a container job runs": {"pool"},
        "a drain waits for jobs": {"pool"},
        "shares hold under load": {"pool"},
    }


def test_every_check_says_what_to_type_when_it_passes_and_what_a_failure_means() -> None:
    for check in CHECKS:
        assert all((check.name, check.command, check.rule, check.meaning)), check.name
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def _set(path: str, value: object) -> Any:
    """A change of an answer; a path is `host key key ...`."""

    def change(tried: Tried) -> None:
        *way, last = path.split()
        at: Any = tried
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        at[int(last) if isinstance(at, list) else last] = value

    return change


def _slot(**attributes: object) -> Any:
    def change(tried: Tried) -> None:
        slots = tried["cm1"]["pool"]["slots"]
        next(ad for ad in slots if ad["Machine"] == "ep1.casa.test").update(attributes)

    return change


def _all(*changes: Any) -> Any:
    def change(tried: Tried) -> None:
        for each in changes:
            each(tried)

    return change


EP1 = "ep1.casa.test"
GOOD_GPU = {"uuid": ["GPU-11112222-aaaa"], "assigned": ["GPU-11112222"]}
TWO_GPUS = {"uuid": ["GPU-11112222-aaaa", "GPU-33334444-bbbb"], "assigned": ["GPU-11112222"]}


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (_set("ep1 ready STARTD_State", "Starting"), ("daemons ready", "ep1", "STARTD_State: Starting")),
        (_set("ep1 ready IsReady", "false"), ("daemons ready", "ep1", "IsReady: false")),
        (_set("cm1 ready SCHEDD", "Dead"), ("daemons ready", "cm1", "SCHEDD: Dead")),
        (_set("ep1 authority DAEMON", "ALLOW"), ("least authority", "ep1", "DAEMON: ALLOW")),
        (_set("ep1 authority ADMINISTRATOR", "ALLOW"), ("least authority", "ep1", "ADMINISTRATOR: ALLOW")),
        (
            _set("ep1 authority ADVERTISE_SCHEDD", "ALLOW"),
            ("least authority", "ep1", "ADVERTISE_SCHEDD: ALLOW"),
        ),
        (
            _set("ep1 authority ADVERTISE_STARTD", "FAIL"),
            ("least authority", "ep1", "ADVERTISE_STARTD: FAIL"),
        ),
        (_set("ep1 stranger", {}), ("no token, no authority", "ep1", "condor_ping gave no answer")),
        (
            _set("ep2 stranger ADVERTISE_STARTD", "ALLOW"),
            ("no token, no authority", "ep2", "ADVERTISE_STARTD"),
        ),
        (
            _set("cm1 forged condor ADMINISTRATOR", "ALLOW"),
            ("no administrator by token", "cm1", "condor@: ADMINISTRATOR"),
        ),
        (_set("cm1 forged root READ", "ALLOW"), ("no administrator by token", "cm1", "root@: READ")),
        (
            _set("cm1 forged root", {}),
            ("no administrator by token", "cm1", "condor_ping gave no answer"),
        ),
        (
            _set("cm1 user_token READ", "FAIL"),
            ("no administrator by token", "cm1", "a user's token from the same key is refused too"),
        ),
        (
            _set("ep1 security SEC_DEFAULT_ENCRYPTION", "OPTIONAL"),
            ("talk is secured", "ep1", "SEC_DEFAULT_ENCRYPTION: OPTIONAL"),
        ),
        (
            _set("ep1 security SEC_DEFAULT_INTEGRITY", ""),
            ("talk is secured", "ep1", "SEC_DEFAULT_INTEGRITY: no answer"),
        ),
        (
            _set("cm1 pool negotiators 0 LastNegotiationCycleDuration0", 30),
            ("negotiation is quick", "pool", "30 s, 10 s ago"),
        ),
        (_set("cm1 pool negotiators", []), ("negotiation is quick", "pool", "no negotiator answers")),
        (
            _set("cm1 pool schedds 0 RecentDaemonCoreDutyCycle", 0.95),
            ("access points have reserve", "cm1", "busy for 95% of its time"),
        ),
        (_slot(CgroupEnforced=False), ("jobs can be limited", "ep1", "CgroupEnforced is false")),
        (
            _all(_set("ep1 offers", ["docker"]), _slot(HasDocker=False, DockerOfflineReason="no daemon")),
            ("offers what the inventory says", "ep1", "docker: no daemon"),
        ),
        (
            _set("ep1 offers", ["gpus"]),
            ("offers what the inventory says", "ep1", "gpus: no reason given"),
        ),
        (_set(f"cm1 jobs {EP1} host", ["ep2"]), ("a job runs as its submitter", "ep1", "it ran on ep2")),
        (
            _set(f"cm1 jobs {EP1} user", ["nobody"]),
            ("a job runs as its submitter", "ep1", "it ran as nobody"),
        ),
        (
            _set(f"cm1 jobs {EP1} cgroup", ["/"]),
            ("a job runs as its submitter", "ep1", "its control group is /"),
        ),
        (
            _set(f"cm1 jobs {EP1}", {"fault": "the job is held: no memory"}),
            ("a job runs as its submitter", "ep1", "the job is held: no memory"),
        ),
        (
            _set(f"cm1 tmp {EP1}", {"tmp": ["shared"]}),
            ("a job has its own /tmp", "ep1", "a file of the job before is there"),
        ),
        (
            _set("cm1 spool", {"fault": "AUTHENTICATE:1003"}),
            ("submit from elsewhere with a token", "cm1", "AUTHENTICATE:1003"),
        ),
        (
            _set("cm1 spool owner", "condor"),
            ("submit from elsewhere with a token", "cm1", "the job belongs to condor, not casa-proof"),
        ),
        (
            _set("cm1 spool fetched", value=False),
            ("submit from elsewhere with a token", "cm1", "its output did not come back"),
        ),
        (
            _set("cm1 refused", {"accepted": True, "says": ""}),
            ("no submission without a token", "cm1", "it was accepted"),
        ),
        (
            _set("cm1 refused", {"accepted": False, "says": "no such file"}),
            ("no submission without a token", "cm1", "it failed for another reason: no such file"),
        ),
        (
            _set("cm1 tail", {"seen": False}),
            ("a running job can be watched", "cm1", "its output is not shown"),
        ),
        (
            _set("cm1 ssh", {"fault": "no route"}),
            ("a running job can be logged in to", "cm1", "no route"),
        ),
        (
            _set("cm1 gpus", {EP1: TWO_GPUS}),
            (
                "a GPU job has its GPU",
                "ep1",
                "sees GPU-11112222-aaaa, GPU-33334444-bbbb, was given GPU-11112222",
            ),
        ),
        (
            _all(_slot(HasDocker=True), _set("cm1 docker", {EP1: {"fault": "no such image"}})),
            ("a docker job runs", "ep1", "no such image"),
        ),
        (
            _all(_slot(HasSingularity=True), _set("cm1 apptainer", {EP1: {"said": ["other"]}})),
            ("a container job runs", "ep1", "its output did not come back"),
        ),
    ],
)
def test_what_must_not_be_fails(tried: Tried, change: Any, failed: tuple[str, str, str]) -> None:
    change(tried)
    assert _failed(tried) == [failed]


def test_a_mount_that_jobs_do_not_see_fails_on_its_machine(tried: Tried) -> None:
    tried["cm1"]["mounts"] = ["/cvmfs/cms.cern.ch", "/home"]
    for machine, seen in ((EP1, ["/home"]), ("ep2.casa.test", ["/home", "/cvmfs/cms.cern.ch"])):
        tried["cm1"]["jobs"][machine]["mount"] = seen
    assert _failed(tried) == [("jobs see the site's file systems", "ep1", "not there: /cvmfs/cms.cern.ch")]


@pytest.mark.parametrize(
    ("code", "failed"),
    [(34, []), (26, ["held with code 26"]), (0, ["not held"])],
)
def test_a_job_over_its_memory_must_be_held_with_code_34(tried: Tried, code: int, failed: list[str]) -> None:
    tried["cm1"]["jobs"][EP1]["memory_max"] = ["67108864"]
    tried["cm1"]["over_limit"] = {"machine": EP1, "code": code}
    assert _failed(tried) == [("a memory limit holds", "ep1", found) for found in failed]
    assert _untried(tried)["a memory limit holds"] == {"ep2"}


@pytest.mark.parametrize(
    ("change", "name", "host"),
    [
        (_all(_slot(HasDocker=True), _set("cm1 docker", None)), "a docker job runs", "pool"),
        (_set(f"cm1 jobs {EP1}", {"busy": "all cores are in use"}), "a job runs as its submitter", "ep1"),
        (_set("cm1 spool", {"busy": "all cores are in use"}), "submit from elsewhere with a token", "cm1"),
        (_set("cm1 tail", {"busy": "all cores are in use"}), "a running job can be watched", "cm1"),
        (_set("cm1 own_tmp", value=False), "a job has its own /tmp", "pool"),
        (
            _all(
                _set(f"cm1 tmp {EP1}", {"tmp": ["shared"]}),
                lambda tried: tried["cm1"]["jobs"][EP1].pop("mounts"),
            ),
            "a job has its own /tmp",
            "ep1",
        ),
    ],
)
def test_what_cannot_be_tried_is_not_verified(tried: Tried, change: Any, name: str, host: str) -> None:
    change(tried)
    if tried["cm1"].get("docker", "") is None:
        del tried["cm1"]["docker"]
    assert _failed(tried) == []
    assert host in _untried(tried)[name]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (_set("cm1 gpus", {EP1: GOOD_GPU}), "a GPU job has its GPU"),
        (_set("cm1 ssh", {"seen": True}), "a running job can be logged in to"),
        (_slot(CgroupEnforced=True), "jobs can be limited"),
        (
            _all(_set("ep1 offers", ["docker"]), _slot(HasDocker=True)),
            "offers what the inventory says",
        ),
    ],
)
def test_what_the_lab_lacks_passes_where_it_is_there(tried: Tried, change: Any, name: str) -> None:
    change(tried)
    assert _failed(tried) == []
    assert name in {each[0] for each in _ended(tried, Verdict.PASSED)}


@pytest.mark.parametrize(
    ("universe", "name"), [("docker", "a docker job runs"), ("apptainer", "a container job runs")]
)
def test_a_container_job_passes_with_its_word(tried: Tried, universe: str, name: str) -> None:
    _slot(HasDocker=True, HasSingularity=True)(tried)
    tried["cm1"][universe] = {EP1: {"said": [tried["cm1"]["word"]]}}
    assert (name, "ep1", "") in _ended(tried, Verdict.PASSED)


def test_a_host_that_the_pool_does_not_list_fails(tried: Tried) -> None:
    tried["cm1"]["pool"]["masters"] = []
    assert [failed[:2] for failed in _failed(tried)] == [("known to the pool once", host) for host in GROUPS]


def test_without_an_access_point_no_job_is_judged(tried: Tried) -> None:
    for key in ("jobs", "tmp"):
        del tried["cm1"][key]
    assert _failed(tried) == []
    assert {check.name for check in job_checks.CHECKS} <= set(_untried(tried))


def test_text_and_json_name_the_failure_what_it_means_and_what_was_not_tried(tried: Tried) -> None:
    tried["ep1"]["authority"]["DAEMON"] = "ALLOW"
    results = _judged(tried)
    text = verify_text(results, {"ep9": "no route"}, colour=False)
    assert "Failed: least authority on ep1: DAEMON: ALLOW" in text
    assert "Means: a stolen token" in text
    assert "ep9 could not be asked: no route" in text
    assert "a memory limit holds: jobs there have no memory controller" in text
    assert text.endswith("23 checks: 12 passed, 1 failed, 10 not verified here, 1 host not asked.")
    rows = [line.split() for line in text.splitlines() if line.startswith("  least authority")]
    assert [row[2:] for row in rows[:2]] == [["FAILED", "ep1"], ["passed", "ep2"]]
    document = json.loads(json.dumps(verify_json(results, {})))
    assert {check["verdict"] for check in document["checks"]} == {"passed", "failed", "not verified here"}
    assert all(check["command"] and check["rule"] and check["meaning"] for check in document["checks"])


@pytest.mark.parametrize(
    "program",
    [
        *sorted(collection_root().glob("playbooks/files/ask-*.py")),
        *sorted(collection_root().glob("playbooks/files/try-*.py")),
    ],
    ids=lambda path: path.name,
)
def test_what_a_program_on_a_host_prints_is_taken_for_an_answer(program: Path) -> None:
    # Without this line what it found would be dropped, as another task's output is.
    assert 'print("casa-install answer 1")' in program.read_text()
    assert parse_answer('casa-install answer 1\n{"found": 1}') == {"found": 1}
