"""Comparing packages, accounts, units, kernel settings and checks."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from casa_install.state.differences import Difference, View, change, refuse, report
from casa_install.state.resources import File, PathResource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.state.resources import Check, Group, Package, Sysctl, Unit, User

_ENABLED = frozenset({"enabled", "alias", "static", "generated", "indirect"})
_SWITCHED_ON = frozenset({"enabled", "enabled-runtime", "linked", "linked-runtime"})
_RUNNING = frozenset({"active", "activating", "reloading", "refreshing"})
_VENDOR = ("/usr/lib/", "/lib/", "/run/systemd/generator")


def compare_package(resource: Package, view: View) -> Difference | None:
    """Compare presence, version and hold of a package."""
    observed = view.observed
    if observed.manager == "none":
        return refuse(resource, "the host has neither dpkg nor rpm, so no package can be installed")
    if resource.held is not None and observed.manager == "rpm":
        return refuse(
            resource,
            f"package {resource.name}: held is not supported with rpm",
            hint="declare a `line` in /etc/dnf/plugins/versionlock.list instead",
        )
    found = observed.packages.get(resource.package)
    if resource.state == "absent":
        return change(resource, f"remove package {resource.name}", aspects="type") if found else None
    if found is None:
        if _repository_is_coming(view):
            text = f"install {resource.name} (version known after the repository is added)"
        else:
            text = f"install {resource.name} {resource.version}".rstrip()
        return change(resource, text, aspects="missing")
    if resource.version and not _same_version(found.version, resource.version):
        return change(
            resource, f"change {resource.name} {found.version} -> {resource.version}", aspects="version"
        )
    if resource.held is not None and resource.held != found.held:
        return change(resource, f"{'hold' if resource.held else 'release'} {resource.name}", aspects="held")
    return None


def _same_version(found: str, wanted: str) -> bool:
    if fnmatch.fnmatchcase(found, wanted):
        return True
    # rpm answers version-release; a pin without a release means any build of that version.
    return "-" not in wanted and fnmatch.fnmatchcase(found.rpartition("-")[0], wanted)


def _repository_is_coming(view: View) -> bool:
    return any(
        isinstance(resource, File) and resource.repository and resource.path not in view.observed.paths
        for resource in view.desired.resources
    )


def compare_group(resource: Group, view: View) -> Difference | None:
    """Compare a group; a number that does not fit is refused, as files may belong to it."""
    found = view.observed.groups.get(resource.group)
    if found is None:
        other = None if resource.gid is None else view.observed.group_of_gid.get(resource.gid)
        if other is not None:
            return refuse(resource, f"gid {resource.gid} is wanted for {resource.name}; it is {other}'s")
        return change(resource, f"make group {resource.name}", aspects="missing")
    if resource.gid is not None and int(found.fields[2]) != resource.gid:
        return refuse(
            resource,
            f"group {resource.name} is known {_source(found.local)} with gid {found.fields[2]}, "
            f"not {resource.gid}",
            hint="set the number that the site has, or make it agree by hand",
        )
    return None


def compare_user(resource: User, view: View) -> Difference | None:
    """Compare a user; what a directory service says is never changed here, a mismatch is refused."""
    found = view.observed.users.get(resource.user)
    if found is None:
        other = None if resource.uid is None else view.observed.user_of_uid.get(resource.uid)
        if other is not None:
            return refuse(resource, f"uid {resource.uid} is wanted for {resource.name}; it is {other}'s")
        return change(resource, f"make user {resource.name}", aspects="missing")
    if resource.uid is not None and int(found.fields[2]) != resource.uid:
        return refuse(
            resource,
            f"user {resource.name} is known {_source(found.local)} with uid {found.fields[2]}, "
            f"not {resource.uid}",
            hint="set the number that the site has, or make it agree by hand",
        )
    details = _user_details(resource, found.fields, found.group_ids, view)
    if not details:
        return None
    if not found.local:
        return refuse(
            resource,
            f"user {resource.name} comes from the site's directory service with {'; '.join(details)}",
            hint="change it there, or change what the role wants",
        )
    return change(resource, f"change user {resource.name}", *details, aspects="attributes")


def _user_details(
    resource: User, fields: tuple[str, ...], group_ids: tuple[int, ...], view: View
) -> list[str]:
    details = [
        f"{what} {fields[number]}, not {wanted}"
        for what, number, wanted in (
            ("comment", 4, resource.comment),
            ("home", 5, resource.home),
            ("shell", 6, resource.shell),
        )
        if wanted is not None and fields[number] != wanted
    ]
    groups = view.observed.groups
    if resource.group is not None:
        primary = groups.get(resource.group)
        if primary is None or primary.fields[2] != fields[3]:
            details.append(f"primary group {fields[3]}, not {resource.group}")
    for name in resource.groups:
        group = groups.get(name)
        if group is None or int(group.fields[2]) not in group_ids:
            details.append(f"not in group {name}")
    return details


def _source(local: bool) -> str:
    return "in /etc" if local else "to the site's directory service"


def compare_unit(resource: Unit, view: View) -> Difference | None:
    """Compare a unit's state, and tell what a site changed about it."""
    if view.maintenance:
        return report(
            resource, f"leave {resource.name} alone: casa_maintenance is set", aspects="maintenance"
        )
    if view.observed.units is None:
        return report(resource, f"{resource.name} is not known: systemd does not answer", aspects="unknown")
    unit = view.observed.units[resource.unit]
    masked = unit["LoadState"] == "masked"
    if masked and not resource.masked:
        entry = view.entry(resource)
        if entry is None or not entry.ours.get("masked"):
            return report(resource, f"{resource.name} is masked by somebody; left so", aspects="masked")
    wanted = _unit_wanted(resource, unit, masked=masked)
    if wanted:
        words = [text for text, _ in wanted]
        return change(
            resource, f"{' and '.join(words)} {resource.name}", aspects=" ".join(word for _, word in wanted)
        )
    return _foreign_unit_parts(resource, unit, view)


def _unit_wanted(resource: Unit, unit: Mapping[str, str], *, masked: bool) -> list[tuple[str, str]]:
    wanted: list[tuple[str, str]] = []
    if resource.masked is not None and resource.masked != masked:
        wanted.append(("mask" if resource.masked else "unmask", "masked"))
    elif masked and not resource.masked:
        wanted.append(("unmask", "masked"))
    if unit.get("NeedDaemonReload") == "yes":
        wanted.append(("make systemd read anew", "reload"))
    if resource.enabled is not None and not resource.masked:
        state = unit.get("UnitFileState", "")
        if resource.enabled and state not in _ENABLED:
            wanted.append(("enable", "enabled"))
        if not resource.enabled and state in _SWITCHED_ON:
            wanted.append(("disable", "enabled"))
    running = unit.get("ActiveState") in _RUNNING
    if resource.state == "started" and not running:
        wanted.append(("start", "state"))
    if resource.state == "stopped" and running:
        wanted.append(("stop", "state"))
    return wanted


def _foreign_unit_parts(resource: Unit, unit: Mapping[str, str], view: View) -> Difference | None:
    ours = {item.path for item in view.desired.resources if isinstance(item, PathResource)}
    details = [
        f"drop-in {path}"
        for path in unit.get("DropInPaths", "").split()
        if path not in ours and not path.startswith(_VENDOR)
    ]
    fragment = unit.get("FragmentPath", "")
    vendor = view.observed.vendor.get(resource.unit)
    # What masks a unit stands in the place of its file; when it is here, it is ours.
    overridden = fragment and unit["LoadState"] != "masked" and not fragment.startswith(_VENDOR)
    if vendor in ("ok", "edited") and overridden and fragment not in ours:
        details.append(f"overridden by {fragment}")
    elif vendor == "edited":
        details.append(f"{fragment} is not as its package left it")
    if details:
        return report(resource, f"{resource.name} was changed by somebody", *details, aspects="overridden")
    return None


def compare_sysctl(resource: Sysctl, view: View) -> Difference | None:
    """Compare the live value of a kernel setting."""
    found = view.observed.sysctls.get(resource.setting)
    if found == resource.value:
        return None
    is_now = "the kernel has no such setting now" if found is None else f"is {found}"
    return change(resource, f"set {resource.name} = {resource.value}", is_now, aspects="live")


def compare_check(resource: Check, view: View) -> Difference | None:
    """Tell whether an imperative step is owed; a check that cannot be run means that it is."""
    result = view.observed.checks[resource.check]
    if result.status == 0:
        return None
    reason = "" if resource.sensitive else result.output.split("\n")[0]
    details = (reason,) if reason else ()
    return Difference(
        resource, "step", f"do the step {resource.name!r}", details, frozenset({f"status-{result.status}"})
    )
