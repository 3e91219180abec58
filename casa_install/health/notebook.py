"""A site's notebook hubs as their hosts describe them: the objects behind `casa-install status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.health.thresholds import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DAY = 86400
CERTIFICATE_DAYS = 14
"""Fewer days left of the certificate that browsers see are a fault."""
SLOW = 5
"""Seconds within which a hub says its version; one that takes longer lets users wait at each step."""
FAILURES = 3
FAILED_PART = 0.1
"""So many failed spawns, if they are such a part of all, are no accident."""


@dataclass(frozen=True, slots=True)
class Hub:
    """One host with a notebook hub.

    Attributes:
        name: In the inventory.
        url: What users open.
        version: JupyterHub's, as the hub that runs says.
        environment: The users' software that a session started now would have.
        hub, proxy: States of their units.
        restarts: How often systemd had to start the hub again by itself.
        answer_seconds: How long the hub took to answer; None where it did not.
        answer_fault: Why it did not.
        sessions: How many run.
        session_memory: What they have together, in bytes.
        failed_sessions: Units of sessions that failed.
        spawns, spawn_failures: Since the hub started; None where it does not count.
        provider: The login provider's issuer; empty where logins are the host's own.
        provider_fault: Why it does not answer.
        certificate_days: Until the certificate ends; None where it cannot be read.
        stale: Whether the proxy shows another certificate than that.
        accounts: How many the hub has given; None where it cannot be said.
        look_alikes: How many people seem to have several accounts.
        owed: What waits for a run.
        drift: Files of ours that somebody else changed or removed.
        fault: Why the host could not be asked.
    """

    name: str
    url: str = ""
    version: str = ""
    environment: str = ""
    hub: str = ""
    proxy: str = ""
    restarts: int = 0
    answer_seconds: float | None = None
    answer_fault: str = ""
    sessions: int = 0
    session_memory: int = 0
    failed_sessions: tuple[str, ...] = ()
    spawns: int | None = None
    spawn_failures: int | None = None
    provider: str = ""
    provider_fault: str = ""
    certificate_days: float | None = None
    stale: bool = False
    accounts: int | None = None
    look_alikes: int = 0
    owed: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    fault: str = ""


def read_hubs(
    answers: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], lost: Mapping[str, str]
) -> tuple[Hub, ...]:
    """Put together what hosts said of their hubs.

    Args:
        answers: Host -> the objects that its programs printed; ours is under `notebook`.
        hosts: The hosts with a hub, in the inventory's order.
        lost: Host -> why it could not be asked.
    """
    return tuple(_hub(name, answers.get(name, {}).get("notebook"), lost.get(name, "")) for name in hosts)


def _hub(name: str, said: Mapping[str, Any] | None, lost: str) -> Hub:
    if said is None:
        return Hub(name, fault=lost or "it gave no answer")
    units = said["units"]
    states = {"hub": units["casa-hub.service"]["state"], "proxy": units["casa-proxy.service"]["state"]}
    if not said["installed"]:
        return Hub(name, **states, fault="no hub is installed there")
    own, spawns, accounts = said["certificate"], said["spawns"], said["accounts"]
    return Hub(
        name=name,
        url=said["url"],
        version=said["hub"]["version"],
        environment=said["environment"],
        **states,
        restarts=units["casa-hub.service"]["restarts"],
        answer_seconds=said["hub"]["seconds"],
        answer_fault=said["hub"]["fault"],
        sessions=said["sessions"]["running"],
        session_memory=said["sessions"]["memory"],
        failed_sessions=tuple(said["sessions"]["failed"]),
        spawns=spawns["success"] + spawns["failure"] if spawns else None,
        spawn_failures=spawns["failure"] if spawns else None,
        provider=(said["provider"] or {}).get("issuer", ""),
        provider_fault=(said["provider"] or {}).get("fault", ""),
        certificate_days=(own["ends"] - said["time"]) / DAY if own.get("ends") else None,
        stale=bool(own.get("fingerprint")) and said["served"] != own["fingerprint"],
        accounts=accounts["given"] if accounts else None,
        look_alikes=accounts["look_alikes"] if accounts else 0,
        owed=tuple(str(item.get("handler", "")) for item in said["owed"]),
        drift=tuple(f"{item['path']} {item['what']}" for item in said["drift"]),
    )


def find_in_hubs(hubs: Sequence[Hub]) -> list[Finding]:
    """Return what somebody should look at."""
    return [finding for hub in hubs for finding in _find(hub)]


def _find(hub: Hub) -> Iterator[Finding]:
    name = hub.name
    if hub.fault:
        yield Finding(name, f"could not be asked about its hub: {hub.fault}")
        return
    for unit, state in (("casa-hub.service", hub.hub), ("casa-proxy.service", hub.proxy)):
        if state != "active":
            why = f"`journalctl -u {unit}` on that host tells why; sessions go on meanwhile"
            yield Finding(name, f"{unit} is {state or 'not there'}", why)
    if hub.hub == "active":
        yield from _answers(hub)
    if hub.proxy == "active" and hub.stale:
        yield Finding(
            name,
            "its proxy shows another certificate than the host's own",
            "on that host: systemctl reload casa-proxy; it ends no session",
        )
    if hub.certificate_days is None:
        yield Finding(name, "its certificate cannot be read", "browsers refuse the hub without one")
    elif hub.certificate_days < CERTIFICATE_DAYS:
        yield Finding(name, f"its certificate ends in {hub.certificate_days:.0f} days", "renew it")
    if hub.provider_fault:
        yield Finding(
            name,
            f"{hub.provider} does not answer: {hub.provider_fault}",
            "nobody can log in; sessions that run go on",
        )
    for unit in hub.failed_sessions:
        yield Finding(name, f"{unit} has failed", f"`journalctl -u {unit}` on that host tells why")
    for drift in hub.drift:
        yield Finding(name, drift, "casa-install plan shows the difference, apply puts it back")


def _answers(hub: Hub) -> Iterator[Finding]:
    if hub.answer_seconds is None:
        yield Finding(
            hub.name,
            f"its hub does not answer: {hub.answer_fault}",
            "`journalctl -u casa-hub` on that host; systemctl restart casa-hub ends no session",
        )
    elif hub.answer_seconds > SLOW:
        yield Finding(
            hub.name,
            f"its hub took {hub.answer_seconds:.0f} s to answer",
            "look at the host's load, and at how large /var/lib/casa-hub has become",
        )
    failures, spawns = hub.spawn_failures or 0, hub.spawns or 0
    if failures >= FAILURES and failures > FAILED_PART * spawns:
        yield Finding(
            hub.name,
            f"{failures} of {spawns} sessions could not be started",
            "`journalctl -u casa-hub -u 'casa-session-*'` on that host tells why",
        )
