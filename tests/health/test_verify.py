"""How tries are judged, from what real hosts found (HTCondor 23.9.6), some changed to what must fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casa_install.health.checks import CHECKS, Result, Verdict, judge
from casa_install.health.status import read_status
from casa_install.report.verify import verify_json, verify_text

ANSWERS = Path(__file__).with_name("answers")
GROUPS = {"cm1": ["manager", "access"], "ep1": ["execute"], "ep2": ["execute"]}
Tried = dict[str, dict[str, Any]]


@pytest.fixture
def tried() -> Tried:
    return {name: json.loads((ANSWERS / f"verify-{name}.json").read_text()) for name in GROUPS}


def _judged(tried: Tried, **pool: Any) -> list[Result]:
    answers = {name: json.loads((ANSWERS / f"status-{name}.json").read_text()) for name in GROUPS}
    answers["cm1"]["pool"] |= pool
    return judge(tried, read_status(answers, GROUPS, {}, now=0.0))


def _failed(tried: Tried, **pool: Any) -> list[tuple[str, str, str]]:
    return [
        (result.check.name, result.host, result.found)
        for result in _judged(tried, **pool)
        if result.verdict is Verdict.FAILED
    ]


def test_a_good_site_fails_nothing_and_says_what_was_not_tried(tried: Tried) -> None:
    results = _judged(tried)
    assert _failed(tried) == []
    assert {result.check for result in results} == set(CHECKS)
    untried = {
        (result.check.name, result.host) for result in results if result.verdict is Verdict.NOT_VERIFIED
    }
    assert untried == {
        ("least authority", "cm1"),
        ("a memory limit holds", "ep1.casa.test"),
        ("a memory limit holds", "ep2.casa.test"),
        ("docker jobs", "pool"),
    }


@pytest.mark.parametrize("level", ["ADVERTISE_SCHEDD", "DAEMON", "ADMINISTRATOR"])
def test_an_execution_point_that_may_do_more_fails(tried: Tried, level: str) -> None:
    tried["ep1"]["authority"][level] = "ALLOW"
    assert _failed(tried) == [("least authority", "ep1", f"{level}: ALLOW")]


def test_an_execution_point_that_may_not_advertise_itself_fails(tried: Tried) -> None:
    tried["ep1"]["authority"]["ADVERTISE_STARTD"] = "FAIL"
    assert _failed(tried) == [("least authority", "ep1", "ADVERTISE_STARTD: FAIL")]


def test_a_try_without_an_answer_shows_nothing(tried: Tried) -> None:
    tried["ep1"]["stranger"] = {}
    assert _failed(tried) == [("no token, no authority", "ep1", "condor_ping gave no answer")]


def test_a_pool_that_lets_strangers_in_fails(tried: Tried) -> None:
    tried["ep2"]["stranger"]["ADVERTISE_STARTD"] = "ALLOW"
    assert _failed(tried) == [("no token, no authority", "ep2", "ADVERTISE_STARTD")]


def test_an_access_point_that_believes_an_administrator_token_fails(tried: Tried) -> None:
    tried["cm1"]["forged"]["ADMINISTRATOR"] = "ALLOW"
    assert _failed(tried) == [("no administrator by token", "cm1", "ADMINISTRATOR")]


def test_refusing_every_token_is_no_proof_of_refusing_a_forged_one(tried: Tried) -> None:
    tried["cm1"]["user_token"]["READ"] = "FAIL"
    assert _failed(tried) == [
        ("no administrator by token", "cm1", "a user's token from the same key is refused too")
    ]


def test_talk_that_may_be_read_fails(tried: Tried) -> None:
    tried["ep1"]["security"]["SEC_DEFAULT_ENCRYPTION"] = "OPTIONAL"
    assert _failed(tried) == [("talk is secured", "ep1", "SEC_DEFAULT_ENCRYPTION")]


def test_a_daemon_that_is_not_ready_fails(tried: Tried) -> None:
    tried["ep1"]["ready"] = {"ready": False, "daemons": {"STARTD": "Dead"}}
    assert _failed(tried) == [("daemons ready", "ep1", "STARTD")]


@pytest.mark.parametrize(
    ("job", "found"),
    [
        ({"fault": "the job has not ended after 180 s"}, "the job has not ended after 180 s"),
        ({"host": "ep2.casa.test"}, "it ran on ep2.casa.test"),
        ({"user": "nobody"}, "it ran as nobody"),
        ({"cgroup": "/"}, "its control group is /"),
    ],
)
def test_a_job_that_ran_otherwise_fails(tried: Tried, job: dict[str, str], found: str) -> None:
    tried["cm1"]["jobs"]["ep1.casa.test"] |= job
    assert _failed(tried) == [("a job runs as its submitter", "ep1.casa.test", found)]


@pytest.mark.parametrize(("code", "fails"), [(34, False), (0, True)])
def test_a_job_over_its_memory_must_be_held_with_code_34(tried: Tried, code: int, fails: bool) -> None:
    tried["cm1"]["jobs"]["ep1.casa.test"]["memory_max"] = "67108864"
    tried["cm1"]["over_limit"] = {"code": code}
    assert bool(_failed(tried)) is fails


def test_a_slow_cycle_and_an_unknown_host_fail(tried: Tried) -> None:
    negotiators = [{"LastNegotiationCycleDuration0": 30, "LastNegotiationCycleEnd0": 1}]
    assert _failed(tried, negotiators=negotiators) == [("negotiation is quick", "pool", "30 s")]
    assert [failed[:2] for failed in _failed(tried, masters=[])] == [
        ("known to the pool once", host) for host in GROUPS
    ]


def test_text_and_json_name_the_failure_what_it_means_and_what_was_not_tried(tried: Tried) -> None:
    tried["ep1"]["authority"]["DAEMON"] = "ALLOW"
    results = _judged(tried)
    text = verify_text(results, {"ep9": "no route"}, colour=False)
    assert "Failed: least authority on ep1: DAEMON: ALLOW" in text
    assert "Means: a stolen token" in text
    assert "ep9 could not be asked: no route" in text
    assert "a memory limit holds: jobs there have no memory controller" in text
    document = json.loads(json.dumps(verify_json(results, {})))
    assert {check["verdict"] for check in document["checks"]} == {"passed", "failed", "not verified here"}
