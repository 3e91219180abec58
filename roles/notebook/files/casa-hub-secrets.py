#!/usr/bin/python3
"""Makes the hub's own secrets, once: ``casa-hub-secrets due|make``.

They are made on the host and never leave it. A secret that is there is never replaced: a new key would end
all logins (cookie_secret) or lose what the hub keeps encrypted about its users (crypt_key).
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

SECRETS = {
    # Signs the browsers' cookies; JupyterHub takes 32 bytes, hexadecimal.
    "cookie_secret": lambda: secrets.token_hex(32),
    # Encrypts tokens of the identity provider in the database; 32 bytes, hexadecimal.
    "crypt_key": lambda: secrets.token_hex(32),
    # Between hub and proxy.
    "proxy_token": lambda: secrets.token_hex(32),
    # With it Prometheus reads the hub's numbers, and nothing else.
    "metrics_token": lambda: secrets.token_hex(32),
}


def missing(directory: Path) -> list[str]:
    """Return the names of secrets that are not there or empty."""
    return [name for name in SECRETS if not _has_content(directory / name)]


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def make(directory: Path, name: str) -> None:
    """Write one secret, whole or not at all."""
    fresh = directory / f".{name}.new"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(SECRETS[name]() + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(directory / name)


def main(arguments: list[str]) -> int:
    """Run the program; 0: nothing is missing (``due``), or nothing is any more (``make``)."""
    if arguments not in (["due"], ["make"]):
        print("usage: casa-hub-secrets due|make", file=sys.stderr)
        return 2
    directory = Path(os.environ.get("CASA_HUB_SECRETS", "/etc/casa-hub/secrets"))
    names = missing(directory)
    if arguments == ["due"]:
        return 1 if names else 0
    for name in names:
        make(directory, name)
    print("\n".join(names))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
