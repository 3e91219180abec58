"""Where the Ansible side of casa-install (playbooks, roles, inventories) lies on this machine."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from casa_install.errors import CasaError

_PACKAGE = Path(__file__).resolve().parent.parent
_IN_WHEEL = Path("ansible_collections", "casa", "install")


@cache
def collection_root() -> Path:
    """Return the directory that holds `playbooks/`, `roles/` and `inventories/`.

    In a checkout that is the repository itself; after `pip install` it is the collection
    `casa.install` beside the package, or elsewhere on `sys.path`.

    Raises:
        CasaError: The installation is incomplete.
    """
    candidates = [_PACKAGE.parent, _PACKAGE.parent / _IN_WHEEL]
    candidates += [Path(entry or ".").resolve() / _IN_WHEEL for entry in sys.path]
    for candidate in candidates:
        if (candidate / "roles").is_dir() and (candidate / "playbooks").is_dir():
            return candidate
    raise CasaError(
        f"The roles and playbooks of casa-install are missing beside {_PACKAGE}.",
        hint="Install it again: `pip install --force-reinstall casa-install`.",
    )
