"""A site's pool as its hosts and it itself describe it: the objects behind `casa-install status`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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
class Daemon:
    """One running daemon, as the pool knows it.

    Attributes:
        kind: `master`, `collector`, `negotiator`, `schedd` or `startd`.
        version: What it runs, which is not what is installed until it was restarted.
        address: Where it can be reached, in HTCondor's own form.
    """

    kind: str
    version: str
    address: str


@dataclass(frozen=True, slots=True)
class Slots:
    """What an execution point offers, its slots added up.

    Attributes:
        cores, claimed, free: Cores.
        memory: MiB.
        gpus: GPUs.
        in_use: Number of claimed slots.
        healthy: Whether it takes jobs, as its own check says; None where there is no check.
        reason: Why it takes none: its check, or a drain.
        draining: Whether somebody drains it.
        broken: Why a slot is out of use until the startd is restarted.
        offers: `docker`, `apptainer`, `gpus` where jobs can have them.
        missing: The same names, with the reason that the execution point gives for not offering it.
        limits: Whether it can hold jobs to their memory; None where it does not say (before HTCondor 24).
    """

    cores: int = 0
    claimed: int = 0
    memory: int = 0
    gpus: int = 0
    in_use: int = 0
    healthy: bool | None = None
    reason: str = ""
    draining: bool = False
    broken: str = ""
    offers: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    limits: bool | None = None

    @property
    def free(self) -> int:
        """Cores that a job could get now."""
        return 0 if self.draining or self.healthy is False else self.cores - self.claimed


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the inventory. What only the host itself can tell is None where it was not asked.

    Attributes:
        name: In the inventory.
        groups: Which parts of the pool it is: `manager`, `access`, `execute`.
        machine: Its own full name, which the pool knows it by; empty where HTCondor is not installed.
        version: The installed HTCondor.
        unit: State of condor.service.
        daemons: Its daemons, as the pool knows them.
        slots: Of an execution point that the pool knows, None elsewhere.
        wanted: What jobs must find there according to the inventory: `docker`, `apptainer`, `gpus`.
        tokens: Its join tokens.
        owed: What a run left to do, such as a restart that needs a drain.
        drift: Files of ours that somebody else changed or removed.
        fault: Why it could not be asked.
    """

    name: str
    groups: tuple[str, ...]
    machine: str = ""
    version: str | None = None
    unit: str | None = None
    daemons: tuple[Daemon, ...] = ()
    slots: Slots | None = None
    wanted: tuple[str, ...] = ()
    tokens: tuple[Token, ...] | None = None
    owed: tuple[str, ...] | None = None
    drift: tuple[str, ...] | None = None
    fault: str = ""

    @property
    def address(self) -> str:
        """Where its master can be reached; empty where the pool does not know it."""
        return next((daemon.address for daemon in self.daemons if daemon.kind == "master"), "")


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
        queues: Access point -> why its queue could not be read.
        negotiation: None where the pool has no negotiator that answers.
        schedds: Machine of an access point -> the part of its time that it is busy (0 to 1).
        others: Machines of the pool that the inventory does not know.
        fault: Why the pool could not be asked.
        asked_on: The host that was asked about the pool, or the pool's address where it was asked directly.
        direct: Whether only the pool was asked, without SSH.
    """

    hosts: tuple[Host, ...]
    jobs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    held: tuple[tuple[str, int], ...] = ()
    queues: Mapping[str, str] = field(default_factory=dict)
    negotiation: Negotiation | None = None
    schedds: Mapping[str, float] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    fault: str = ""
    asked_on: str = ""
    direct: bool = False
