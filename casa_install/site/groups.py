"""The groups that mean something to casa-install; the table is `groups.yml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Need:
    """Hosts of `groups` are of no use without a host in `group`, unless a variable of `unless` is set."""

    groups: tuple[str, ...]
    group: str
    unless: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownGroups:
    """What `groups.yml` says.

    Args:
        descriptions: Each group and what its hosts are.
        roles: Each group and the roles that its hosts get.
        every_host: Roles of every host that is in one of the groups.
        reserved_prefixes: How names begin that can only mean one of the groups.
        needs: Which groups need which other.
    """

    descriptions: dict[str, str]
    roles: dict[str, tuple[str, ...]]
    every_host: tuple[str, ...]
    reserved_prefixes: tuple[str, ...]
    needs: tuple[Need, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The groups, in the order of the table."""
        return tuple(self.descriptions)


@cache
def known_groups() -> KnownGroups:
    """Return the table."""
    table = yaml.safe_load(Path(__file__).with_name("groups.yml").read_text(encoding="utf-8"))
    return KnownGroups(
        descriptions={name: group["description"] for name, group in table["groups"].items()},
        roles={name: tuple(group["roles"]) for name, group in table["groups"].items()},
        every_host=tuple(table["every_host"]),
        reserved_prefixes=tuple(table["reserved_prefixes"]),
        needs=tuple(
            Need(tuple(need["groups"]), need["group"], tuple(need["unless"])) for need in table["needs"]
        ),
    )
