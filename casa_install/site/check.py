"""The static check of a site: everything that can be known to be wrong without asking a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casa_install.site.findings import Finding, shown_path
from casa_install.site.group_checks import Members, check_groups, check_needs, check_required
from casa_install.site.inventory import HOOKS, load_inventory
from casa_install.site.specs import Specs, load_specs
from casa_install.site.values import ListValue
from casa_install.site.variable_checks import check_variables, own_variables
from casa_install.site.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from casa_install.site.definitions import Inventory
    from casa_install.site.vault import VaultPassword


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What the check found.

    Args:
        findings: Mistakes in reading order: by file, line and column.
        notes: What was not read or could not be decided; none of it is a mistake.
        hosts: Every host, in alphabetical order.
        groups: Each group and its hosts, groups below it included.
        site_variables: Variables that no role knows and that look like none of theirs.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    site_variables: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong as far as could be read."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return the report as `--json` prints it."""
        return {
            "ok": self.ok,
            "findings": [finding.as_json() for finding in self.findings],
            "notes": list(self.notes),
            "hosts": list(self.hosts),
            "groups": {name: list(hosts) for name, hosts in self.groups.items()},
            "site_variables": list(self.site_variables),
        }


def check_site(
    inventories: Sequence[Path],
    *,
    playbook_dir: Path | None = None,
    vault_passwords: Sequence[VaultPassword] = (),
    extra_names: Iterable[str] = (),
) -> SiteReport:
    """Check the files of a site. Reads files only: no host, no lookup, no inventory program.

    Args:
        inventories: The sources, as after `-i`, in their order.
        playbook_dir: Directory of the playbook that will run.
        vault_passwords: For encrypted files; without any, these are noted as unread.
        extra_names: Variables that `-e` sets, which are thereby not missing.

    Raises:
        CasaError: casa-install itself is damaged; nothing in a site's files raises.
    """
    specs = load_specs()
    inventory = load_inventory(inventories, playbook_dir=playbook_dir, vault_passwords=vault_passwords)
    members = Members(inventory, inventory.members())
    findings = {
        *inventory.findings,
        *check_groups(inventory),
        *check_variables(inventory, specs),
        *_check_hooks(inventories),
    }
    unread = [f"{shown_path(source.path)} {source.reason}" for source in inventory.unread if source.reason]
    notes = [*inventory.notes, *unread]
    for finding, certain in _check_whole(members, specs, inventories, frozenset(extra_names)):
        if certain:
            findings.add(finding)
        elif unread:
            notes.append(f"{finding.message}, unless a file that was not read says otherwise")
    named = {name: tuple(sorted(hosts)) for name, hosts in sorted(members.hosts.items())}
    return SiteReport(
        findings=tuple(sorted(findings)),
        notes=tuple(dict.fromkeys(notes)),
        hosts=tuple(sorted(inventory.hosts)),
        groups=named,
        site_variables=_without_mistakes(own_variables(inventory, specs), inventory, findings),
    )


def _check_whole(
    members: Members, specs: Specs, inventories: Sequence[Path], extra_names: frozenset[str]
) -> Iterator[tuple[Finding, bool]]:
    """Yield what only the whole site shows, and whether it is certain."""
    readable = not members.inventory.may_have_more_hosts
    source = inventories[0] if inventories else Path()
    for finding in check_needs(members, source):
        yield finding, readable
    yield from check_required(members, specs, extra_names)
    if members.hosts.get("k3s_server") or members.hosts.get("k3s_agent"):
        # Imported by sites that have a cluster only, so that the others do not wait for it.
        from casa_install.site.cluster_checks import check_cluster

        yield from check_cluster(members, extra_names)


def _without_mistakes(
    names: Iterable[str], inventory: Inventory, findings: Iterable[Finding]
) -> tuple[str, ...]:
    """Leave out the names that are findings already."""
    wrong = {(finding.path, finding.line, finding.column) for finding in findings}
    bad = {
        definition.name
        for definition in inventory.definitions
        if (definition.place.path, definition.place.line, definition.place.column) in wrong
    }
    return tuple(name for name in names if name not in bad)


def _check_hooks(inventories: Sequence[Path]) -> Iterator[Finding]:
    """Yield what is wrong with the YAML of a site's own plays beside its inventories."""
    bases = dict.fromkeys(path if path.is_dir() else path.parent for path in inventories)
    for base in bases:
        for path in sorted((base / HOOKS).glob("*/*.d/*.yml")):
            if path.is_file():
                yield from _check_plays(path)


def _check_plays(path: Path) -> Iterator[Finding]:
    try:
        content = path.read_bytes()
    except OSError as error:
        yield Finding(path, 1, 1, f"cannot be read: {error.strerror or error.__class__.__name__}")
        return
    document = read_yaml(content, path)
    yield from document.findings
    if document.value is not None and not isinstance(document.value, ListValue):
        yield Finding.at(document.value.place, "a playbook must be a list of plays")
