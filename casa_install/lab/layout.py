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

import yaml

from casa_install.errors import CasaError, ExitCode
from casa_install.lab.disks import Disk, read_disks

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUPS_FILE = Path(__file__).with_name("groups.yml")
ORIGIN_GROUP = "lab_origin"
"""Hosts of this group become the lab's federation. Only labs have it."""

HUB_GROUP = "notebook"
"""Hosts of this group are where the lab's people log in."""

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
        packages: Distribution packages in its image beyond those of every machine.
        disks: Its disks beyond the root file system.
        is_origin: Whether it is part of the federation that the lab plays.
        is_hub: Whether people log in there through the lab's OpenID provider.
        has_people: Whether the lab's people have accounts there, as a site's directory would give them.
        is_node: Whether a kubelet runs there, with the containers of its pods.
    """

    name: str
    fqdn: str
    system: str
    capabilities: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    is_origin: bool = False
    is_hub: bool = False
    has_people: bool = False
    is_node: bool = False

    @property
    def domain(self) -> str:
        """The part of its name behind the first dot."""
        return self.fqdn.partition(".")[2]


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
    groups: dict[str, dict[str, Any]] = json.loads(done.stdout)
    hostvars: dict[str, dict[str, Any]] = groups.pop("_meta", {}).get("hostvars", {})
    names = sorted({name for group in groups for name in members(groups, group)})
    if not names:
        raise CasaError(
            f"the inventory {inventories[-1]} holds no host",
            hint="add hosts to its groups, or use inventories/lab",
            exit_code=ExitCode.USAGE,
        )
    return Layout(
        name=name or lab_name(inventories),
        machines=tuple(_machine(host, hostvars.get(host, {}), groups) for host in names),
    )


def members(groups: dict[str, dict[str, Any]], group: str) -> set[str]:
    """The hosts of a group and of all groups below it, in what ``ansible-inventory --list`` prints."""
    content = groups.get(group, {})
    found = set(content.get("hosts", ()))
    for child in content.get("children", ()):
        found |= members(groups, child)
    return found


def _machine(name: str, variables: dict[str, Any], groups: dict[str, dict[str, Any]]) -> Machine:
    domain = str(variables.get("site_domain", DEFAULT_DOMAIN))
    extras = yaml.safe_load(GROUPS_FILE.read_text(encoding="utf-8"))
    own = [extra for group, extra in extras.items() if name in members(groups, group)]
    is_origin = name in members(groups, ORIGIN_GROUP)
    capabilities = [str(item) for item in variables.get("lab_capabilities", ())]
    capabilities += [item for extra in own for item in extra.get("capabilities", ())]
    return Machine(
        name=name,
        fqdn=name if "." in name else f"{name}.{domain}",
        system=str(variables.get("lab_os", DEFAULT_SYSTEM)),
        capabilities=tuple(dict.fromkeys(capabilities)),
        packages=tuple(sorted({item for extra in own for item in extra.get("packages", ())})),
        disks=read_disks(name, variables.get("lab_disks", {})),
        is_origin=is_origin,
        is_hub=name in members(groups, HUB_GROUP),
        has_people=bool(variables.get("lab_accounts", members(groups, HUB_GROUP))) and not is_origin,
        is_node=any(extra.get("node", False) for extra in own),
    )
