"""A pool that is asked without SSH: the same objects, and each refusal with its message."""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from casa_install.errors import ExitCode
from casa_install.health import pool_api, pool_program
from casa_install.health.pool_api import PoolError, ask_pool
from casa_install.health.read_status import read_pool, read_status
from casa_install.health.thresholds import Thresholds, find
from casa_install.report.status import status_json, status_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

ANSWERS = Path(__file__).with_name("answers")
GROUPS = {"cm1": ["manager", "access"], "ep1": ["execute"], "ep2": ["execute"]}
NOW = 1_800_000_000.0
SEEN = ("machine", "daemons", "slots", "address", "groups", "fault")
"""What of a host the pool itself tells."""
REFUSED = "ERROR: AUTHENTICATE:1003:Failed to authenticate with any method|AUTHENTICATE:1004:No token"


class Ad(dict[str, Any]):
    """An ad as HTCondor's library gives it: values are had by evaluation."""

    def eval(self, name: str) -> Any:
        return self[name]


def _token(directory: Path, name: str = "reader", **claims: object) -> Path:
    directory.mkdir(exist_ok=True)
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    path = directory / name
    path.write_text(f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl\n")
    return path


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this computer that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    directory = tmp_path / "tokens.d"
    _token(directory, iss="pool.casa.test", sub="reader@pool.casa.test", exp=time.time() + 600)
    return directory


def _library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> Path:
    """Put a program in the place of Python: it answers what the library of a real pool answered."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


def test_both_ways_ask_for_the_same_attributes(program: Callable[[str], ModuleType]) -> None:
    over_ssh = {kind: set(names.split(",")) for kind, (_, names) in program("ask-htcondor").POOL.items()}
    assert over_ssh == {kind: set(names) for kind, (_, names) in pool_program.POOL.items()}


@pytest.mark.parametrize(
    ("accounting_group", "owner", "group"),
    [
        ("", "jane", ""),
        ("jane", "jane", ""),
        ("jane.doe", "jane.doe", ""),
        ("batch.jane", "jane", "batch"),
        ("cms.other.jane.doe", "jane.doe", "cms.other"),
        ("cms.other.coffea.jane", "hub", "cms.other.coffea"),
    ],
)
def test_a_job_is_of_the_same_group_both_ways(
    program: Callable[[str], ModuleType], accounting_group: str, owner: str, group: str
) -> None:
    assert pool_program.group_of(accounting_group, owner) == group
    assert program("ask-htcondor").group_of(accounting_group, owner) == group


def test_jobs_are_counted_alike_both_ways(
    program: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [
        {"AccountingGroup": "batch.jane", "Owner": "jane", "JobStatus": 2},
        {"AccountingGroup": "batch.jane", "Owner": "jane", "JobStatus": 2},
        {"Owner": "joe", "JobStatus": 5, "HoldReason": "no memory"},
        {"AccountingGroup": "x.joe", "Owner": "joe", "JobStatus": 4},
    ]
    names = ("AccountingGroup", "Owner", "JobStatus", "HoldReason")
    printed = "".join("\t".join(str(job.get(name, "undefined")) for name in names) + "\n" for job in jobs)
    ask = program("ask-htcondor")
    monkeypatch.setattr(ask, "run", lambda *_: (0, printed, ""))
    assert ask.queue() == pool_program.count_jobs(jobs)
    assert pool_program.count_jobs(jobs) == {
        "jobs": [
            {"group": "", "state": "held", "jobs": 1},
            {"group": "batch", "state": "running", "jobs": 2},
            {"group": "x", "state": "other", "jobs": 1},
        ],
        "held": [{"reason": "no memory", "jobs": 1}],
    }


def test_ads_of_the_library_become_the_objects_that_a_host_prints() -> None:
    classad2 = pytest.importorskip("classad2")
    said = json.loads((ANSWERS / "status-cm1.json").read_text())["pool"]
    for kind, (_, names) in pool_program.POOL.items():
        ads = [classad2.ClassAd(ad) for ad in said[kind]]
        assert [pool_program.plain_ad(ad, names) for ad in ads] == said[kind]
    ad = classad2.ClassAd('[ Machine = strcat("ep", "1"); State = undefined; Cpus = error; Name = 1.5 ]')
    assert pool_program.plain_ad(ad, ("Machine", "State", "Cpus", "Name", "Memory")) == {
        "Machine": "ep1",
        "Name": 1.5,
    }


def test_the_pools_part_is_the_same_both_ways() -> None:
    answers = {name: json.loads((ANSWERS / f"status-{name}.json").read_text()) for name in GROUPS}
    over_ssh = read_status(answers, GROUPS, {}, NOW)
    said = {"pool": answers["cm1"]["pool"], "queues": {"cm1.casa.test": answers["cm1"]["queue"]}}
    direct = read_pool(said, GROUPS, "cm1.casa.test", NOW)
    first, second = status_json(over_ssh, []), status_json(direct, [])
    for name in GROUPS:
        assert {key: second["hosts"][name][key] for key in SEEN} == {
            key: first["hosts"][name][key] for key in SEEN
        }
    for key in ("jobs", "held", "negotiation", "schedds", "others", "fault"):
        assert second[key] == first[key], key


def test_what_only_hosts_know_is_said_to_be_unknown() -> None:
    said = json.loads((ANSWERS / "status-cm1.json").read_text())["pool"]
    status = read_pool({"pool": said, "queues": {}}, {}, "cm1.casa.test", NOW)
    assert [(host.name, host.groups) for host in status.hosts] == [
        ("cm1.casa.test", ("manager", "access")),
        ("ep1.casa.test", ("execute",)),
        ("ep2.casa.test", ("execute",)),
    ]
    assert "unknown without SSH: condor.service" in status_text(status)
    host = json.loads(json.dumps(status_json(status, [])))["hosts"]["ep1.casa.test"]
    assert [host[key] for key in ("version", "unit", "tokens", "owed", "drift")] == [None] * 5


def test_a_queue_that_refuses_names_the_token_that_it_needs() -> None:
    said = json.loads((ANSWERS / "status-cm1.json").read_text())["pool"]
    queues = {"cm1.casa.test": {"fault": "AUTHENTICATE:1003"}}
    ended = said["negotiators"][0]["LastNegotiationCycleEnd0"]
    (finding,) = find(read_pool({"pool": said, "queues": queues}, {}, "cm1", ended + 1.0), Thresholds())
    assert (finding.where, finding.what) == ("cm1.casa.test", "its queue cannot be read: AUTHENTICATE:1003")
    assert "condor_token_create -key AP" in finding.hint


def test_no_token_is_a_refusal_that_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="no token in") as refused:
        ask_pool("127.0.0.1:1", tmp_path)
    assert refused.value.exit_code == ExitCode.USAGE
    assert "condor_token_create" in refused.value.hint


def test_a_file_that_holds_no_token_is_none(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("a.b.c\nhello\n")
    with pytest.raises(PoolError, match="no token in"):
        ask_pool("127.0.0.1:1", tmp_path)


def test_tokens_that_have_ended_are_a_refusal(tmp_path: Path, port: int) -> None:
    _token(tmp_path, iss="pool.casa.test", exp=1_700_000_000)
    with pytest.raises(PoolError, match="has ended, the last one at 2023-11-14 22:13 UTC"):
        ask_pool(f"127.0.0.1:{port}", tmp_path)


def test_a_pool_that_cannot_be_reached_has_a_status_of_its_own(good: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(PoolError, match="cannot be reached: Connection refused") as refused:
        ask_pool(f"127.0.0.1:{free}", good)
    assert refused.value.exit_code == ExitCode.UNREACHABLE


@pytest.mark.parametrize("address", ["a b", "cm:0", "cm:70000", "", "cm:9618:1", "http://cm"])
def test_what_is_no_address_is_refused(address: str, good: Path) -> None:
    with pytest.raises(PoolError, match="no host with an optional port"):
        ask_pool(address, good)


def test_without_htcondors_library_the_way_round_is_named(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_api.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PoolError, match="not installed") as refused:
        ask_pool("127.0.0.1", good)
    assert "leave --pool away" in refused.value.hint


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            "Ignoring token as it is from trust domain other (server trust domain is other.example).",
            "takes tokens of the trust domain other.example; those in .* are of pool.casa.test",
        ),
        (REFUSED, "refuses the token of reader@pool.casa.test: AUTHENTICATE:1003:Failed"),
    ],
)
def test_a_refusing_pool_is_explained(
    good: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, says: str
) -> None:
    _library(monkeypatch, tmp_path, f"echo '{said}' >&2; exit 1")
    with pytest.raises(PoolError, match=says):
        ask_pool(f"127.0.0.1:{port}", good)


def test_the_token_is_used_where_it_lies_and_nothing_of_this_computer_is_read(
    good: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_CONDOR_SEC_CLIENT_ENCRYPTION", "NEVER")
    seen = tmp_path / "seen"
    _library(
        monkeypatch,
        tmp_path,
        f'{{ echo "$@"; env; }} > {seen}; printf \'{{"pool": {{}}, "queues": {{}}}}\'',
    )
    assert ask_pool(f"127.0.0.1:{port}", good) == {"pool": {}, "queues": {}}
    text = seen.read_text()
    assert "eyJ" not in text
    assert f"_condor_SEC_TOKEN_DIRECTORY={good}\n" in text
    assert f"_condor_SEC_TOKEN_SYSTEM_DIRECTORY={good}\n" in text
    assert f"_condor_SEC_PASSWORD_DIRECTORY={os.devnull}\n" in text
    assert "CONDOR_CONFIG=ONLY_ENV\n" in text
    assert "ENCRYPTION=NEVER" not in text


def test_a_queue_that_refuses_is_told_with_htcondors_reason(
    good: Path, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = json.dumps({"pool": {}, "queues": {"ap1": {"fault": "Failed to fetch ads"}}})
    _library(monkeypatch, tmp_path, f"echo '{REFUSED}' >&2; echo '{answer}'")
    queues = ask_pool(f"127.0.0.1:{port}", good)["queues"]
    assert queues["ap1"]["fault"].startswith("AUTHENTICATE:1003:")
