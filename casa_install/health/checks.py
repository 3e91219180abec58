"""What `casa-install verify` tries: each check with its command, its rule and what a failure means.

The tries are in `playbooks/files/try-htcondor.py`, which runs on the hosts; here is what they must find.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from casa_install.health.status import Host, Status


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIED = "not verified here"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is tried.

    Attributes:
        name: For people, and the key in `--json`.
        command: What somebody types on the host to see the same.
        rule: When it passes.
        meaning: What a failure means.
    """

    name: str
    command: str
    rule: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended on a host, with what was found."""

    check: Check
    host: str
    verdict: Verdict
    found: str


_READY = Check(
    "daemons ready",
    "condor_who -wait:30 'IsReady'",
    "the master and the daemons of this host's groups say that they are ready",
    "a daemon does not start or does not reach the collector; its log is in /var/log/condor",
)
_SECURITY = Check(
    "talk is secured",
    "condor_config_val -startd SEC_DEFAULT_ENCRYPTION",
    "authentication, encryption and integrity are REQUIRED in the running daemon",
    "somebody on the network can read or change what daemons say",
)
_STRANGER = Check(
    "no token, no authority",
    "condor_ping -type collector -table READ ADVERTISE_STARTD DAEMON, with an empty token directory",
    "everything is refused",
    "whoever reaches port 9618 can join the pool and take its jobs",
)
_LEAST = Check(
    "least authority",
    "condor_ping -type collector -table READ ADVERTISE_STARTD DAEMON ADMINISTRATOR, with IDTOKENS only",
    "the join token lets the host read and advertise what it is, and nothing else",
    "a stolen token of this host can do more harm than pretend to be this host",
)
_FORGED = Check(
    "no administrator by token",
    "condor_token_create -key AP -identity condor@... ; condor_ping -type schedd -table ADMINISTRATOR",
    "the access point refuses a token for condor@, though it is signed with its own key",
    "who gets hold of the key for user tokens administers the queue",
)
_JOB = Check(
    "a job runs as its submitter",
    "condor_submit, one job for each execution point",
    "it ends, ran on that machine as the account that submitted it, in a control group of its own",
    "users' jobs fail or run as somebody else; the machine's StarterLog tells why",
)
_MEMORY = Check(
    "a memory limit holds",
    "condor_submit with request_memory = 64MB for a job that takes 400 MB",
    "the job is held with code 34",
    "one job can take the memory of all others on the machine",
)
_DOCKER = Check("docker jobs", "condor_status -af HasDocker DockerOfflineReason", "HasDocker is true", "")
_CYCLE = Check(
    "negotiation is quick",
    "condor_status -negotiator -af LastNegotiationCycleDuration0",
    "the last cycle took less than 10 s",
    "jobs wait for the negotiator; look at NegotiatorLog on the manager",
)
_KNOWN = Check(
    "known to the pool once",
    "condor_status -master -af Machine MyAddress",
    "the pool lists the host",
    "its updates do not arrive: its token, its clock, or a firewall",
)

CHECKS: tuple[Check, ...] = (
    _READY,
    _KNOWN,
    _SECURITY,
    _STRANGER,
    _LEAST,
    _FORGED,
    _CYCLE,
    _JOB,
    _MEMORY,
    _DOCKER,
)


def judge(tried: Mapping[str, Mapping[str, Any]], status: Status) -> list[Result]:
    """Judge what was found, check by check.

    Args:
        tried: Host -> the object that `playbooks/files/try-htcondor.py` prints.
        status: The pool as it says of itself.
    """
    hosts = {host.name: host for host in status.hosts}
    results: list[Result] = []
    for name, found in tried.items():
        results += _on_host(hosts[name], found)
    results += [
        _result(
            _KNOWN,
            host.name,
            bool(host.address),
            host.address.partition("?")[0].strip("<>") or "it is not listed",
        )
        for host in status.hosts
        if not host.fault
    ]
    results += _of_pool(status, tried)
    order = {check.name: number for number, check in enumerate(CHECKS)}
    return sorted(results, key=lambda result: (order[result.check.name], result.host))


def _on_host(host: Host, found: Mapping[str, Any]) -> Iterator[Result]:
    ready = found["ready"]
    dead = [name for name, state in ready["daemons"].items() if state in ("Hung", "Dead", "Hold")]
    yield _result(
        _READY, host.name, ready["ready"], ", ".join(dead) or ("" if ready["ready"] else "not ready")
    )
    loose = [name for name, value in found["security"].items() if value != "REQUIRED"]
    yield _result(_SECURITY, host.name, not loose, ", ".join(loose))
    allowed = [level for level, answer in found["stranger"].items() if answer == "ALLOW"]
    yield _answered(_STRANGER, host.name, found["stranger"], not allowed, ", ".join(allowed))
    if "authority" in found:
        wrong = _unlike(found["authority"], _wanted(host.groups))
        yield _answered(_LEAST, host.name, found["authority"], not wrong, ", ".join(wrong))
    else:
        why = "this host holds the pool's key, so root here signs for itself"
        yield Result(_LEAST, host.name, Verdict.NOT_VERIFIED, why)
    if "forged" in found:
        yield _forged(host.name, found["forged"], found["user_token"])
    for machine, job in found.get("jobs", {}).items():
        yield _job(machine, job)
    yield from _memory(found)


def _forged(host: str, forged: Mapping[str, str], user: Mapping[str, str]) -> Result:
    """Being refused shows something only where a user's token, made the same way, is not."""
    if user.get("READ") != "ALLOW":
        return Result(_FORGED, host, Verdict.FAILED, "a user's token from the same key is refused too")
    allowed = [level for level, answer in forged.items() if answer == "ALLOW"]
    return _answered(_FORGED, host, forged, not allowed, ", ".join(allowed))


def _wanted(groups: Sequence[str]) -> dict[str, str]:
    may = {"READ", "ADVERTISE_MASTER"}
    may |= {"ADVERTISE_STARTD"} if "execute" in groups else set()
    may |= {"ADVERTISE_SCHEDD"} if "access" in groups else set()
    levels = ("READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "DAEMON", "ADMINISTRATOR")
    return {level: "ALLOW" if level in may else "FAIL" for level in levels}


def _unlike(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    return [
        f"{level}: {found.get(level, 'no answer')}"
        for level, answer in wanted.items()
        if found.get(level) != answer
    ]


def _job(machine: str, job: Mapping[str, str]) -> Result:
    if "fault" in job:
        return Result(_JOB, machine, Verdict.FAILED, job["fault"])
    faults = []
    if job["host"].lower() != machine.lower():
        faults.append(f"it ran on {job['host']}")
    if job["user"] in ("root", "condor", "nobody"):
        faults.append(f"it ran as {job['user']}")
    if "htcondor" not in job["cgroup"] and "condor" not in job["cgroup"]:
        faults.append(f"its control group is {job['cgroup'] or 'none'}")
    return _result(_JOB, machine, not faults, "; ".join(faults) or f"as {job['user']}")


def _memory(found: Mapping[str, Any]) -> Iterator[Result]:
    for machine, job in found.get("jobs", {}).items():
        if not job.get("memory_max", "none").isdigit():
            why = "jobs there have no memory controller in their control group"
            yield Result(_MEMORY, machine, Verdict.NOT_VERIFIED, why)
    if (over := found.get("over_limit")) is not None:
        limited = next(name for name, job in found["jobs"].items() if job.get("memory_max", "none").isdigit())
        what = over.get("fault") or f"held with code {over['code']}"
        yield _result(_MEMORY, limited, over.get("code") == 34, what)


def _of_pool(status: Status, tried: Mapping[str, Mapping[str, Any]]) -> Iterator[Result]:
    if status.negotiation is not None:
        seconds = status.negotiation.duration
        yield _result(_CYCLE, "pool", seconds < 10, f"{seconds:.0f} s")
    else:
        yield Result(_CYCLE, "pool", Verdict.FAILED, "no negotiator answers")
    if not any("jobs" in found for found in tried.values()):
        why = "the inventory has no access point to submit on, or no execution point"
        yield Result(_JOB, "pool", Verdict.NOT_VERIFIED, why)
    yield Result(_DOCKER, "pool", Verdict.NOT_VERIFIED, "this command submits no docker job yet")


def _answered(check: Check, host: str, answers: Mapping[str, str], passed: bool, found: str) -> Result:
    """A try that got no answer at all shows nothing."""
    if not answers or "fault" in answers:
        return Result(check, host, Verdict.FAILED, answers.get("fault", "condor_ping gave no answer"))
    return _result(check, host, passed, found)


def _result(check: Check, host: str, passed: bool, found: str) -> Result:
    return Result(check, host, Verdict.PASSED if passed else Verdict.FAILED, found)
