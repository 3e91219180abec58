"""Finds the files of `group_vars/` and `host_vars/`, and those that belong to nobody.

Source: Ansible's vars plugin `ansible.builtin.host_group_vars`. For each host and group it takes the first
of NAME, NAME.yml, NAME.yaml and NAME.json; from a folder it takes every such file, sub-folders included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from casa_install.site.definitions import Scope
from casa_install.site.findings import Finding, printable, shown_path
from casa_install.site.spelling import closest, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from casa_install.site.definitions import Inventory
    from casa_install.site.files import SiteFiles

EXTENSIONS = ("", ".yml", ".yaml", ".json")
_NOT_VARIABLES = (".md", ".rst", ".txt", ".bak", ".orig", ".swp", ".j2", ".sample", ".example", ".disabled")
_MAX_DEPTH = 10


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a folder of variables is about: hosts or groups, and their known names."""

    kind: Literal["host", "group"]
    names: Collection[str]


def read_vars_folders(
    base: Path, inventory: Inventory, files: SiteFiles, group_names: Collection[str], *, shared: bool
) -> None:
    """Read `group_vars/` and `host_vars/` in one directory.

    Args:
        base: The directory of an inventory or of the playbook.
        inventory: Its hosts are known already; takes definitions and findings.
        files: Reads the files.
        group_names: Groups that may have variables though no inventory names them.
        shared: The directory serves several inventories, so a name that only another of them knows is no
            mistake; one that looks like a slip still is.
    """
    groups = {*inventory.groups, *group_names, "all", "ungrouped"}
    for folder, owner in (
        ("group_vars", _Owner("group", groups)),
        ("host_vars", _Owner("host", inventory.hosts)),
    ):
        path = base / folder
        if path.is_dir():
            _read_folder(path, owner, inventory, files, shared=shared)
        elif path.exists():
            inventory.findings.append(Finding(path, 1, 1, f"`{folder}` must be a directory"))


def _read_folder(
    folder: Path, owner: _Owner, inventory: Inventory, files: SiteFiles, *, shared: bool
) -> None:
    taken: dict[str, Path] = {}
    for path in sorted(_listed(folder, inventory), key=lambda p: (p.stem, _rank(p))):
        name = _owner_name(path, owner.names)
        if name is None:
            continue
        if name in taken:
            message = f"Ansible never reads this, because {shown_path(taken[name])} exists"
            hint = f"Move it into one folder: `{folder.name}/{printable(name)}/`."
            inventory.findings.append(Finding(path, 1, 1, message, hint))
            continue
        taken[name] = path
        if name not in owner.names:
            _report_stranger(path, name, owner, inventory, shared=shared)
        scope = Scope(owner.kind, (name,))
        for file in _files_of(path, inventory):
            files.read_variables(file, scope)


def _rank(path: Path) -> int:
    return EXTENSIONS.index(path.suffix) if path.suffix in EXTENSIONS and not path.is_dir() else 0


def _owner_name(path: Path, known: Collection[str]) -> str | None:
    """Return the host or group that a file is for. Host names have dots, so the whole name comes first."""
    name = path.name
    if name in known:
        return name
    if name.startswith(".") or name.endswith("~") or path.suffix in _NOT_VARIABLES:
        return None
    return path.stem if path.suffix in EXTENSIONS and not path.is_dir() else name


def _report_stranger(path: Path, name: str, owner: _Owner, inventory: Inventory, *, shared: bool) -> None:
    close = closest(name, owner.names)
    message = f"{owner.kind}_vars for unknown {owner.kind} `{printable(name)}`{did_you_mean(close)}"
    if inventory.may_have_more_hosts or (shared and not close):
        inventory.notes.append(f"{shown_path(path)}: {message}")
        return
    hint = "" if close else f"No inventory has this {owner.kind}: add it there, or remove {shown_path(path)}."
    inventory.findings.append(Finding(path, 1, 1, message, hint))


def _files_of(path: Path, inventory: Inventory, depth: int = 0) -> Iterator[Path]:
    """Yield the files that Ansible reads for one host or group, in its order."""
    if not path.is_dir():
        yield path
        return
    if depth > _MAX_DEPTH:
        inventory.findings.append(Finding(path, 1, 1, f"folders nested more than {_MAX_DEPTH} deep"))
        return
    for entry in sorted(_listed(path, inventory)):
        if entry.name.startswith(".") or entry.name.endswith("~"):
            continue
        if entry.is_dir():
            if not entry.suffix:
                yield from _files_of(entry, inventory, depth + 1)
        elif entry.suffix in EXTENSIONS:
            yield entry
        elif entry.suffix not in _NOT_VARIABLES:
            inventory.notes.append(f"{shown_path(entry)}: not read, because of its ending `{entry.suffix}`")


def _listed(folder: Path, inventory: Inventory) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        reason = error.strerror or error.__class__.__name__
        inventory.findings.append(Finding(folder, 1, 1, f"cannot be read: {reason}"))
        return []
