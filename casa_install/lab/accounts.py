"""Accounts of the lab's people on its machines, the same numbers everywhere: what LDAP does at a site."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from casa_install.lab.login import PEOPLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.lab.podman import Podman

SCRIPT = """
set -eu
while read -r name uid; do
    id "$name" >/dev/null 2>&1 && continue
    groupadd --gid "$uid" "$name"
    useradd --create-home --shell /bin/bash --uid "$uid" --gid "$uid" "$name"
    chmod 0700 "/home/$name"
done
"""
"""The accounts have no password: nobody gets in but through the provider, or as root."""


def ensure_accounts(podman: Podman, containers: Iterable[str]) -> None:
    """Make the accounts where they are missing.

    Args:
        podman: How to reach podman.
        containers: Of the machines that have them.

    Raises:
        CasaError: An account cannot be made.
    """
    wanted = "".join(f"{name} {person['uid']}\n" for name, person in PEOPLE.items() if person["uid"])

    def make(container: str) -> None:
        podman.run("exec", "-i", container, "sh", "-c", SCRIPT, stdin=wanted)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(make, containers))
