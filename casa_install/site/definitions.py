"""An inventory as it stands in its files: hosts, groups and every variable with its place.

This is Ansible's own reading of an inventory without Ansible: nothing is executed and nothing is
merged, because a check must see each definition where it was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from casa_install.site.findings import Finding, printable
from casa_install.site.host_range import HostRangeError, expand

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from casa_install.site.findings import Place
    from casa_install.site.values import Value


MAX_HOSTS = 500_000
"""The most hosts that an inventory's patterns may stand for altogether."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The hosts or groups that a definition is for."""

    kind: Literal["host", "group"]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """One variable, set in one place.

    Args:
        name: The variable.
        value: Its value with its own places.
        place: Where the name stands.
        scope: Whom it is for.
    """

    name: str
    value: Value
    place: Place
    scope: Scope


@dataclass(slots=True)
class Group:
    """A group: where it is named, its own hosts and its child groups."""

    name: str
    places: list[Place] = field(default_factory=list)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """A source that exists and was not read, so that it may define anything.

    Args:
        path: The file.
        reason: Why, for a note: "is encrypted and no vault password was given"; empty if a finding tells it.
        scope: The only host or group it can set variables for; none if it may also add hosts.
    """

    path: Path
    reason: str
    scope: Scope | None = None


@dataclass(slots=True)
class Inventory:
    """Everything that the sources of an inventory say, in the order in which they say it."""

    hosts: dict[str, list[Place]] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    definitions: list[Definition] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _expanded: int = 0

    def expand(self, pattern: str, place: Place) -> list[str]:
        """Return the hosts that a pattern stands for; a bad pattern is a finding and stands for none."""
        if self._expanded > MAX_HOSTS:
            self.findings.append(Finding.at(place, f"the inventory stands for more than {MAX_HOSTS} hosts"))
            return []
        try:
            names = expand(pattern)
        except HostRangeError as error:
            self.findings.append(Finding.at(place, printable(str(error))))
            return []
        self._expanded += len(names)
        return names

    def add_group(self, name: str, place: Place) -> Group:
        """Return the group, made if it is new, and remember that it is named here."""
        group = self.groups.setdefault(name, Group(name))
        group.places.append(place)
        return group

    def add_hosts(self, names: Iterable[str], group: Group, place: Place) -> None:
        """Put hosts into a group."""
        for name in names:
            self.hosts.setdefault(name, []).append(place)
            group.hosts[name] = None

    def define(self, name: str, value: Value, place: Place, scope: Scope) -> None:
        """Remember that a variable is set."""
        self.definitions.append(Definition(name, value, place, scope))

    @property
    def may_have_more_hosts(self) -> bool:
        """Whether a source was not read that could add hosts and groups."""
        return any(source.scope is None for source in self.unread)

    def members(self) -> dict[str, frozenset[str]]:
        """Return the hosts of each group, with those of the groups below it; `all` has every host."""
        found = {name: self._members_of(name) for name in self.groups}
        found["all"] = frozenset(self.hosts)
        return found

    def _members_of(self, name: str) -> frozenset[str]:
        hosts, seen, pending = set[str](), set[str](), [name]
        while pending:
            current = pending.pop()
            if current in seen or current not in self.groups:
                continue
            seen.add(current)
            hosts.update(self.groups[current].hosts)
            pending.extend(self.groups[current].children)
        return frozenset(hosts)
