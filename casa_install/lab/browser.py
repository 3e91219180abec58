"""A browser that knows a lab's names and authorities, and forgets both: the distribution's Chromium.

Nothing of the person's own browser is touched: Chromium on Linux reads authorities from
``$HOME/.pki/nssdb``, and gets a HOME of its own. No certificate error is ignored.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAM = "chromium"
FLAGS = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--password-store=basic",
)
"""What keeps a browser from talking to anybody but the lab."""


def browser_home(directory: Path, authorities: Mapping[str, Path]) -> Path:
    """A HOME in which Chromium trusts these authorities beside the distribution's; made anew.

    Args:
        directory: Where it is.
        authorities: Name -> certificate file, PEM.

    Raises:
        CasaError: certutil is missing or failed.
    """
    database = directory / ".pki" / "nssdb"
    if database.exists():
        shutil.rmtree(database)
    database.mkdir(mode=0o700, parents=True)
    _certutil("-N", "--empty-password", "-d", f"sql:{database}")
    for name, file in authorities.items():
        _certutil("-A", "-d", f"sql:{database}", "-n", name, "-t", "C,,", "-i", str(file))
    return directory


def browser_flags(addresses: Mapping[str, str]) -> list[str]:
    """Chromium's options beyond what a person may add.

    Args:
        addresses: Host name -> address, of every host of the lab.
    """
    rules = ",".join(f"MAP {name} {address}" for name, address in sorted(addresses.items()))
    flags = [*FLAGS, f"--host-resolver-rules={rules}"]
    if os.geteuid() == 0:
        # Chromium's sandbox refuses root; the pages are those of the lab.
        flags.append("--no-sandbox")
    return flags


def require_browser() -> str:
    """The browser's path.

    Raises:
        CasaError: It is not installed.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise CasaError(
            "Chromium is not installed",
            hint="apt-get install --no-install-recommends chromium libnss3-tools",
            exit_code=ExitCode.USAGE,
        )
    return found


def _certutil(*arguments: str) -> None:
    certutil = shutil.which("certutil")
    if certutil is None:
        raise CasaError(
            "certutil, which gives a browser its authorities, is not installed",
            hint="apt-get install --no-install-recommends libnss3-tools",
            exit_code=ExitCode.USAGE,
        )
    done = subprocess.run([certutil, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CasaError(f"certutil failed: {done.stderr.strip()}")
