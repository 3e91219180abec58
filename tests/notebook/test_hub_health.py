"""What hubs say of themselves and how tries are judged, from what a real host answered (JupyterHub 6.1.1)."""

from __future__ import annotations

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from casa_install.health.checks import Verdict
from casa_install.health.notebook import find_in_hubs, read_hubs
from casa_install.health.notebook_checks import NOTEBOOK_CHECKS, judge_hubs
from casa_install.report.notebook import hubs_json, hubs_text

ANSWERS = Path(__file__).with_name("answers")
Answers = dict[str, dict[str, Any]]


def _answer(verb: str) -> Answers:
    return {"nb": json.loads((ANSWERS / f"{verb}-nb.json").read_text())}


@pytest.fixture
def said() -> Answers:
    return _answer("status")


@pytest.fixture
def tried() -> Answers:
    return _answer("verify")


def _changed(answers: Answers, key: str, path: str, value: object) -> Answers:
    found = copy.deepcopy(answers)
    *way, last = path.split()
    at: Any = found["nb"][key]
    for step in way:
        at = at[step]
    at[last] = value
    return found


def _findings(said: Answers) -> list[str]:
    return [f"{f.where}: {f.what}" for f in find_in_hubs(read_hubs(said, ("nb",), {}))]


def test_a_good_hub_has_no_finding(said: Answers) -> None:
    assert _findings(said) == []


def test_no_hub_gives_no_table() -> None:
    assert hubs_text(()) == ""
    assert hubs_json(()) == {}


def test_the_table_has_what_somebody_asks_for(said: Answers) -> None:
    said["nb"]["notebook"]["accounts"]["look_alikes"] = 1
    said["nb"]["notebook"]["owed"] = [{"handler": "Restart the hub", "since": 1}]
    text = hubs_text(read_hubs(said, ("nb",), {}))
    for part in ("6.1.1", "0 of 2", "cert. days", "30", "active", "in 0.063 s", "GiB"):
        assert part in text
    assert "Note: nb: 1 may have several accounts: casa-hub-accounts there" in " ".join(text.split())
    assert "Restart the hub" in text


def test_programs_get_the_same_by_name(said: Answers) -> None:
    document = json.loads(json.dumps(hubs_json(read_hubs(said, ("nb",), {}))))
    assert document["nb"]["version"] == "6.1.1"
    assert document["nb"]["spawn_failures"] == 0


@pytest.mark.parametrize(
    ("path", "value", "finding"),
    [
        ("units casa-hub.service state", "failed", "nb: casa-hub.service is failed"),
        ("units casa-proxy.service state", "", "nb: casa-proxy.service is not there"),
        (
            "hub",
            {"version": "", "seconds": None, "fault": "timed out"},
            "nb: its hub does not answer: timed out",
        ),
        ("hub seconds", 9.0, "nb: its hub took 9 s to answer"),
        (
            "served",
            "another",
            "nb: its proxy shows another certificate than the host's own",
        ),
        ("certificate ends", 1795794751 + 3 * 86400, "nb: its certificate ends in 3 days"),
        ("certificate", {"fault": "no such file"}, "nb: its certificate cannot be read"),
        (
            "provider",
            {"issuer": "https://sso", "fault": "refused"},
            "nb: https://sso does not answer: refused",
        ),
        (
            "sessions failed",
            ["casa-session-ada.service"],
            "nb: casa-session-ada.service has failed",
        ),
        ("spawns", {"success": 17, "failure": 3}, "nb: 3 of 20 sessions could not be started"),
        (
            "drift",
            [{"path": "/etc/casa-hub/proxy.json", "what": "is gone"}],
            "nb: /etc/casa-hub/proxy.json is gone",
        ),
        ("installed", False, "nb: could not be asked about its hub: no hub is installed there"),
    ],
)
def test_what_is_wrong_is_found(said: Answers, path: str, value: object, finding: str) -> None:
    assert _findings(_changed(said, "notebook", path, value)) == [finding]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spawns", {"success": 0, "failure": 2}),
        ("spawns", {"success": 400, "failure": 3}),
        ("spawns", None),
        ("accounts", None),
        ("provider", {"issuer": "https://sso", "fault": ""}),
        ("units casa-hub.service restarts", 2),
    ],
)
def test_what_happens_is_no_fault(said: Answers, path: str, value: object) -> None:
    assert _findings(_changed(said, "notebook", path, value)) == []


def test_a_host_that_cannot_be_asked_is_said() -> None:
    hubs = read_hubs({}, ("nb", "nb2"), {"nb": "it cannot be reached over SSH"})
    assert [hub.fault for hub in hubs] == ["it cannot be reached over SSH", "it gave no answer"]
    assert "not asked" in hubs_text(hubs)


def _verdicts(tried: Answers) -> dict[str, str]:
    return {result.check.name: result.verdict.value for result in judge_hubs(tried)}


def _failed(tried: Answers) -> list[tuple[str, str]]:
    return [
        (result.check.name, result.found) for result in judge_hubs(tried) if result.verdict is Verdict.FAILED
    ]


def test_a_good_hub_fails_nothing_and_says_what_was_not_tried(tried: Answers) -> None:
    assert _failed(tried) == []
    assert {result.check for result in judge_hubs(tried)} == set(NOTEBOOK_CHECKS)
    untried = [name for name, verdict in _verdicts(tried).items() if verdict == "not verified here"]
    assert untried == ["a login and a session"]


@pytest.mark.parametrize(
    ("path", "value", "failed"),
    [
        ("hsts", "", ("browsers stay with HTTPS", "it is missing")),
        ("api /hub/api/users", 200, ("no token, no API", "/hub/api/users: 200")),
        ("api /hub/metrics", 302, ("no token, no API", "/hub/metrics: 302")),
        (
            "reachable",
            ["10.0.0.5 port 8081"],
            ("only the proxy is on the network", "reached: 10.0.0.5 port 8081"),
        ),
        ("forged", True, ("no forged X-Forwarded", "the answer names it")),
        ("forged_status", 500, ("no forged X-Forwarded", "status 500")),
        ("redirected", ["//x/"], ("no open redirect", "//x/")),
        ("allow rule", {}, ("the allow rule is in force", "there is none")),
        (
            "allow read",
            False,
            ("the allow rule is in force", "the settings were changed after the hub was started"),
        ),
        (
            "sessions",
            {"found": 1, "faults": ["casa-session-ada.service runs as uid 0, not 6001"]},
            (
                "sessions are their users' and have limits",
                "casa-session-ada.service runs as uid 0, not 6001",
            ),
        ),
        (
            "loose",
            ["/etc/casa-hub/secrets/cookie_secret"],
            ("secrets are read by their owners only", "/etc/casa-hub/secrets/cookie_secret"),
        ),
    ],
)
def test_what_must_be_refused_and_is_not(
    tried: Answers, path: str, value: object, failed: tuple[str, str]
) -> None:
    assert _failed(_changed(tried, "notebook_tried", path, value)) == [failed]


def test_a_hub_that_is_down_refuses_nothing(tried: Answers) -> None:
    down = _changed(tried, "notebook_tried", "page", {"status": 0, "fault": "connection refused"})
    assert _failed(down) == [("the hub answers over HTTPS", "connection refused")]
    for name in ("no token, no API", "no forged X-Forwarded", "no open redirect"):
        assert _verdicts(down)[name] == "not verified here"


def test_a_host_without_its_hub_is_said() -> None:
    assert _failed({"nb": {"notebook_tried": {"installed": False}}}) == [
        ("the hub answers over HTTPS", "no hub is installed there")
    ]


def _program() -> dict[str, Any]:
    """The names of what runs on hosts."""
    return runpy.run_path(str(ANSWERS.parents[2] / "playbooks" / "files" / "ask-notebook.py"))


def test_spawns_are_counted_as_jupyterhub_says_them() -> None:
    metrics = """
jupyterhub_server_spawn_duration_seconds_count{reason="",status="success"} 20.0
jupyterhub_server_spawn_duration_seconds_sum{reason="",status="success"} 26.7
jupyterhub_server_spawn_duration_seconds_count{reason="",status="failure"} 2.0
jupyterhub_server_spawn_duration_seconds_count{reason="",status="error"} 1.0
jupyterhub_server_spawn_duration_seconds_count{reason="throttled",status="failure"} 5.0
jupyterhub_server_spawn_duration_seconds_count{status="failure",reason="already-pending"} 7.0
"""
    assert _program()["count_spawns"](metrics) == {"success": 20, "failure": 3}


def test_a_restart_is_owed_until_it_was_done(tmp_path: Path) -> None:
    program = _program()
    # A function has the names of its own module.
    program = program["receipt"].__globals__
    program["RECEIPT"] = tmp_path / "notebook.json"
    owed = [
        {"handler": "Restart the hub", "since": 100},
        {"handler": "Restart the hub's proxy", "since": 100},
    ]
    program["RECEIPT"].write_text(json.dumps({"owed": owed, "entries": []}))
    units = {"casa-hub.service": {"since": 100}, "casa-proxy.service": {"since": 99}}
    assert program["receipt"](units) == ([owed[1]], [])


def test_other_hosts_are_not_judged() -> None:
    assert judge_hubs({"cm1": {"ready": {}}}) == []


def test_every_check_says_what_it_is() -> None:
    assert len({check.name for check in NOTEBOOK_CHECKS}) == len(NOTEBOOK_CHECKS)
    assert all(check.command and check.rule for check in NOTEBOOK_CHECKS)
