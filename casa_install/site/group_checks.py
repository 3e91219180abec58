"""Checks of which hosts are where: unknown groups, components without what they need, variables missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.site.findings import Finding, Place, printable, shown_path
from casa_install.site.groups import KnownGroups, Need, known_groups
from casa_install.site.spelling import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casa_install.site.definitions import Group, Inventory, Scope
    from casa_install.site.specs import Option, Specs

_SHOWN_HOSTS = 3
_BUILT_IN = {"all", "ungrouped"}


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in which group of an inventory, groups below it included.

    Args:
        inventory: The inventory.
        hosts: Each group and its hosts.
    """

    inventory: Inventory
    hosts: dict[str, frozenset[str]]

    def of(self, scope: Scope) -> frozenset[str]:
        """Return the hosts that a definition reaches."""
        if scope.kind == "host":
            return frozenset(scope.names)
        return frozenset().union(*(self.hosts.get(name, frozenset()) for name in scope.names))

    def place_of(self, host: str) -> Place:
        """Return where a host is first named."""
        return min(self.inventory.hosts[host])


def check_groups(inventory: Inventory) -> Iterator[Finding]:
    """Yield groups whose name is a slip of one that means something to casa-install."""
    known = known_groups()
    for name, group in inventory.groups.items():
        if name in known.names or name in _BUILT_IN:
            continue
        close = closest(name, known.names)
        if not close and not _claims_to_be_ours(group, known):
            continue
        hint = "" if close else f"The groups are {', '.join(known.names)}."
        for place in group.places:
            yield Finding.at(place, f"unknown group `{printable(name)}`{did_you_mean(close)}", hint)
    yield from _check_loops(inventory)


def _check_loops(inventory: Inventory) -> Iterator[Finding]:
    """Yield groups that are below themselves, which Ansible refuses."""
    for name, group in inventory.groups.items():
        seen, pending = set[str](), list(group.children)
        while pending and name not in seen:
            current = pending.pop()
            if current not in seen and current in inventory.groups:
                seen.add(current)
                pending.extend(inventory.groups[current].children)
        if name in seen:
            yield Finding.at(min(group.places), f"group `{printable(name)}` is a child of itself")


def _claims_to_be_ours(group: Group, known: KnownGroups) -> bool:
    """Tell whether a name can only mean one of ours; a parent that just gathers some is a site's own."""
    gathers = not group.hosts and any(child in known.names for child in group.children)
    return group.name.startswith(known.reserved_prefixes) and not gathers


def check_needs(members: Members, source: Path) -> Iterator[Finding]:
    """Yield components that are useless as the groups stand.

    Args:
        members: Hosts by group.
        source: The first inventory source, for what has no place of its own.
    """
    known = known_groups()
    if not any(members.hosts.get(name) for name in known.names):
        message = "no host is in a group that casa-install knows, so there is nothing to install"
        yield Finding(source, 1, 1, message, f"The groups are {', '.join(known.names)}.")
    for need in known.needs:
        yield from _check_need(need, members)


def _check_need(need: Need, members: Members) -> Iterator[Finding]:
    if members.hosts.get(need.group):
        return
    answered = {
        host
        for definition in members.inventory.definitions
        if definition.name in need.unless
        for host in members.of(definition.scope)
    }
    for name in need.groups:
        lacking = members.hosts.get(name, frozenset()) - answered
        if lacking:
            place = min(members.inventory.groups[name].places) if name in members.inventory.groups else None
            message = f"group `{name}` has hosts, but no host is in `{need.group}`"
            hint = f"Put a host into `{need.group}`, or set {' or '.join(f'`{v}`' for v in need.unless)}."
            yield Finding.at(place or members.place_of(min(lacking)), message, hint)


def check_required(
    members: Members, specs: Specs, extra_names: frozenset[str]
) -> Iterator[tuple[Finding, bool]]:
    """Yield each required variable that some host lacks.

    Returns with each finding whether it is certain: it is not if a file that was not read may set it.
    """
    known = known_groups()
    ours = frozenset().union(*(members.hosts.get(name, frozenset()) for name in known.names))
    wanted: dict[str, frozenset[str]] = dict.fromkeys(known.every_host, ours)
    for group, roles in known.roles.items():
        for role in roles:
            wanted[role] = wanted.get(role, frozenset()) | members.hosts.get(group, frozenset())
    covered = {name: frozenset[str]() for role in wanted for name in specs.roles.get(role, ())}
    for definition in members.inventory.definitions:
        if definition.name in covered:
            covered[definition.name] |= members.of(definition.scope)
    maybe = reach_of_unread(members)
    for role, hosts in wanted.items():
        for name, option in specs.roles.get(role, {}).items():
            missing = hosts - covered[name]
            if option.required and not option.has_default and name not in extra_names and missing:
                certain = missing - maybe
                yield _missing(role, option, certain or missing, members), bool(certain)


def reach_of_unread(members: Members) -> frozenset[str]:
    """Return the hosts that a file which was not read may set variables for."""
    reached = [
        members.of(source.scope) if source.scope else members.hosts["all"]
        for source in members.inventory.unread
    ]
    return frozenset().union(*reached)


def _missing(role: str, option: Option, hosts: frozenset[str], members: Members) -> Finding:
    place = min(members.place_of(host) for host in hosts)
    names = [printable(host) for host in sorted(hosts)[:_SHOWN_HOSTS]]
    more = f" and {len(hosts) - _SHOWN_HOSTS} more" if len(hosts) > _SHOWN_HOSTS else ""
    message = f"`{option.name}` is required by role `{role}` and not set for {', '.join(names)}{more}"
    folder = place.path.parent / "group_vars"
    what = f" {option.description}" if option.description else ""
    return Finding.at(place, message, f"Set it in {shown_path(folder)}/all.yml.{what}")
