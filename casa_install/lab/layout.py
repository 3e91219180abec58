"""Which machines a lab has: read from an inventory, so that a site can rehearse its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_SYSTEM = "debian-13"
DEFAULT_DOMAIN = "casa.test"
"""`.test` never exists in the public DNS (RFC 6761)."""


@dataclass(frozen=True)
class Machine:
    """One machine of the lab.

    Attributes:
        name: Its name in the inventory.
        fqdn: Its fully qualified host name.
        system: Which image it runs, a key of ``systems.yml``.
        capabilities: Linux capabilities beyond podman's default (capabilities(7)).
    """

    name: str
    fqdn: str
    system: str
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The machines of one lab."""

    name: str
    machines: tuple[Machine, ...]


def lab_name(inventories: Sequence[Path]) -> str:
    """The lab's name: that of the last inventory's folder, in letters, digits and hyphens."""
    last = inventories[-1].resolve()
    folder = last if last.is_dir() else last.parent
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "lab"


def read_layout(inventories: Sequence[Path], *, name: str | None = None) -> Layout:
    """Ask Ansible's own inventory code for the hosts and the few variables that shape a machine.

    Args:
        inventories: Inventory files or folders, later ones over earlier ones.
        name: The lab's name, instead of the inventory's.

    Raises:
        CasaError: The inventory cannot be read or holds no host.
    """
    argv = [str(Path(sys.executable).parent / "ansible-inventory"), "--list"]
    for path in inventories:
        argv += ["-i", str(path)]
    environment = {**os.environ, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise CasaError(
            f"the inventory cannot be read: {done.stderr.strip()}",
            hint=f"casa-install validate -i {inventories[-1]}",
            exit_code=ExitCode.USAGE,
        )
    hostvars: dict[str, dict[str, Any]] = json.loads(done.stdout).get("_meta", {}).get("hostvars", {})
    names = _host_names(json.loads(done.stdout))
    if not names:
        raise CasaError(
            f"the inventory {inventories[-1]} holds no host",
            hint="add hosts to its groups, or use inventories/lab",
            exit_code=ExitCode.USAGE,
        )
    return Layout(
        name=name or lab_name(inventories),
        machines=tuple(_machine(host, hostvars.get(host, {})) for host in names),
    )


def _host_names(listing: dict[str, Any]) -> list[str]:
    found: dict[str, None] = {}
    for group, content in listing.items():
        if group != "_meta":
            found.update(dict.fromkeys(content.get("hosts", ())))
    return sorted(found)


def _machine(name: str, variables: dict[str, Any]) -> Machine:
    domain = str(variables.get("site_domain", DEFAULT_DOMAIN))
    return Machine(
        name=name,
        fqdn=name if "." in name else f"{name}.{domain}",
        system=str(variables.get("lab_os", DEFAULT_SYSTEM)),
        capabilities=tuple(str(item) for item in variables.get("lab_capabilities", ())),
    )
