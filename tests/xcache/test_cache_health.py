"""What caches say of themselves and how tries are judged, from what real hosts answered (XRootD 5.8.1)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from casa_install.health.checks import Verdict
from casa_install.health.xcache import find_in_caches, read_caches
from casa_install.health.xcache_checks import judge_caches
from casa_install.report.xcache import caches_json, caches_text

ANSWERS = Path(__file__).with_name("answers")
HOSTS = ("cache1", "cache2")
Answers = dict[str, dict[str, Any]]


def _answers(verb: str) -> Answers:
    return {name: json.loads((ANSWERS / f"{verb}-{name}.json").read_text()) for name in HOSTS}


@pytest.fixture
def said() -> Answers:
    return _answers("status")


@pytest.fixture
def tried() -> Answers:
    return _answers("verify")


def _findings(said: Answers) -> list[str]:
    return [f"{f.where}: {f.what}" for f in find_in_caches(read_caches(said, HOSTS, {}))]


def test_good_caches_have_no_finding(said: Answers) -> None:
    assert _findings(said) == []


def test_the_table_has_what_somebody_asks_for(said: Answers) -> None:
    text = caches_text(read_caches(said, HOSTS, {}))
    for part in ("hits by bytes", "5.8.1", "files open", "of 20000", "cert. days", "last probe", " ago"):
        assert part in text


def test_no_cache_gives_no_table() -> None:
    assert caches_text(()) == ""


def test_programs_get_the_same_by_name(said: Answers) -> None:
    document = caches_json(read_caches(said, HOSTS, {}))
    assert list(document) == ["cache1", "cache2"]
    assert document["cache1"]["version"] == "5.8.1"
    json.dumps(document)


def test_the_ratio_is_of_bytes(said: Answers) -> None:
    said["cache1"]["xcache"]["watch"]["counted"] |= {"hit": 300, "missed": 90, "bypassed": 10}
    cache = read_caches(said, HOSTS, {})[0]
    assert (cache.hit_ratio, cache.bytes_read) == (0.75, 400)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda x: x.update(unit="failed"), "xrootd@casa.service is failed"),
        (lambda x: x["certificate"].update(ends=x["time"] + 86400), "its certificate ends in 1 days"),
        (
            lambda x: x["served"].update({"8443": "0" * 64}),
            "shows another certificate than the host's own on port 8443",
        ),
        (lambda x: x.update(token_ends=x["time"] + 10), "what it shows to origins has ended or is about to"),
        (lambda x: x.update(token_ends=0), "what it shows to origins has ended or is about to"),
        (
            lambda x: x["watch"]["probe"].update(fault="nothing was read within 20 s"),
            "cannot be read: nothing was read",
        ),
        (lambda x: x["watch"].update(time=x["time"] - 3600), "nobody watches it"),
        (lambda x: x.update(watch={}), "nobody watches it"),
        (lambda x: x.update(watch={}, watched_since=x["time"] - 600), "nobody watches it"),
        (lambda x: x["watch"]["descriptors"].update(open=17000), "17000 of at most 20000 files are open"),
        (
            lambda x: x["watch"]["spaces"][0].update(inodes_free=10),
            "of its inodes, which purging does not look at",
        ),
        (lambda x: x["watch"]["spaces"][0].update(bytes_free=10), "100% full: purging does not keep up"),
        (lambda x: x["watch"]["counted"].update(checksum_errors=2), "2 pages had changed on its disks"),
        (lambda x: x.update(drift=[{"path": "/etc/x", "what": "is gone"}]), "/etc/x is gone"),
    ],
)
def test_each_fault_is_found(said: Answers, change: Any, finding: str) -> None:
    change(said["cache1"]["xcache"])
    assert [text for text in _findings(said) if finding in text and text.startswith("cache1: ")]


def test_a_cache_that_was_just_installed_is_not_yet_watched(said: Answers) -> None:
    said["cache1"]["xcache"] |= {"watch": {}, "watched_since": said["cache1"]["xcache"]["time"] - 20}
    caches = read_caches(said, HOSTS, {})
    assert find_in_caches(caches) == []
    assert "not yet" in caches_text(caches)


def test_a_host_that_could_not_be_asked_is_said_so(said: Answers) -> None:
    caches = read_caches({"cache1": said["cache1"]}, HOSTS, {"cache2": "it cannot be reached over SSH"})
    assert [f.what for f in find_in_caches(caches)] == [
        "could not be asked about its cache: it cannot be reached over SSH"
    ]
    assert "not asked" in caches_text(caches)


def test_what_is_owed_is_shown_and_is_no_fault(said: Answers) -> None:
    said["cache1"]["xcache"]["owed"] = [{"handler": "Restart XCache", "since": 1}]
    caches = read_caches(said, HOSTS, {})
    assert find_in_caches(caches) == []
    assert "cache1: needs a quiet moment: systemctl restart xrootd@casa" in caches_text(caches)


def _failed(tried: Answers) -> list[tuple[str, str]]:
    return [(r.check.name, r.host) for r in judge_caches(tried) if r.verdict is Verdict.FAILED]


def test_good_caches_pass(tried: Answers) -> None:
    assert _failed(tried) == []
    passed = {r.check.name for r in judge_caches(tried) if r.verdict is Verdict.PASSED and r.host == "cache1"}
    assert len(passed) == 6


def test_what_was_not_tried_is_not_passed(tried: Answers) -> None:
    found = {(r.check.name, r.host) for r in judge_caches(tried) if r.verdict is Verdict.NOT_VERIFIED}
    assert ("no credential, no data", "cache2") in found
    assert ("a cold and a warm read", "cache1") in found


@pytest.mark.parametrize(
    ("key", "value", "check"),
    [
        ("nothing", "done", "no credential, no data"),
        ("nothing", "[FATAL] Connection error", "no credential, no data"),
        ("forged", "done", "no forged token"),
        ("login_in_clear", "done", "no token in clear text"),
        ("http_in_clear", "HTTP/1.1 403", "no token in clear text"),
        ("write", "done", "nobody writes"),
        ("outside", "done", "nothing outside its paths"),
        ("above", "done", "nothing outside its paths"),
        ("watch", "Job for casa-xcache-watch.service failed", "a cached file is read"),
    ],
)
def test_each_way_in_is_found(tried: Answers, key: str, value: str, check: str) -> None:
    changed = copy.deepcopy(tried)
    changed["cache1"]["xcache_tried"][key] = value
    assert _failed(changed) == [(check, "cache1")]


def test_a_file_that_hangs_is_a_failure(tried: Answers) -> None:
    tried["cache1"]["xcache_tried"]["probe"]["fault"] = "nothing was read within 20 s"
    assert _failed(tried) == [("a cached file is read", "cache1")]
