"""What a site's roles fetch, from the inventory alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.artifacts.pins import component
from casa_install.errors import CasaError, ExitCode
from casa_install.site.inventory import load_inventory
from casa_install.site.plain_values import NotPlainError, definitions_of, plain_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casa_install.site.definitions import Inventory

_CLUSTER_GROUPS = ("k3s_server", "k3s_agent")
_ENVIRONMENT_GROUP = "notebook"


@dataclass(frozen=True, slots=True)
class Need:
    """Files of one release.

    Args:
        component: For example `k3s`.
        version: Its version.
        variant: A processor, or a distribution.
        files: What the pins call them.
        only_for: Who needs it, where that cannot be told from the inventory; empty where the site cannot do
            without.
    """

    component: str
    version: str
    variant: str
    files: tuple[str, ...]
    only_for: str = ""


@dataclass(frozen=True, slots=True)
class SiteNeeds:
    """What an inventory asks for.

    Args:
        site: The site's name; empty where the inventory does not say it in plain words.
        releases: Files of releases.
        environment: Whether hosts get the users' software, which archives in the cache hold.
        variables: The inventory's variables that matter here, as far as it says them in plain words.
        notes: What was not read or is not known, and so is not considered.
    """

    site: str
    releases: tuple[Need, ...]
    environment: bool
    variables: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


_SINGLE = (
    "site_name",
    "site_artifact_mirror",
    "site_artifact_digests",
    "analysis_env_version",
    "analysis_env_lock",
    "analysis_env_extra_packages",
)


def site_needs(paths: Sequence[Path]) -> tuple[Inventory, SiteNeeds]:
    """Read an inventory and return what its roles fetch.

    Raises:
        CasaError: A version is one that only Ansible knows. Mistakes in the inventory raise nothing; they are
            in its `findings`.
    """
    inventory = load_inventory(paths)
    members = inventory.members()
    notes = [
        f"{source.path} {source.reason}, and is not considered"
        for source in inventory.unread
        if source.reason
    ]
    variables: dict[str, Any] = {}
    for name in _SINGLE:
        for definition in definitions_of(inventory, name):
            try:
                variables[name] = plain_value(definition.value)
            except NotPlainError:
                variables[name] = None
                notes.append(
                    f"{definition.place}: `{name}` is one that only Ansible knows, and is not considered"
                )
    releases: list[Need] = []
    if any(members.get(group) for group in _CLUSTER_GROUPS):
        releases += _cluster(inventory)
    needs = SiteNeeds(
        site=str(variables.get("site_name") or ""),
        releases=tuple(releases),
        environment=bool(members.get(_ENVIRONMENT_GROUP)),
        variables=variables,
        notes=tuple(notes),
    )
    return inventory, needs


def _cluster(inventory: Inventory) -> list[Need]:
    k3s, policy = component("k3s"), component("k3s-selinux")
    versions = [k3s.require_version(str(one)) for one in _all(inventory, "k3s_version")] or [k3s.version]
    listed = _all(inventory, "site_architectures") or [list(k3s.variants)]
    processors = [one for value in listed for one in (value if isinstance(value, list) else [value])]
    files = ("checksums", "binary", "images")
    needs = [Need("k3s", version, one, files) for version in versions for one in dict.fromkeys(processors)]
    rpm = ("checksums", *next(iter(policy.variants.values())).files)
    who = "hosts of EL 9 with SELinux"
    return [*needs, *(Need(policy.name, policy.version, one, rpm, who) for one in policy.variants)]


def _all(inventory: Inventory, name: str) -> list[Any]:
    """Return the different values of a variable, as different hosts may have different ones.

    Raises:
        CasaError: One is known to Ansible only.
    """
    found: list[Any] = []
    for definition in definitions_of(inventory, name):
        try:
            value = plain_value(definition.value)
        except NotPlainError:
            raise CasaError(
                f"{definition.place}: `{name}` is a template or encrypted, so what to fetch is not known.",
                hint="Write it there as a plain value.",
                exit_code=ExitCode.USAGE,
            ) from None
        if value not in found:
            found.append(value)
    return found
