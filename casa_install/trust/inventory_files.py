"""An authority written into a site's inventory: its certificate to read, its key encrypted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casa_install.trust.authority import Authority

CERTIFICATE_FILE = "trust_ca.yml"
KEY_FILE = "trust_ca_key.yml"


def write_authority(base: Path, authority: Authority, encrypt: Callable[[bytes], bytes]) -> list[Path]:
    """Write both files below `group_vars/all/`.

    Args:
        base: The directory of the inventory.
        authority: What to write.
        encrypt: Encrypts the content of the file with the key.

    Returns:
        The files, first the one with the certificate.

    Raises:
        CasaError: A file is there already, or Ansible would read it at the cost of another. Nothing was
            written.
    """
    folder = base / "group_vars" / "all"
    files = [folder / CERTIFICATE_FILE, folder / KEY_FILE]
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
    for path in files:
        if path.exists():
            raise CasaError(
                f"{path} is there already: the site has an authority.",
                hint="Hosts trust certificates of the old one only while it is in `trust_extra_cas`; "
                f"keep it there, then move {path} away and try again.",
                exit_code=ExitCode.USAGE,
            )
    ends = authority.certificate.not_valid_after_utc
    texts = [
        f"# The site's authority, for certificates of its own hosts. Ends on {ends:%Y-%m-%d}.\n"
        + _block("trust_ca_certificate", authority.certificate_pem),
        encrypt(_block("trust_ca_key", authority.key_pem).encode("ascii")).decode("ascii"),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for path, text, mode in zip(files, texts, (0o644, 0o600), strict=True):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    return files


def _block(name: str, text: str) -> str:
    return f"{name}: |\n" + "".join(f"  {line}\n" for line in text.splitlines())
