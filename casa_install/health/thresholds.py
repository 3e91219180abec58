"""What of a status somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.health.status import Host, Slots, Status

_BUSY = 0.9
"""A daemon that is busy for a larger part of its time has no reserve (`RecentDaemonCoreDutyCycle`)."""

RESTART = "systemctl restart condor"
RESTART_WITHOUT_JOBS = (
    "condor_off -peaceful -daemon startd; while pgrep -x condor_startd > /dev/null; do sleep 10; done; "
    + RESTART
)
"""Waits for the jobs of an execution point, however long they take (docs/htcondor-changes.md)."""

_DAEMONS = {
    "manager": (("collector", "CollectorLog"), ("negotiator", "NegotiatorLog")),
    "access": (("schedd", "SchedLog"),),
    "execute": (("startd", "StartLog"),),
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is a finding.

    Attributes:
        token_days: A join token with fewer days left.
        held: More held jobs than this.
        cycle_seconds: A negotiation cycle that took longer.
        cycle_age: A last negotiation cycle that ended longer ago, in seconds.
    """

    token_days: float = 30
    held: int = 100
    cycle_seconds: float = 10
    cycle_age: float = 600


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: where (a host, or `pool`), what, and the next step."""

    where: str
    what: str
    hint: str = ""


def find(status: Status, limits: Thresholds) -> list[Finding]:
    """Return what is beyond the thresholds, hosts first."""
    found = [finding for host in status.hosts for finding in _host(host, limits, pool_known=not status.fault)]
    return [*found, *_pool(status, limits)]


def _host(host: Host, limits: Thresholds, *, pool_known: bool) -> Iterator[Finding]:
    if host.fault:
        yield Finding(host.name, f"could not be asked: {host.fault}")
        return
    if host.unit is not None and host.unit != "active":
        yield Finding(
            host.name,
            f"condor.service is {host.unit or 'not there'}",
            "journalctl -u condor.service on that host tells why",
        )
    if pool_known:
        yield from _in_pool(host)
    if host.slots is not None:
        yield from _slots(host, host.slots)
    for token in host.tokens or ():
        if token.days is None:
            yield Finding(host.name, f"the token {token.name} never ends")
        elif token.days < limits.token_days:
            left = "has ended" if token.days < 0 else f"ends in {token.days:.0f} days"
            yield Finding(host.name, f"the token {token.name} {left}", "casa-install apply renews it")
    for drift in host.drift or ():
        yield Finding(host.name, drift, "casa-install plan shows the difference, apply puts it back")


def _in_pool(host: Host) -> Iterator[Finding]:
    if not host.address:
        yield Finding(
            host.name,
            f"the pool does not know {host.machine or host.name}",
            "/var/log/condor/MasterLog on that host tells why its updates do not arrive",
        )
        return
    kinds = [daemon.kind for daemon in host.daemons]
    if kinds.count("master") > 1:
        yield Finding(
            host.name, "the pool has two masters of that name", "condor_status -master -af Machine MyAddress"
        )
    for kind, log in (daemon for part in host.groups for daemon in _DAEMONS[part]):
        if kind not in kinds:
            what = "offers no slot" if kind == "startd" else f"the pool does not know its {kind}"
            yield Finding(host.name, what, f"/var/log/condor/{log} on that host tells why")
    yield from _versions(host)


def _versions(host: Host) -> Iterator[Finding]:
    """A package that is replaced under running daemons changes none of them before they are restarted."""
    running: dict[str, list[str]] = {}
    for daemon in host.daemons:
        if daemon.version and host.version and daemon.version != host.version:
            running.setdefault(daemon.version, []).append(daemon.kind)
    for version, kinds in running.items():
        verb = "run" if len(kinds) > 1 else "runs"
        yield Finding(
            host.name,
            f"HTCondor {host.version} is installed, and {', '.join(kinds)} still {verb} {version}",
            f"as root on that host: {RESTART_WITHOUT_JOBS if 'execute' in host.groups else RESTART}",
        )


def _slots(host: Host, slots: Slots) -> Iterator[Finding]:
    if slots.healthy is False:
        yield Finding(host.name, f"takes no jobs: {slots.reason}")
    if slots.broken:
        yield Finding(
            host.name, f"has a broken slot: {slots.broken}", "it comes back when condor.service is restarted"
        )
    for what in host.wanted:
        if what not in slots.offers:
            why = slots.missing.get(what, "it gives no reason")
            hint = "a startd looks for it when it starts; /var/log/condor/StartLog on that host has more"
            yield Finding(host.name, f"does not offer {what}: {why}", hint)


def _pool(status: Status, limits: Thresholds) -> Iterator[Finding]:
    if status.fault:
        yield Finding("pool", f"does not answer: {status.fault}")
        return
    cycle = status.negotiation
    if cycle is None:
        yield Finding(
            "pool", "no negotiator answers", "no job can start; look at NegotiatorLog on the manager"
        )
    else:
        if cycle.age > limits.cycle_age:
            yield Finding("pool", f"the last negotiation cycle ended {cycle.age:.0f} s ago")
        if cycle.duration > limits.cycle_seconds:
            yield Finding("pool", f"the last negotiation cycle took {cycle.duration:.0f} s")
    for name, fault in status.queues.items():
        hint = "jobs and held jobs there are not counted"
        if status.direct:
            hint += (
                "; it signs with its own key, so root there makes a second token for you:"
                " condor_token_create -key AP -identity NAME@UID_DOMAIN -authz READ -lifetime 86400"
            )
        yield Finding(name, f"its queue cannot be read: {fault}", hint)
    for machine, busy in status.schedds.items():
        if busy > _BUSY:
            yield Finding(machine, f"its schedd is busy for {busy:.0%} of its time")
    held = sum(states.get("held", 0) for states in status.jobs.values())
    if held > limits.held:
        reasons = "; ".join(f"{number} times: {reason}" for reason, number in status.held)
        yield Finding("pool", f"{held} jobs are held", reasons)
