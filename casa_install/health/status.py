"""A site's pool as its hosts and it itself describe it: the objects behind `casa-install status`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAY = 86400


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says of itself.

    Attributes:
        name: Its file.
        subject: Whom it names.
        days: Until it ends; negative when it has, None when it never does.
    """

    name: str
    subject: str
    days: float | None


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the inventory.

    Attributes:
        name: In the inventory.
        machine: Its own full name, which the pool knows it by; empty where HTCondor is not installed.
        groups: Which parts of the pool it is: `manager`, `access`, `execute`.
        version: HTCondor's.
        unit: State of condor.service.
        address: Where its master can be reached, as the pool says; empty where the pool does not know it.
        cores, claimed: Of an execution point, None elsewhere.
        memory: MiB of an execution point, None elsewhere.
        healthy: Whether it takes jobs, as its own check says; None where there is no check.
        reason: Why not.
        tokens: Its join tokens.
        owed: What a run left to do, such as a restart that needs a drain.
        drift: Files of ours that somebody else changed or removed.
        fault: Why it could not be asked.
    """

    name: str
    groups: tuple[str, ...]
    machine: str = ""
    version: str = ""
    unit: str = ""
    address: str = ""
    cores: int | None = None
    claimed: int | None = None
    memory: int | None = None
    healthy: bool | None = None
    reason: str = ""
    tokens: tuple[Token, ...] = ()
    owed: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Negotiation:
    """The last negotiation cycle: how long it took and how long ago it ended, in seconds; matches it made."""

    duration: float
    age: float
    matches: int


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture.

    Attributes:
        hosts: All that were asked, in the inventory's order.
        jobs: Group -> state (`idle`, `running`, `held`, `other`) -> number of jobs, over all access points.
        held: The most frequent reasons of held jobs, with their numbers.
        negotiation: None where the pool has no negotiator that answers.
        schedds: Machine of an access point -> the part of its time that it is busy (0 to 1).
        fault: Why the pool could not be asked.
        asked_on: The host that was asked about the pool.
    """

    hosts: tuple[Host, ...]
    jobs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    held: tuple[tuple[str, int], ...] = ()
    negotiation: Negotiation | None = None
    schedds: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""
    asked_on: str = ""


def read_status(
    answers: Mapping[str, Mapping[str, Any]],
    groups: Mapping[str, Sequence[str]],
    lost: Mapping[str, str],
    now: float,
) -> Status:
    """Put what hosts said together.

    Args:
        answers: Host -> the object that `playbooks/files/ask-htcondor.py` prints.
        groups: Host -> `manager`, `access`, `execute`, for every HTCondor host of the inventory.
        lost: Host -> why it could not be asked.
        now: Seconds since 1970.
    """
    asked_on = next((name for name, said in answers.items() if "pool" in said), "")
    pool: Mapping[str, Any] = answers[asked_on]["pool"] if asked_on else {}
    masters = {ad.get("Machine", ""): ad for ad in pool.get("masters", ())}
    slots = _slots(pool.get("slots", ()))
    hosts = tuple(
        _host(name, tuple(parts), answers.get(name), lost.get(name, ""), masters, slots, now)
        for name, parts in groups.items()
    )
    jobs, held = _jobs(answers)
    return Status(
        hosts=hosts,
        jobs=jobs,
        held=held,
        negotiation=_negotiation(pool.get("negotiators", ()), now),
        schedds={
            ad.get("Machine", ""): ad.get("RecentDaemonCoreDutyCycle", 0.0) for ad in pool.get("schedds", ())
        },
        fault=pool.get("fault", "") or ("" if asked_on else "no host could be asked about it"),
        asked_on=asked_on,
    )


def _host(
    name: str,
    groups: tuple[str, ...],
    said: Mapping[str, Any] | None,
    lost: str,
    masters: Mapping[str, Mapping[str, Any]],
    slots: Mapping[str, Mapping[str, Any]],
    now: float,
) -> Host:
    if said is None:
        return Host(name, groups, fault=lost or "it was not asked")
    own = said["host"]
    machine = own["machine"]
    slot = slots.get(machine, {})
    return Host(
        name=name,
        groups=groups,
        machine=machine,
        version=own["version"],
        unit=own["unit"],
        address=masters.get(machine, {}).get("MyAddress", ""),
        cores=slot.get("cores"),
        claimed=slot.get("claimed"),
        memory=slot.get("memory"),
        healthy=slot.get("healthy"),
        reason=slot.get("reason", ""),
        tokens=tuple(
            Token(each["name"], each["subject"], (each["expires"] - now) / DAY if each["expires"] else None)
            for each in said.get("tokens", ())
        ),
        owed=tuple(f"{each['handler']} ({each['reason']})" for each in said.get("owed", ())),
        drift=tuple(f"{each['path']} {each['what']}" for each in said.get("drift", ())),
        fault=own["fault"],
    )


def _slots(ads: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Machine -> what its slots add up to. A partitionable slot has what its dynamic slots have left."""
    machines: dict[str, dict[str, Any]] = {}
    for ad in ads:
        of = machines.setdefault(ad.get("Machine", ""), {"cores": 0, "claimed": 0, "memory": 0, "reason": ""})
        if ad.get("SlotType") == "Dynamic":
            of["claimed"] += ad.get("Cpus", 0) if ad.get("State") == "Claimed" else 0
            continue
        of["cores"] += ad.get("TotalSlotCpus", 0)
        of["memory"] += ad.get("TotalSlotMemory", 0)
        if ad.get("SlotType") == "Static" and ad.get("State") == "Claimed":
            of["claimed"] += ad.get("Cpus", 0)
        if "CasaHealthReason" in ad:
            of["healthy"] = ad.get("CasaHealthy") is True
            of["reason"] = "" if of["healthy"] else str(ad["CasaHealthReason"])
    return machines


def _jobs(
    answers: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, int]], tuple[tuple[str, int], ...]]:
    jobs: dict[str, dict[str, int]] = {}
    held: Counter[str] = Counter()
    for said in answers.values():
        for each in said.get("queue", {}).get("jobs", ()):
            states = jobs.setdefault(each["group"], {})
            states[each["state"]] = states.get(each["state"], 0) + each["jobs"]
        for each in said.get("queue", {}).get("held", ()):
            held[each["reason"]] += each["jobs"]
    return jobs, tuple(held.most_common(3))


def _negotiation(ads: Sequence[Mapping[str, Any]], now: float) -> Negotiation | None:
    ends = [ad for ad in ads if "LastNegotiationCycleEnd0" in ad]
    if not ends:
        return None
    last = max(ends, key=lambda ad: ad["LastNegotiationCycleEnd0"])
    return Negotiation(
        duration=last.get("LastNegotiationCycleDuration0", 0),
        age=now - last["LastNegotiationCycleEnd0"],
        matches=last.get("LastNegotiationCycleMatches0", 0),
    )
