"""What of a status somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.health.status import Host, Status

_BUSY = 0.9
"""A daemon that is busy for a larger part of its time has no reserve (`RecentDaemonCoreDutyCycle`)."""


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
    if host.unit != "active":
        yield Finding(
            host.name,
            f"condor.service is {host.unit or 'not there'}",
            "journalctl -u condor.service on that host tells why",
        )
    if pool_known and not host.address:
        yield Finding(
            host.name,
            f"the pool does not know {host.machine or host.name}",
            "/var/log/condor/MasterLog on that host tells why its updates do not arrive",
        )
    elif pool_known and "execute" in host.groups and host.cores is None:
        yield Finding(host.name, "offers no slot", "/var/log/condor/StartLog on that host tells why")
    if host.healthy is False:
        yield Finding(host.name, f"takes no jobs: {host.reason}")
    for token in host.tokens:
        if token.days is None:
            yield Finding(host.name, f"the token {token.name} never ends")
        elif token.days < limits.token_days:
            left = "has ended" if token.days < 0 else f"ends in {token.days:.0f} days"
            yield Finding(host.name, f"the token {token.name} {left}", "casa-install apply renews it")
    for drift in host.drift:
        yield Finding(host.name, drift, "casa-install plan shows the difference, apply puts it back")


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
    for machine, busy in status.schedds.items():
        if busy > _BUSY:
            yield Finding(machine, f"its schedd is busy for {busy:.0%} of its time")
    held = sum(states.get("held", 0) for states in status.jobs.values())
    if held > limits.held:
        reasons = "; ".join(f"{number} times: {reason}" for reason, number in status.held)
        yield Finding("pool", f"{held} jobs are held", reasons)
