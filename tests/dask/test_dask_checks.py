"""How a cluster of `casa-install verify` is judged: a good one, and some that must fail."""

from __future__ import annotations

from typing import Any

import pytest

from casa_install.health.checks import Verdict
from casa_install.health.dask_checks import DASK_CHECKS, judge_clusters

FOUND: dict[str, Any] = {
    "user": "casa-proof",
    "uid": 998,
    "free": 4,
    "scheduler": "tls://10.89.3.2:40767",
    "stranger": "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2648)",
    "first": 4.5,
    "all": 4.6,
    "sum": 499_500,
    "uids": [998],
    "hosts": ["ep1.casa.test", "ep2.casa.test"],
    "workers": ["tls://10.89.3.3:28000", "tls://10.89.3.4:28000"],
    "versions": "",
}
CLUSTER, TLS, VERSIONS = (check.name for check in DASK_CHECKS)


def judged(**changed: Any) -> dict[str, tuple[Verdict, str]]:
    found = {name: value for name, value in {**FOUND, **changed}.items() if value is not None}
    results = judge_clusters({"ap1": {"dask_tried": found}, "ep1": {}})
    assert {result.host for result in results} == {"ap1"}
    return {result.check.name: (result.verdict, result.found) for result in results}


def test_a_good_cluster_passes_with_its_times() -> None:
    assert judged() == {
        CLUSTER: (Verdict.PASSED, "first worker in 4.5 s, both in 4.6 s"),
        TLS: (Verdict.PASSED, ""),
        VERSIONS: (Verdict.PASSED, ""),
    }


@pytest.mark.parametrize(
    ("changed", "check", "said"),
    [
        ({"sum": 1}, CLUSTER, "the sum is 1 instead of 499500"),
        ({"uids": [65534, 998]}, CLUSTER, "workers ran with the uid 65534, 998, casa-proof has 998"),
        ({"fault": "TimeoutError: no worker"}, CLUSTER, "TimeoutError: no worker"),
        ({"workers": ["tcp://10.89.3.3:28000"]}, TLS, "tcp://10.89.3.3:28000"),
        ({"stranger": "it answered b'\\x00'"}, TLS, "it answered b'\\x00'"),
        ({"stranger": "[SSL: UNEXPECTED_EOF_WHILE_READING]"}, TLS, "[SSL: UNEXPECTED_EOF_WHILE_READING]"),
        ({"versions": "Mismatched versions found"}, VERSIONS, "Mismatched versions found"),
    ],
)
def test_what_is_wrong_fails_alone(changed: dict[str, Any], check: str, said: str) -> None:
    results = judged(**changed)
    assert results[check] == (Verdict.FAILED, said)
    assert [name for name, (verdict, _) in results.items() if verdict is Verdict.FAILED] == [check]


def test_a_full_pool_is_no_failure() -> None:
    gone = dict.fromkeys(("first", "all", "sum", "uids", "hosts", "workers", "versions"))
    results = judged(fault="TimeoutError: no worker", free=0, **gone)
    assert results[CLUSTER] == (Verdict.NOT_VERIFIED, "no execution point has a free core")
    assert results[TLS][0] is Verdict.PASSED
    assert results[VERSIONS] == (Verdict.NOT_VERIFIED, "there was no worker")
    results = judged(fault="TimeoutError: no worker", free=2, **gone)
    assert results[CLUSTER] == (Verdict.FAILED, "TimeoutError: no worker")


def test_without_a_scheduler_nothing_is_said_of_it() -> None:
    results = judge_clusters({"ap1": {"dask_tried": {"user": "u", "uid": 1, "free": 4, "fault": "no file"}}})
    assert [result.verdict for result in results] == [
        Verdict.FAILED,
        Verdict.NOT_VERIFIED,
        Verdict.NOT_VERIFIED,
    ]
