"""What `casa-install verify` tries with a Dask cluster: each check, its rule and what a failure means.

The tries are in `playbooks/files/try-dask.py`, which runs on the hosts; here is what they must find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.health.checks import Check, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SUM = 499_500
"""Of the numbers below 1000."""

_CLUSTER = Check(
    "a Dask cluster computes",
    "HTCondorCluster(n_workers=2) in the environment's Python, in a login",
    "two workers come, run as the user, and give the right sum",
    "users' clusters stay empty or fail; ~/dask-worker-logs and condor_q -better-analyze tell why",
)
_TLS = Check(
    "Dask talks by TLS only",
    "openssl s_client -connect SCHEDULER",
    "scheduler and workers have tls:// addresses, and a client without a certificate is refused",
    "whoever reaches the ports can run code as the user",
)
_VERSIONS = Check(
    "one software on both sides",
    "Client(cluster).get_versions(check=True)",
    "client, scheduler and workers have the same versions of what they exchange",
    "results are wrong or clusters hang; apply again, so that all hosts get the environment",
)

DASK_CHECKS: tuple[Check, ...] = (_CLUSTER, _TLS, _VERSIONS)


def judge_clusters(tried: Mapping[str, Mapping[str, Any]]) -> list[Result]:
    """Judge what a cluster did on each host that has the users' software, check by check.

    Args:
        tried: Host -> the objects that its programs printed; ours is under `dask_tried`.
    """
    found = {host: said["dask_tried"] for host, said in tried.items() if "dask_tried" in said}
    results = [result for host, one in found.items() for result in _on_host(host, one)]
    order = {check.name: number for number, check in enumerate(DASK_CHECKS)}
    return sorted(results, key=lambda result: (order[result.check.name], result.host))


def _on_host(host: str, found: Mapping[str, Any]) -> Iterator[Result]:
    fault = found.get("fault", "")
    if fault and found["free"] < 1 and "first" not in found:
        yield _CLUSTER.untried(host, "no execution point has a free core")
    else:
        yield _CLUSTER.result(host, not fault and not _wrong(found), fault or _wrong(found) or _took(found))
    if "stranger" not in found:
        yield _TLS.untried(host, "there was no scheduler")
    else:
        addresses = [found["scheduler"], *found.get("workers", [])]
        plain = [address for address in addresses if not address.startswith("tls://")]
        refused = "CERTIFICATE_REQUIRED" in found["stranger"] or "HANDSHAKE_FAILURE" in found["stranger"]
        yield _TLS.result(
            host, not plain and refused, ", ".join(plain) or ("" if refused else found["stranger"])
        )
    if "versions" not in found:
        yield _VERSIONS.untried(host, "there was no worker")
    else:
        yield _VERSIONS.result(host, not found["versions"], found["versions"])


def _wrong(found: Mapping[str, Any]) -> str:
    if found["uids"] != [found["uid"]]:
        uids = ", ".join(map(str, found["uids"]))
        return f"workers ran with the uid {uids}, {found['user']} has {found['uid']}"
    if found["sum"] != _SUM:
        return f"the sum is {found['sum']} instead of {_SUM}"
    return ""


def _took(found: Mapping[str, Any]) -> str:
    return f"first worker in {found['first']} s, both in {found['all']} s"
