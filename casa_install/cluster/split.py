"""One split of a host between its operating system, k3s, pods and HTCondor's jobs.

The kubelet and the startd each take a host for their own. Both get numbers from here, which add up to the
host: the kubelet is told to leave alone what pods may not use (Node Allocatable,
https://kubernetes.io/docs/tasks/administer-cluster/reserve-compute-resources/), the startd how many CPUs
there are (`NUM_CPUS`) and how much memory is not its own (`RESERVED_MEMORY`). k3s sets the kubelet's
`eviction-hard` without a threshold for memory, so that none is to be added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.cluster.quantities import cpu_text, memory_text, read_cpu, read_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULT_SHARE = 25
"""Percent of a host for pods where jobs run too and the site says nothing."""
SYSTEM: Mapping[str, str] = {"cpu": "200m", "memory": "1Gi"}
"""For the operating system where the site says nothing."""
LEAST_JOB_MEMORY = 1024
"""Of what is less nothing useful can be run, in MiB."""

# https://docs.k3s.io/reference/resource-profiling: 10 % of a core and 896 MB for a server with etcd, 5 % and
# 256 MB for an agent, at rest; at least twice that.
_K3S = {"server": (200, 2048), "agent": (100, 512)}
# Percent of a host without jobs that the system and k3s may each take at most.
_SMALL_PART = 20


@dataclass(frozen=True, slots=True)
class Amount:
    """CPU in thousandths of one, memory in MiB."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory)

    def __str__(self) -> str:
        return f"{cpu_text(self.cpu)} CPU, {memory_text(self.memory)}"


@dataclass(frozen=True, slots=True)
class Split:
    """Who gets what of a host.

    Attributes:
        total: The host.
        system: For the operating system, with what is left of a CPU.
        k3s: For k3s itself.
        pods: For pods.
        jobs: For HTCondor's jobs; nothing where none run.
        kubelet: Arguments of the kubelet.
        startd: Settings of HTCondor; none where no jobs run.
        findings: Why the host cannot be split so.
    """

    total: Amount = field(default_factory=Amount)
    system: Amount = field(default_factory=Amount)
    k3s: Amount = field(default_factory=Amount)
    pods: Amount = field(default_factory=Amount)
    jobs: Amount = field(default_factory=Amount)
    kubelet: tuple[str, ...] = ()
    startd: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    def row(self, host: str) -> list[str]:
        """Return the host's row of the table in a plan, its columns as `COLUMNS`."""
        return [host, *map(str, (self.total, self.system, self.k3s, self.pods, self.jobs))]


COLUMNS = ("host", "total", "system", "k3s", "pods", "jobs")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a site wants of a host.

    Args:
        kind: `server` or `agent`.
        jobs: Whether HTCondor runs jobs there.
        share: Percent for pods where jobs run too; else they get all that is left.
        system: For the operating system.
        condor_cpus: CPUs for jobs that the site sets itself (`NUM_CPUS`); 0 for none.
        cores: Physical cores, where HTCondor counts these only; 0 where it counts hyperthreads too.
    """

    kind: str = "agent"
    jobs: bool = False
    share: int = DEFAULT_SHARE
    system: Amount = field(
        default_factory=lambda: Amount(read_cpu(SYSTEM["cpu"]), read_memory(SYSTEM["memory"]))
    )
    condor_cpus: int = 0
    cores: int = 0


def read_wanted(options: Mapping[str, Any]) -> tuple[Wanted, list[str]]:
    """Read what a site wants; what cannot be read is said, and the default taken.

    Args:
        options: The fields of `Wanted`, with `system` as a mapping of `cpu` and `memory` in Kubernetes'
            notation.
    """
    findings, amounts = [], []
    system = {**SYSTEM, **options.get("system", {})}
    for name, read in (("cpu", read_cpu), ("memory", read_memory)):
        try:
            amounts.append(read(system[name]))
        except ValueError as fault:
            findings.append(f"site_system_reserved: {fault}")
            amounts.append(read(SYSTEM[name]))
    if unknown := sorted(set(system) - set(SYSTEM)):
        findings.append(f"site_system_reserved: {', '.join(unknown)} is neither cpu nor memory")
    share = int(options.get("share", DEFAULT_SHARE))
    if not 1 <= share <= 100:
        findings.append(f"site_pods_share is {share}: it is in percent of the host, 1 to 100")
        share = DEFAULT_SHARE
    rest = {name: options[name] for name in ("kind", "jobs", "condor_cpus", "cores") if name in options}
    return Wanted(share=share, system=Amount(*amounts), **rest), findings


def split_host(cpus: int, memory: int, wanted: Wanted) -> Split:
    """Split a host.

    Args:
        cpus: As the kernel counts them, hyperthreads too.
        memory: In MiB; 0 where the host has not been looked at, which gives an empty split.
        wanted: What the site wants.
    """
    if not cpus or not memory:
        return Split()
    total = Amount(cpus * 1000, memory)
    k3s, system = Amount(*_K3S[wanted.kind]), wanted.system
    if not wanted.jobs:
        # A small machine that is a node and nothing else is no mistake.
        k3s, system = (_percent(total, _SMALL_PART, part) for part in (k3s, system))
    left = total - system - k3s
    pods = _percent(total, wanted.share) if wanted.jobs else left
    # HTCondor's CPU is a core where it does not count hyperthreads.
    threads = max(1, cpus // wanted.cores) if wanted.cores else 1
    jobs = _jobs(left - pods, wanted, threads) if wanted.jobs else Amount()
    parts = [("system", system), ("k3s", k3s), (f"pods, {wanted.share} %", pods)]
    findings = tuple(_findings(total, parts, jobs)) if wanted.jobs else ()
    if findings:
        return Split(total=total, system=system, k3s=k3s, pods=pods, jobs=jobs, findings=findings)
    return Split(
        total=total,
        system=total - k3s - pods - jobs,
        k3s=k3s,
        pods=pods,
        jobs=jobs,
        kubelet=(f"kube-reserved={_argument(k3s)}", f"system-reserved={_argument(total - k3s - pods)}"),
        startd={"NUM_CPUS": jobs.cpu // 1000 // threads, "RESERVED_MEMORY": memory - jobs.memory}
        if wanted.jobs
        else {},
    )


def read_size(lines: Iterable[str]) -> dict[str, int]:
    """Read what `roles/site/files/size.sh` prints: CPUs, physical cores (0 if unknown), memory in MiB."""
    words = [line.split() for line in lines]
    found = {word[0]: int(word[1]) for word in words if len(word) == 2 and word[1].isdecimal()}
    return {name: found.get(name, 0) for name in ("cpus", "cores", "memory")}


def _jobs(left: Amount, wanted: Wanted, threads: int) -> Amount:
    """Return what jobs get of what is left: whole CPUs, and whole cores where HTCondor counts cores."""
    whole = 1000 * threads
    cpus = wanted.condor_cpus or max(0, left.cpu) // whole
    return Amount(cpus * whole, left.memory)


def _findings(total: Amount, parts: list[tuple[str, Amount]], jobs: Amount) -> Iterator[str]:
    parts = [*parts, ("jobs", Amount(jobs.cpu or 1000, max(jobs.memory, LEAST_JOB_MEMORY)))]
    for what, whole, amounts, text in (
        ("CPUs", total.cpu, [(name, part.cpu) for name, part in parts], cpu_text),
        ("memory", total.memory, [(name, part.memory) for name, part in parts], memory_text),
    ):
        asked = sum(amount for _, amount in amounts)
        if asked > whole:
            sum_of = " + ".join(f"{text(amount)} ({name})" for name, amount in amounts)
            yield (
                f"the host's {what} do not suffice: {sum_of} = {text(asked)} of {text(whole)}, which is "
                f"{-(-100 * asked // whole)} %: lower site_pods_share or site_system_reserved, or take the "
                "host out of "
                "one of its groups"
            )


def _percent(total: Amount, percent: int, at_most: Amount | None = None) -> Amount:
    part = Amount(total.cpu * percent // 100, total.memory * percent // 100)
    if at_most is None:
        return part
    return Amount(min(part.cpu, at_most.cpu), min(part.memory, at_most.memory))


def _argument(amount: Amount) -> str:
    return f"cpu={amount.cpu}m,memory={amount.memory}Mi"
