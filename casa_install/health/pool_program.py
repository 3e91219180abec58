"""Ask a pool about itself through HTCondor's own library; `pool_api` runs this in a process of its own.

The library keeps its settings and its tokens for the life of a process, reports reasons on standard error
only, and a call into it cannot be ended. Argument: the collector. Prints one JSON object: `pool`, as
`playbooks/files/ask-htcondor.py` prints it, and `queues`, machine of an access point -> its queue.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DAEMON = ("Machine", "MyAddress", "CondorVersion")
POOL: dict[str, tuple[str, tuple[str, ...]]] = {
    "masters": ("Master", _DAEMON),
    "collectors": ("Collector", _DAEMON),
    "negotiators": (
        "Negotiator",
        (
            *_DAEMON,
            "LastNegotiationCycleDuration0",
            "LastNegotiationCycleEnd0",
            "LastNegotiationCycleMatches0",
        ),
    ),
    "schedds": ("Schedd", (*_DAEMON, "Name", "RecentDaemonCoreDutyCycle")),
    "slots": (
        "Slot",
        (
            *_DAEMON,
            *("Name", "SlotType", "State", "Activity", "Cpus", "TotalSlotCpus", "Memory", "TotalSlotMemory"),
            *("TotalSlotGPUs", "CasaHealthy", "CasaHealthReason", "Draining", "DrainReason"),
            *("SlotBrokenReason", "CgroupEnforced", "HasDocker", "DockerOfflineReason", "HasSingularity"),
            "SingularityOfflineReason",
        ),
    ),
}
"""Kind -> which ads, and what of them: the same as in `playbooks/files/ask-htcondor.py`."""

_JOB = ("AccountingGroup", "Owner", "JobStatus", "HoldReason")
_STATES = {1: "idle", 2: "running", 5: "held"}


def plain_ad(ad: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return these attributes of an ad with their values; what is undefined or in error is left out."""
    values = {name: ad.eval(name) for name in names if name in ad}
    # What is undefined or in error is a number too, of a type of its own.
    return {name: value for name, value in values.items() if type(value) in (str, int, float, bool)}


def group_of(accounting_group: str, owner: str) -> str:
    """Return the group of a job: what its accounting group names before the person."""
    if accounting_group in ("", owner):
        return ""
    if accounting_group.endswith(f".{owner}"):
        return accounting_group[: -len(owner) - 1]
    # An account that submits for many names the person itself, without a dot.
    return accounting_group.rpartition(".")[0]


def count_jobs(jobs: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return how many jobs of which group are in which state, and why jobs are held."""
    states: Counter[tuple[str, str]] = Counter()
    held: Counter[str] = Counter()
    for job in jobs:
        group = group_of(job.get("AccountingGroup", ""), job.get("Owner", ""))
        states[group, _STATES.get(job.get("JobStatus", 0), "other")] += 1
        if job.get("JobStatus") == 5:
            held[job.get("HoldReason", "undefined")] += 1
    return {
        "jobs": [
            {"group": group, "state": state, "jobs": number}
            for (group, state), number in sorted(states.items())
        ],
        "held": [{"reason": reason, "jobs": number} for reason, number in held.most_common(3)],
    }


def main(address: str) -> None:
    """Ask and print.

    Raises:
        htcondor2.HTCondorException: The pool did not answer; why is on standard error.
    """
    import htcondor2

    # A tool's log of what happens on a connection names the pool's trust domain.
    htcondor2.set_subsystem("TOOL")
    htcondor2.enable_debug()
    collector = htcondor2.Collector(address)
    pool: dict[str, list[dict[str, Any]]] = {}
    queues: dict[str, dict[str, Any]] = {}
    for kind, (ads, names) in POOL.items():
        found = collector.query(getattr(htcondor2.AdType, ads), projection=list(names))
        pool[kind] = [plain_ad(ad, names) for ad in found]
        if kind != "schedds":
            continue
        for ad in found:
            try:
                jobs = htcondor2.Schedd(ad).query(projection=list(_JOB))
                queues[str(ad["Machine"])] = dict(count_jobs(plain_ad(job, _JOB) for job in jobs))
            except htcondor2.HTCondorException as fault:
                queues[str(ad["Machine"])] = {"fault": str(fault)}
    print(json.dumps({"pool": pool, "queues": queues}))


if __name__ == "__main__":
    main(sys.argv[1])
