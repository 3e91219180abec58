"""What `casa-install verify` tries on caches: each check with its command, its rule and what a failure means.

The tries are in `playbooks/files/try-xcache.py`, which runs on the hosts; here is what they must find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.health.checks import Check, Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_READ = Check(
    "a cached file is read",
    "systemctl start casa-xcache-watch; cat /var/lib/casa-xcache/watch.json",
    "4 kB come through the cache within the probe's time limit",
    "readers hang or fail; /var/log/xrootd/casa/xrootd.log tells why",
)
_NOTHING = Check(
    "no credential, no data",
    "xrdfs root://CACHE cat /store/...",
    "the login is refused",
    "everybody on the network can read what this cache may read",
)
_FORGED = Check(
    "no forged token",
    "BEARER_TOKEN_FILE=... xrdfs root://CACHE cat /store/...",
    "a token in the issuer's name with another key is refused",
    "whoever knows the issuer's name can read everything",
)
_CLEAR = Check(
    "no token in clear text",
    "a login by XRootD's protocol, and a GET by HTTP, without TLS",
    "both are refused before a token is looked at",
    "whoever can see the network can take readers' tokens and use them",
)
_WRITE = Check(
    "nobody writes",
    "xrdfs root://CACHE mkdir /store/...",
    "it is refused",
    "readers can change or remove data of the origin",
)
_PATHS = Check(
    "nothing outside its paths",
    "xrdfs root://CACHE cat /store/../etc/passwd",
    "it is refused",
    "readers can see files that are not meant for them",
)
_COLD = Check(
    "a cold and a warm read",
    "xrdcp -f root://CACHE//store/... /dev/null, twice",
    "both have the right checksum, and the second needs nothing of the origin",
    "",
)

XCACHE_CHECKS: tuple[Check, ...] = (_READ, _NOTHING, _FORGED, _CLEAR, _WRITE, _PATHS, _COLD)


def judge_caches(tried: Mapping[str, Mapping[str, Any]]) -> list[Result]:
    """Judge what was found on each host with a cache, check by check.

    Args:
        tried: Host -> the objects that its programs printed; ours is under `xcache_tried`.
    """
    results = [
        result
        for host, said in tried.items()
        if "xcache_tried" in said
        for result in _on_host(host, said["xcache_tried"])
    ]
    order = {check.name: number for number, check in enumerate(XCACHE_CHECKS)}
    return sorted(results, key=lambda result: (order[result.check.name], result.host))


def _on_host(host: str, found: Mapping[str, Any]) -> Iterator[Result]:
    probe = found["probe"]
    if not probe:
        yield Result(_READ, host, Verdict.NOT_VERIFIED, "nothing is cached yet")
    else:
        fault = probe["fault"] or ("" if found["watch"] == "done" else found["watch"])
        took = f"{probe['path']} in {probe['seconds']} s"
        yield Result(_READ, host, Verdict.FAILED if fault else Verdict.PASSED, fault or took)
    if found["authorised"]:
        yield _refused(_NOTHING, host, found["nothing"], "Auth failed", "uthentication", "ermission denied")
        in_clear = {"login": found["login_in_clear"]}
        if "http_in_clear" in found:
            in_clear["HTTP"] = found["http_in_clear"]
        let_in = [
            f"{what}: {said}"
            for what, said in in_clear.items()
            if "requires TLS" not in said and not said.startswith("connection closed")
        ]
        yield Result(_CLEAR, host, Verdict.FAILED if let_in else Verdict.PASSED, "; ".join(let_in))
    else:
        why = "this cache is anonymous, as its profile says"
        yield Result(_NOTHING, host, Verdict.NOT_VERIFIED, why)
    if "forged" in found:
        yield _refused(_FORGED, host, found["forged"], "Auth failed", "uthentication", "ermission denied")
    yield _refused(_WRITE, host, found["write"], "read-only file system", "ermission denied", "not allowed")
    for name in ("outside", "above"):
        result = _refused(_PATHS, host, found[name], "disallowed", "ermission denied")
        if result.verdict is Verdict.FAILED or name == "above":
            yield result
            break
    why = "it needs a reader's token and a file of the origin; molecule/xcache does it"
    yield Result(_COLD, host, Verdict.NOT_VERIFIED, why)


def _refused(check: Check, host: str, said: str, *reasons: str) -> Result:
    """Only a refusal for the right reason shows something: a cache that is down refuses everything."""
    if any(reason in said for reason in reasons):
        return Result(check, host, Verdict.PASSED, "")
    what = "it was let in" if said == "done" else f"it failed for another reason: {said}"
    return Result(check, host, Verdict.FAILED, what)
