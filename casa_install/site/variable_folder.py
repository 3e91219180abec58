"""The folder in which an inventory keeps variables of all hosts, for what casa-install writes there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from pathlib import Path


def variable_folder(base: Path) -> Path:
    """Return `group_vars/all/` of an inventory, there or not yet.

    Args:
        base: The directory of the inventory.

    Raises:
        CasaError: A file stands in its place, which Ansible would no longer read beside it.
    """
    folder = base / "group_vars" / "all"
    hidden = [base / "group_vars" / f"all{ending}" for ending in (".yml", ".yaml", ".json")]
    if folder.exists() and not folder.is_dir():
        hidden.append(folder)
    for path in hidden:
        if path.exists():
            raise CasaError(
                f"{path} is a file, and beside a folder `all` Ansible would no longer read it.",
                hint=f"Move it to {folder}/site.yml, which Ansible reads as well.",
                exit_code=ExitCode.USAGE,
            )
    return folder


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that is not there yet, with the mode that it has from its first byte on.

    Raises:
        FileExistsError: It is there by now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
