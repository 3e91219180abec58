"""Packages and accounts, which Ansible's own modules change: what each is called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.state.resources import Group, Package, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.state.differences import Difference
    from casa_install.state.receipts import Entry

Call = tuple[str, dict[str, Any]]
"""A module's full name and its arguments."""

_INDEX_SECONDS = 3600
"""How old a package index may be before an installation reads it anew."""

_LOCK_SECONDS = 300
"""How long another package manager is waited for, such as one that outlived a killed run."""

# dpkg gives up at once where it is locked, and has no option to wait as apt has.
_CONTINUE_DPKG = """
seconds=$1
while ! said=$(dpkg --force-confdef --force-confold --configure -a 2>&1); do
    case $said in
        *"is locked"* | *"was locked"*)
            [ "$seconds" -gt 0 ] || { printf '%s\\n' "$said" >&2; exit 1; }
            seconds=$((seconds - 1))
            sleep 1 ;;
        *) printf '%s\\n' "$said" >&2; exit 1 ;;
    esac
done
"""


def continue_interrupted() -> Call:
    """Return the call that lets a killed dpkg finish its work; one that still works is waited for."""
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]
    argv = [*environment, "sh", "-c", _CONTINUE_DPKG, "continue", str(_LOCK_SECONDS)]
    return "ansible.builtin.command", {"argv": argv}


def package_calls(differences: Iterable[Difference], manager: str, *, fresh_index: bool) -> list[Call]:
    """Return the calls that mend packages.

    Args:
        differences: Of packages, verdict `change`.
        manager: `dpkg` or `rpm`, as the probe found.
        fresh_index: A repository was just added or changed, so the index is read anew whatever its age.
    """
    found = [(item, item.resource) for item in differences if isinstance(item.resource, Package)]
    install = [package for item, package in found if item.aspects & {"missing", "version"}]
    remove = [package.package for item, package in found if "type" in item.aspects]
    calls: list[Call] = []
    if install:
        calls.append(_install(install, manager, fresh_index=fresh_index))
    if remove:
        calls.append((_MANAGERS[manager], {"name": remove, "state": "absent"}))
    calls += [
        (
            "ansible.builtin.dpkg_selections",
            {"name": package.package, "selection": "hold" if package.held else "install"},
        )
        for item, package in found
        if package.held is not None
        and (package in install or "held" in item.aspects)
        and manager == "dpkg"
        and (package.held or "held" in item.aspects)
    ]
    return calls


_MANAGERS = {"dpkg": "ansible.builtin.apt", "rpm": "ansible.builtin.dnf"}


def _install(packages: list[Package], manager: str, *, fresh_index: bool) -> Call:
    separator = {"dpkg": "=", "rpm": "-"}[manager]
    names = [
        f"{package.package}{separator}{package.version}" if package.version else package.package
        for package in packages
    ]
    pinned = any(package.version for package in packages)
    arguments: dict[str, Any] = {"name": names, "state": "present", "allow_downgrade": pinned}
    if manager == "dpkg":
        # 101 in policy-rc.d keeps a service from starting before its configuration is there.
        arguments.update(
            policy_rc_d=101,
            lock_timeout=_LOCK_SECONDS,
            update_cache=True,
            cache_valid_time=0 if fresh_index else _INDEX_SECONDS,
            allow_change_held_packages=any(package.held for package in packages),
        )
    elif fresh_index:
        arguments["update_cache"] = True
    return _MANAGERS[manager], arguments


def account_calls(differences: Iterable[Difference]) -> list[Call]:
    """Return the calls that make or change groups, then users."""
    resources = [item.resource for item in differences]
    calls: list[Call] = [
        (
            "ansible.builtin.group",
            _given(name=group.group, gid=group.gid, system=group.system, state="present"),
        )
        for group in resources
        if isinstance(group, Group)
    ]
    for user in resources:
        if isinstance(user, User):
            calls.append(
                (
                    "ansible.builtin.user",
                    _given(
                        name=user.user,
                        uid=user.uid,
                        group=user.group,
                        groups=list(user.groups) or None,
                        append=True if user.groups else None,
                        home=user.home,
                        shell=user.shell,
                        comment=user.comment,
                        system=user.system,
                        create_home=user.create_home,
                        state="present",
                    ),
                )
            )
    return calls


def package_removal(names: list[str], manager: str) -> Call:
    """Return the call that takes packages away; a hold keeps a version, it is no answer to a removal."""
    arguments: dict[str, Any] = {"name": names, "state": "absent"}
    if manager == "dpkg":
        arguments.update(purge=True, allow_change_held_packages=True)
    return _MANAGERS[manager], arguments


def removal_calls(entries: Iterable[Entry], manager: str) -> list[Call]:
    """Return the calls that take away packages, users and groups that we added; homes stay.

    With dpkg the packages' own configuration goes too (`purge`), as it came with them.
    """
    entries = [entry for entry in entries if entry.added]
    packages = [entry.name for entry in entries if entry.kind == "package"]
    calls: list[Call] = []
    if packages:
        calls.append(package_removal(packages, manager))
    calls += [
        ("ansible.builtin.user", {"name": entry.name, "state": "absent", "remove": False})
        for entry in entries
        if entry.kind == "user"
    ]
    # userdel(8) takes a group of the same name along, which the group module then finds absent.
    calls += [
        ("ansible.builtin.group", {"name": entry.name, "state": "absent"})
        for entry in entries
        if entry.kind == "group"
    ]
    return calls


def _given(**arguments: Any) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if value is not None}
