"""Whether daemons are as they should be, and let hosts and users do what they may and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.health.checks import Check, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from casa_install.health.status import Host, Status

_AGE = 180
"""Seconds; negotiation cycles are 20 s apart by default, and HTCondor's own default is 60 s."""

READY = Check(
    "daemons ready",
    "condor_who -wait:30 'IsReady'",
    "the master and the daemons of this host's groups say that they are ready",
    "a daemon does not start or does not reach the collector; its log is in /var/log/condor",
)
KNOWN = Check(
    "known to the pool once",
    "condor_status -master -af Machine MyAddress CondorVersion",
    "the pool lists the host, once",
    "its updates do not arrive (its token, its clock, or a firewall), or another host has its name",
)
SECURITY = Check(
    "talk is secured",
    "condor_config_val -startd SEC_DEFAULT_ENCRYPTION (-schedd or -collector on other hosts)",
    "authentication, encryption and integrity are REQUIRED in the running daemon",
    "somebody on the network can read or change what daemons say",
)
STRANGER = Check(
    "no token, no authority",
    "condor_ping -type collector -table READ ADVERTISE_STARTD DAEMON, with an empty token directory",
    "everything is refused",
    "whoever reaches port 9618 can join the pool and take its jobs",
)
LEAST = Check(
    "least authority",
    "_condor_SEC_CLIENT_AUTHENTICATION_METHODS=IDTOKENS"
    " condor_ping -type collector -table READ ADVERTISE_STARTD DAEMON ADMINISTRATOR",
    "the join token lets the host read and advertise what it is, and nothing else",
    "a stolen token of this host can do more harm than pretend to be this host",
)
FORGED = Check(
    "no administrator by token",
    "condor_token_create -key AP -identity root@UID_DOMAIN > /root/t.d/t;"
    " _condor_SEC_TOKEN_SYSTEM_DIRECTORY=/root/t.d condor_ping -type schedd -table ADMINISTRATOR",
    "the access point refuses tokens for condor@ and root@, though they are signed with its own key",
    "who gets hold of the key for user tokens administers the queue",
)
CYCLE = Check(
    "negotiation is quick",
    "condor_status -negotiator -af LastNegotiationCycleDuration0 LastNegotiationCycleEnd0",
    f"the last cycle took less than 10 s and ended less than {_AGE} s ago",
    "jobs wait for the negotiator; look at NegotiatorLog on the manager",
)
QUEUE = Check(
    "access points have reserve",
    "condor_status -schedd -af Name RecentDaemonCoreDutyCycle",
    "the schedd is busy for less than 90% of its time",
    "submission and job starts stall; spread users over more access points, or look at SchedLog",
)
LIMITS = Check(
    "jobs can be limited",
    "condor_status -af Machine CgroupEnforced",
    "the execution point says that it holds jobs in control groups",
    "one job can take the memory and cores of all others on the machine",
)
OFFERS = Check(
    "offers what the inventory says",
    "condor_status -af Machine HasDocker DockerOfflineReason HasSingularity SingularityOfflineReason"
    " TotalSlotGPUs",
    "the execution point offers what htcondor_containers and htcondor_gpus say",
    "jobs that ask for it wait for ever",
)

CHECKS = (READY, KNOWN, SECURITY, STRANGER, LEAST, FORGED, CYCLE, QUEUE, LIMITS, OFFERS)


def judge(tried: Mapping[str, Mapping[str, Any]], status: Status) -> Iterator[Result]:
    """Judge what hosts answered to `playbooks/files/try-authority.py`, and what the pool says."""
    hosts = {host.name: host for host in status.hosts}
    for name, found in tried.items():
        if "stranger" in found:
            yield from _on_host(hosts[name], found)
    for host in status.hosts:
        if not host.fault:
            yield from _in_pool(host)
    cycle = status.negotiation
    if cycle is None:
        yield CYCLE.result("pool", passed=False, found="no negotiator answers")
    else:
        quick = cycle.duration < 10 and cycle.age < _AGE
        yield CYCLE.result("pool", quick, f"{cycle.duration:.0f} s, {cycle.age:.0f} s ago")
    for machine, busy in status.schedds.items():
        yield QUEUE.result(machine, busy < 0.9, f"busy for {busy:.0%} of its time")
    if not any(host.wanted for host in status.hosts):
        yield OFFERS.untried("pool", "the inventory asks for no containers and no GPUs")


def _in_pool(host: Host) -> Iterator[Result]:
    masters = [daemon for daemon in host.daemons if daemon.kind == "master"]
    where = ", ".join(daemon.address.partition("?")[0].strip("<>") for daemon in masters)
    yield KNOWN.result(host.name, len(masters) == 1, where or "it is not listed")
    if host.slots is None:
        return
    if host.slots.limits is None:
        yield LIMITS.untried(host.name, "HTCondor before 24 does not say; see the check of a memory limit")
    else:
        yield LIMITS.result(
            host.name, host.slots.limits, "" if host.slots.limits else "CgroupEnforced is false"
        )
    if host.wanted:
        absent = [what for what in host.wanted if what not in host.slots.offers]
        reasons = [f"{what}: {host.slots.missing.get(what, 'no reason given')}" for what in absent]
        yield OFFERS.result(host.name, not absent, "; ".join(reasons))


def _on_host(host: Host, found: Mapping[str, Any]) -> Iterator[Result]:
    unready = _unready(host.groups, found["ready"])
    yield READY.result(host.name, not unready, ", ".join(unready))
    loose = [
        f"{name}: {value or 'no answer'}" for name, value in found["security"].items() if value != "REQUIRED"
    ]
    yield SECURITY.result(host.name, not loose, ", ".join(loose))
    allowed = [level for level, answer in found["stranger"].items() if answer == "ALLOW"]
    yield _answered(STRANGER, host.name, found["stranger"], not allowed, ", ".join(allowed))
    if "authority" in found:
        wrong = _unlike(found["authority"], _wanted(host.groups))
        yield _answered(LEAST, host.name, found["authority"], not wrong, ", ".join(wrong))
    else:
        yield LEAST.untried(host.name, "this host holds the pool's key, so root here signs for itself")
    if "forged" in found:
        yield _forged(host.name, found["forged"], found["user_token"])


def _unready(groups: Sequence[str], said: Mapping[str, str]) -> list[str]:
    """What `condor_who` does not show to be as it must be."""
    wanted = {"IsReady": "true", "MASTER": "Alive"}
    wanted |= {"COLLECTOR": "Alive", "NEGOTIATOR": "Alive"} if "manager" in groups else {}
    wanted |= {"SCHEDD": "Alive"} if "access" in groups else {}
    wanted |= {"STARTD": "Alive", "STARTD_State": "Ready"} if "execute" in groups else {}
    states = {name: said.get(name, "absent") for name in wanted}
    return [f"{name}: {state}" for name, state in states.items() if state != wanted[name]]


def _forged(host: str, forged: Mapping[str, Mapping[str, str]], user: Mapping[str, str]) -> Result:
    """Being refused shows something only where a user's token, made the same way, is not."""
    if user.get("READ") != "ALLOW":
        return FORGED.result(host, passed=False, found="a user's token from the same key is refused too")
    for answers in forged.values():
        if not answers or "fault" in answers:
            return _answered(FORGED, host, answers, passed=False, found="")
    allowed = [
        f"{name}@: {level}"
        for name, answers in forged.items()
        for level, answer in answers.items()
        if answer == "ALLOW"
    ]
    return FORGED.result(host, not allowed, ", ".join(allowed))


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


def _answered(check: Check, host: str, answers: Mapping[str, str], passed: bool, found: str) -> Result:
    """A try that got no answer at all shows nothing."""
    if not answers or "fault" in answers:
        return check.result(host, passed=False, found=answers.get("fault", "condor_ping gave no answer"))
    return check.result(host, passed, found)
