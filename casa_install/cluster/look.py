"""What a host said to the role's `look.sh`, before anything is changed on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casa_install.cluster.networks import own_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_IPTABLES = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?: \((\w+)\))?")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that the host knows: `ActiveState` and `UnitFileState` of systemd."""

    active: str
    enabled: str


@dataclass(slots=True)
class Look:
    """A host as it was found.

    Attributes:
        installed: Version of the program that lies there; empty without one.
        running: Version of the k3s that runs; empty if none does.
        ours: Whether casa-install installed k3s here.
        units: Units that matter to k3s, by name.
        cgroup: Version of the cgroup hierarchy; 0 if that could not be told.
        controllers: cgroup controllers that the kernel gives.
        memory: All memory, in KiB.
        swap: All swap, in KiB.
        cpus: CPUs that may be used.
        addresses: The host's own, with the length of their networks' prefix.
        interfaces: Names of interfaces that have an address.
        routes: Interface of each default route -> `accept_ra` where the kernel learnt it from a router.
        filesystem: Type of the file system below the data directory.
        ftype: xfs only: `ftype=0` or `ftype=1`.
        disk_size: Size of that file system, in KiB.
        disk_free: Free space on it, in KiB.
        modules: Kernel module -> `there`, `missing` or `unknown`.
        iptables: Version of the host's iptables; empty without it.
        iptables_variant: `nf_tables` or `legacy`.
        ports: (protocol, port, program) of what listens; no program where the kernel itself listens.
        selinux: `enforcing`, `permissive`, or empty.
        policy: Version of the package k3s-selinux; empty without it.
        ufw: Whether ufw is switched on.
        managed: Interfaces of the pods' network as NetworkManager sees them -> its word for the state.
        peers: Node -> its addresses, as this host resolves them; asked for only where a firewall runs.
        manifests: Files of ours that k3s applies to the cluster.
        config: config.yaml as it was found, without what may be a secret.
    """

    installed: str = ""
    running: str = ""
    ours: bool = False
    units: dict[str, Unit] = field(default_factory=dict)
    cgroup: int = 0
    controllers: list[str] = field(default_factory=list)
    memory: int = 0
    swap: int = 0
    cpus: int = 0
    addresses: list[str] = field(default_factory=list)
    interfaces: list[str] = field(default_factory=list)
    routes: dict[str, str] = field(default_factory=dict)
    filesystem: str = ""
    ftype: str = ""
    disk_size: int = 0
    disk_free: int = 0
    modules: dict[str, str] = field(default_factory=dict)
    iptables: str = ""
    iptables_variant: str = ""
    ports: list[tuple[str, int, str]] = field(default_factory=list)
    selinux: str = ""
    policy: str = ""
    ufw: bool = False
    managed: dict[str, str] = field(default_factory=dict)
    peers: dict[str, list[str]] = field(default_factory=dict)
    manifests: list[str] = field(default_factory=list)
    config: str = ""

    def active(self, unit: str) -> bool:
        """Tell whether a unit runs."""
        found = self.units.get(unit)
        return found is not None and found.active in ("active", "reloading")

    def wanted(self, unit: str) -> bool:
        """Tell whether a unit runs, tries to, or is started at boot."""
        found = self.units.get(unit)
        return found is not None and (
            found.active in ("active", "reloading", "activating") or found.enabled.startswith("enabled")
        )

    @property
    def firewall(self) -> str:
        """The firewall that is switched on: `firewalld`, `ufw` or empty."""
        if self.active("firewalld.service"):
            return "firewalld"
        return "ufw" if self.ufw else ""

    @property
    def networkmanager(self) -> bool:
        """Whether NetworkManager is there, running or not."""
        return "NetworkManager.service" in self.units


def read_look(lines: Iterable[str]) -> Look:
    """Read what `look.sh` printed; what it could not tell keeps its default."""
    look = Look()
    rows = [line.split("\t") for line in lines]
    simple: Mapping[str, Callable[[Look, Sequence[str]], None]] = _READERS
    for row in rows:
        reader = simple.get(row[0])
        if reader is not None and len(row) > 1:
            reader(look, row[1:])
    shown = [row[1] for row in rows if row[0] == "address" and len(row) > 1]
    look.addresses = own_addresses(shown)
    look.interfaces = sorted({line.split()[1].partition("@")[0] for line in shown if len(line.split()) > 1})
    return look


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _cgroup(look: Look, row: Sequence[str]) -> None:
    look.cgroup = {"": 0, "cgroup2fs": 2}.get(row[0], 1)
    look.controllers = row[1].split() if len(row) > 1 else []


def _disk(look: Look, row: Sequence[str]) -> None:
    look.filesystem, look.ftype = row[0], row[1] if len(row) > 1 else ""
    look.disk_size, look.disk_free = (_number(text) for text in (*row[2:4], "", "")[:2])


def _iptables(look: Look, row: Sequence[str]) -> None:
    if match := _IPTABLES.search(row[0]):
        look.iptables = ".".join(match.groups()[:3])
        look.iptables_variant = match[4] or "legacy"


def _unit(look: Look, row: Sequence[str]) -> None:
    look.units[row[0]] = Unit(*(*row[1:3], "", "")[:2])


def _port(look: Look, row: Sequence[str]) -> None:
    if len(row) > 1 and row[1].isdecimal():
        look.ports.append((row[0], int(row[1]), row[2] if len(row) > 2 else ""))


def _second(row: Sequence[str]) -> str:
    return row[1] if len(row) > 1 else ""


_READERS: Mapping[str, Callable[[Look, Sequence[str]], None]] = {
    "version": lambda look, row: setattr(look, "installed", row[0]),
    "running": lambda look, row: setattr(look, "running", row[0]),
    "ours": lambda look, row: setattr(look, "ours", row[0] == "yes"),
    "unit": _unit,
    "cgroup": _cgroup,
    "memory": lambda look, row: setattr(look, "memory", _number(row[0])),
    "swap": lambda look, row: setattr(look, "swap", _number(row[0])),
    "cpus": lambda look, row: setattr(look, "cpus", _number(row[0])),
    "route": lambda look, row: look.routes.update({row[0]: _second(row) or look.routes.get(row[0], "")}),
    "disk": _disk,
    "module": lambda look, row: look.modules.update({row[0]: _second(row)}),
    "iptables": _iptables,
    "port": _port,
    "selinux": lambda look, row: setattr(look, "selinux", row[0]),
    "policy": lambda look, row: setattr(look, "policy", row[0]),
    "ufw": lambda look, row: setattr(look, "ufw", row[0] == "active"),
    "managed": lambda look, row: look.managed.update({row[0]: _second(row)}),
    "peer": lambda look, row: look.peers.update({row[0]: _second(row).split()}),
    "manifest": lambda look, row: look.manifests.append(row[0]),
    "config": lambda look, row: setattr(look, "config", look.config + "\t".join(row) + "\n"),
}
