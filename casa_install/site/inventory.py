"""Reads the inventory sources of a site, as `-i` names them, without running anything.

Which files of a directory count follows Ansible's `InventoryManager.parse_source` and its default
`INVENTORY_IGNORE_EXTS` (ansible-core 2.19).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from casa_install.site.definitions import Inventory, Scope, Unread
from casa_install.site.files import SiteFiles
from casa_install.site.findings import Finding, Place, shown_path
from casa_install.site.groups import known_groups
from casa_install.site.ini_inventory import read_ini_inventory
from casa_install.site.values import DictValue, ScalarValue, Value
from casa_install.site.vars_files import read_vars_folders
from casa_install.site.yaml_inventory import read_yaml_inventory
from casa_install.site.yaml_text import DocumentError, decode, read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casa_install.site.vault import VaultPassword

__all__ = ["HOOKS", "Inventory", "Scope", "load_inventory"]

HOOKS = "hooks"
"""Directory beside an inventory that holds a site's own plays; it is no inventory source."""

_IGNORED_DIRECTORIES = {"group_vars", "host_vars", "vars_plugins", HOOKS}
_IGNORED_ENDINGS = (
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
)  # fmt: skip
_YAML_ENDINGS = (".yml", ".yaml", ".json")
_LOOKS_LIKE_YAML = re.compile(r"---|\{|[\"']?[\w.-]+[\"']?:\s*(?:#.*)?$")
_MAX_DEPTH = 10


def load_inventory(
    paths: Sequence[Path],
    *,
    playbook_dir: Path | None = None,
    vault_passwords: Sequence[VaultPassword] = (),
) -> Inventory:
    """Read every source and the variable files beside the sources and beside the playbook.

    What is wrong is in the result's `findings`; this function raises nothing for any content.

    Args:
        paths: Files, directories, or a list of hosts with a comma such as `ep1,ep2`, as for `-i`.
        playbook_dir: Directory of the playbook; its `group_vars` and `host_vars` count too.
        vault_passwords: Opened with these; without any, encrypted files are only noted.
    """
    inventory = Inventory()
    files = SiteFiles(inventory, vault_passwords)
    bases: dict[Path, bool] = {}
    for path in paths:
        if "," in str(path) and not path.exists():
            _read_host_list(path, inventory)
            continue
        _read_source(path, inventory, files)
        base = path if path.is_dir() else path.parent
        bases.setdefault(base.resolve(), False)
    if playbook_dir is not None:
        bases.setdefault(playbook_dir.resolve(), True)
    for base, shared in bases.items():
        read_vars_folders(base, inventory, files, known_groups().names, shared=shared)
    return inventory


def _read_host_list(source: Path, inventory: Inventory) -> None:
    place = Place(source)
    group = inventory.add_group("ungrouped", place)
    for pattern in filter(None, (part.strip() for part in str(source).split(","))):
        inventory.add_hosts(inventory.expand(pattern, place), group, place)


def _read_source(path: Path, inventory: Inventory, files: SiteFiles, depth: int = 0) -> None:
    if path.is_dir():
        _read_directory(path, inventory, files, depth)
    elif not path.exists():
        hint = "Name a file or a directory after -i."
        inventory.findings.append(Finding(path, 1, 1, "this inventory does not exist", hint))
        files.may_define(path, None)
    elif not path.is_file():
        inventory.unread.append(Unread(path, "was not read: it is no regular file"))
    else:
        _read_file(path, inventory, files)


def _read_directory(path: Path, inventory: Inventory, files: SiteFiles, depth: int) -> None:
    if depth > _MAX_DEPTH:
        message = f"directories nested more than {_MAX_DEPTH} deep; is there a link that leads back?"
        inventory.findings.append(Finding(path, 1, 1, message))
        return
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        reason = error.strerror or error.__class__.__name__
        inventory.findings.append(Finding(path, 1, 1, f"cannot be read: {reason}"))
        return
    sources = [entry for entry in entries if not _is_ignored(entry.name)]
    if not sources and depth == 0:
        hint = "Add a file such as hosts.yml with the groups and their hosts."
        inventory.findings.append(Finding(path, 1, 1, "this directory has no inventory file", hint))
        files.may_define(path, None)
    for entry in sources:
        _read_source(entry, inventory, files, depth + 1)


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED_DIRECTORIES or name.endswith(_IGNORED_ENDINGS)


def _read_file(path: Path, inventory: Inventory, files: SiteFiles) -> None:
    content = files.read(path, None)
    if content is None:
        return
    if _is_program(path, content.data):
        inventory.unread.append(Unread(path, "was not read: it is a program, and this check runs none"))
    elif path.suffix == ".toml":
        inventory.unread.append(Unread(path, "was not read: TOML inventories are not understood here"))
    elif path.suffix in _YAML_ENDINGS or (not path.suffix and _looks_like_yaml(content.data)):
        document = read_yaml(content.data, path, secret=content.secret)
        inventory.findings += document.findings
        if document.value is None and document.findings:
            files.may_define(path, None)
        else:
            _read_yaml_root(document.value, path, inventory)
    else:
        try:
            read_ini_inventory(decode(content.data, path), path, inventory)
        except DocumentError as error:
            inventory.findings.append(error.finding)
            files.may_define(path, None)


def _is_program(path: Path, data: bytes) -> bool:
    return data.startswith(b"#!") or (data.startswith(b"\x7fELF") and os.access(path, os.X_OK))


def _looks_like_yaml(data: bytes) -> bool:
    """Tell a file without ending apart by its first line that is neither empty nor a comment."""
    for line in data.decode("utf-8", "replace").splitlines():
        if line.strip() and not line.lstrip().startswith(("#", ";")):
            return _LOOKS_LIKE_YAML.match(line.strip()) is not None
    return False


def _read_yaml_root(root: Value | None, path: Path, inventory: Inventory) -> None:
    if root is None or (isinstance(root, ScalarValue) and root.data is None):
        hint = f"Add groups and hosts, or remove {shown_path(path)}."
        inventory.findings.append(Finding(path, 1, 1, "this inventory file is empty", hint))
    elif not isinstance(root, DictValue):
        inventory.findings.append(Finding.at(root.place, "an inventory must be a mapping of groups"))
    elif "plugin" in root.entries:
        reason = "was not read: it asks an inventory plugin, and this check runs none"
        inventory.unread.append(Unread(path, reason))
    else:
        read_yaml_inventory(root, inventory)
