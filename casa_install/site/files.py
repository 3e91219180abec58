"""Reads the files of a site: decrypted where a password opens them, reported where they cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.errors import CasaError
from casa_install.site.definitions import Scope, Unread
from casa_install.site.findings import Finding, shown_path
from casa_install.site.values import DictValue, ScalarValue, VaultedValue, scalars
from casa_install.site.vault import decrypt, is_vaulted
from casa_install.site.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casa_install.site.definitions import Inventory
    from casa_install.site.vault import VaultPassword

_SECRETS_FILE = re.compile(r"(secrets?|vault|vaulted)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, and whether they were encrypted."""

    data: bytes
    secret: bool


class SiteFiles:
    """The files of one site.

    Args:
        inventory: Takes the findings and the files that were not read.
        passwords: Vault passwords to try, in order.
    """

    def __init__(self, inventory: Inventory, passwords: Sequence[VaultPassword]) -> None:
        self._inventory = inventory
        self._passwords = passwords

    def read(self, path: Path, scope: Scope | None) -> Content | None:
        """Return a file's content, or none if it cannot be read, which is then reported.

        Args:
            path: The file.
            scope: Whom its variables are for; none for a file that may add hosts.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            reason = error.strerror or error.__class__.__name__
            self._report(Finding(path, 1, 1, f"cannot be read: {reason}"))
            self.may_define(path, scope)
            return None
        if not is_vaulted(data):
            return Content(data, secret=False)
        if not self._passwords:
            reason = "is encrypted and was not read: no vault password was given"
            self._inventory.unread.append(Unread(path, reason, scope))
            return None
        try:
            return Content(decrypt(data, self._passwords, path), secret=True)
        except CasaError as error:
            self._report(Finding(path, 1, 1, error.message, error.hint))
            self.may_define(path, scope)
            return None

    def read_variables(self, path: Path, scope: Scope) -> None:
        """Add the definitions of a file below `group_vars/` or `host_vars/`."""
        content = self.read(path, scope)
        if content is None:
            return
        document = read_yaml(content.data, path, secret=content.secret)
        self._inventory.findings += document.findings
        root = document.value
        if root is None and document.findings:
            self.may_define(path, scope)
        if root is None or (isinstance(root, ScalarValue) and root.data is None):
            return
        if not isinstance(root, DictValue):
            self._report(Finding.at(root.place, "a file of variables must be a mapping: `name: value`"))
            return
        if not content.secret and _SECRETS_FILE.fullmatch(path.name.split(".")[0]) and _has_secret(root):
            message = "this file is for secrets and is not encrypted"
            self._report(
                Finding(path, 1, 1, message, f"Encrypt it: `ansible-vault encrypt {shown_path(path)}`.")
            )
        for name, entry in root.entries.items():
            self._inventory.define(name, entry.value, entry.place, scope)

    def may_define(self, path: Path, scope: Scope | None) -> None:
        """Remember a file whose mistake is reported, so that what it would define is not called missing."""
        self._inventory.unread.append(Unread(path, "", scope))

    def _report(self, finding: Finding) -> None:
        self._inventory.findings.append(finding)


def _has_secret(root: DictValue) -> bool:
    """Tell whether a mapping holds a value that is neither encrypted, empty nor looked up elsewhere."""
    return any(
        not scalar.is_template and scalar.data not in (None, "")
        for entry in root.entries.values()
        if not isinstance(entry.value, VaultedValue)
        for scalar in scalars(entry.value)
    )
