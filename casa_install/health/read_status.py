"""From what hosts and the pool answer to a `Status`."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from casa_install.health.status import DAY, Daemon, Host, Negotiation, Slots, Status, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Index = dict[str, dict[str, list[Mapping[str, Any]]]]
    """Machine -> kind of ad (`masters`, `slots`, ...) -> its ads."""

_KINDS = {
    "masters": "master",
    "collectors": "collector",
    "negotiators": "negotiator",
    "schedds": "schedd",
    "slots": "startd",
}
_OFFERS = {
    "docker": ("HasDocker", "DockerOfflineReason"),
    "apptainer": ("HasSingularity", "SingularityOfflineReason"),
}


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
    index = _index(pool)
    hosts = tuple(
        _host(name, tuple(parts), answers.get(name), lost.get(name, ""), index, now)
        for name, parts in groups.items()
    )
    queues = {name: said["queue"] for name, said in answers.items() if "queue" in said}
    return _status(hosts, pool, queues, asked_on, now)


def read_pool(
    answer: Mapping[str, Any], groups: Mapping[str, Sequence[str]], address: str, now: float
) -> Status:
    """Put together what the pool says of itself, asked without SSH.

    Args:
        answer: `pool` and `queues` (machine -> queue), as `casa_install.health.pool_api` gives them.
        groups: Host -> `manager`, `access`, `execute`; empty to take every machine that the pool knows.
        address: The pool's.
        now: Seconds since 1970.
    """
    index = _index(answer["pool"])
    names = groups or {machine: _groups_of(ads) for machine, ads in sorted(index.items())}
    hosts = tuple(_seen(name, tuple(parts), index) for name, parts in names.items())
    return _status(hosts, answer["pool"], answer["queues"], address, now, direct=True)


def _index(pool: Mapping[str, Any]) -> Index:
    machines: Index = {}
    for kind in _KINDS:
        for ad in pool.get(kind, ()):
            if machine := ad.get("Machine", ""):
                machines.setdefault(machine, {}).setdefault(kind, []).append(ad)
    return machines


def _status(
    hosts: tuple[Host, ...],
    pool: Mapping[str, Any],
    queues: Mapping[str, Mapping[str, Any]],
    asked_on: str,
    now: float,
    *,
    direct: bool = False,
) -> Status:
    jobs, held = _jobs(queues.values())
    known = {host.machine for host in hosts} | {host.name for host in hosts}
    return Status(
        hosts=hosts,
        jobs=jobs,
        held=held,
        queues={name: queue["fault"] for name, queue in queues.items() if queue.get("fault")},
        negotiation=_negotiation(pool.get("negotiators", ()), now),
        schedds={
            ad.get("Machine", ""): ad.get("RecentDaemonCoreDutyCycle", 0.0) for ad in pool.get("schedds", ())
        },
        others=tuple(machine for machine in sorted(_index(pool)) if _is_other(machine, known)),
        fault=pool.get("fault", "") or ("" if asked_on else "no host could be asked about it"),
        asked_on=asked_on,
        direct=direct,
    )


def _is_other(machine: str, known: set[str]) -> bool:
    """A host that could not be asked may be known by its inventory name only."""
    return machine not in known and machine.partition(".")[0] not in known


def _host(
    name: str,
    groups: tuple[str, ...],
    said: Mapping[str, Any] | None,
    lost: str,
    index: Index,
    now: float,
) -> Host:
    if said is None:
        return _seen(name, groups, index, lost or "it was not asked")
    own = said["host"]
    ads = index.get(own["machine"], {})
    return Host(
        name=name,
        groups=groups,
        machine=own["machine"],
        version=own["version"],
        unit=own["unit"],
        daemons=_daemons(ads),
        slots=_slots(ads.get("slots", ())),
        wanted=tuple(said.get("offers", ())),
        tokens=tuple(
            Token(each["name"], each["subject"], (each["expires"] - now) / DAY if each["expires"] else None)
            for each in said.get("tokens", ())
        ),
        owed=tuple(f"{each['handler']} ({each['reason']})" for each in said.get("owed", ())),
        drift=tuple(f"{each['path']} {each['what']}" for each in said.get("drift", ())),
        fault=own["fault"],
    )


def _seen(name: str, groups: tuple[str, ...], index: Index, fault: str = "") -> Host:
    """A host that was not asked itself, as the pool knows it."""
    machine = _machine_of(name, list(index))
    ads = index.get(machine, {})
    daemons, slots = _daemons(ads), _slots(ads.get("slots", ()))
    return Host(name, groups, machine=machine, daemons=daemons, slots=slots, fault=fault)


def _machine_of(name: str, machines: Sequence[str]) -> str:
    """The machine that an inventory name means: that name, or the only one that it is the short name of."""
    if name in machines:
        return name
    longer = [machine for machine in machines if machine.partition(".")[0] == name]
    return longer[0] if len(longer) == 1 else ""


def _groups_of(ads: Mapping[str, object]) -> tuple[str, ...]:
    parts = {"manager": "collectors", "access": "schedds", "execute": "slots"}
    return tuple(part for part, kind in parts.items() if kind in ads)


def _daemons(ads: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Daemon, ...]:
    """A startd has an ad for each of its slots; it is one daemon."""
    found = [
        Daemon(_KINDS[kind], _version(ad.get("CondorVersion", "")), ad.get("MyAddress", ""))
        for kind in _KINDS
        for ad in ads.get(kind, ())
    ]
    return tuple(dict.fromkeys(found))


def _version(banner: str) -> str:
    found = re.search(r"CondorVersion: (\S+)", banner)
    return found.group(1) if found else ""


def _slots(every: Sequence[Mapping[str, Any]]) -> Slots | None:
    """What its slots add up to. A partitionable slot has what its dynamic slots have left."""
    if not every:
        return None
    whole = [ad for ad in every if ad.get("SlotType") != "Dynamic"]
    claimed = [
        ad for ad in every if ad.get("State") == "Claimed" and ad.get("SlotType") in ("Dynamic", "Static")
    ]
    draining = [ad for ad in whole if ad.get("Draining") is True or ad.get("State") == "Drained"]
    checked = [ad for ad in whole if "CasaHealthReason" in ad]
    ill = [ad for ad in checked if ad.get("CasaHealthy") is not True]
    limits = [ad["CgroupEnforced"] is True for ad in whole if "CgroupEnforced" in ad]
    gpus = sum(ad.get("TotalSlotGPUs", 0) for ad in whole)
    offers = [name for name, (has, _) in _OFFERS.items() if any(ad.get(has) is True for ad in whole)]
    reasons = [str(ad["CasaHealthReason"]) for ad in ill]
    reasons += [f"it is being drained: {ad.get('DrainReason', 'no reason given')}" for ad in draining]
    return Slots(
        cores=sum(ad.get("TotalSlotCpus", 0) for ad in whole),
        claimed=sum(ad.get("Cpus", 0) for ad in claimed),
        memory=sum(ad.get("TotalSlotMemory", 0) for ad in whole),
        gpus=gpus,
        in_use=len(claimed),
        healthy=not ill if checked else None,
        reason="; ".join(dict.fromkeys(reasons)),
        draining=bool(draining),
        broken="; ".join(str(ad["SlotBrokenReason"]) for ad in every if ad.get("SlotBrokenReason")),
        offers=tuple(offers + (["gpus"] if gpus else [])),
        missing={
            name: str(ad[why])
            for name, (_, why) in _OFFERS.items()
            if name not in offers
            for ad in whole
            if ad.get(why)
        },
        limits=all(limits) if limits else None,
    )


def _jobs(
    queues: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, dict[str, int]], tuple[tuple[str, int], ...]]:
    jobs: dict[str, dict[str, int]] = {}
    held: Counter[str] = Counter()
    for queue in queues:
        for each in queue.get("jobs", ()):
            states = jobs.setdefault(each["group"], {})
            states[each["state"]] = states.get(each["state"], 0) + each["jobs"]
        for each in queue.get("held", ()):
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
