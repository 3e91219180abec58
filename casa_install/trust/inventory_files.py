"""An authority written into a site's inventory: its certificate to read, its key encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode
from casa_install.site.variable_folder import variable_folder, write_new

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
    folder = variable_folder(base)
    files = [folder / CERTIFICATE_FILE, folder / KEY_FILE]
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
    for path, text, mode in zip(files, texts, (0o644, 0o600), strict=True):
        write_new(path, text, mode)
    return files


def _block(name: str, text: str) -> str:
    return f"{name}: |\n" + "".join(f"  {line}\n" for line in text.splitlines())
