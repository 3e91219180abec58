"""What an uninstall is to take off which host, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.plugins.module_utils.casa_state.removal_plan import Step, plan_removal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from casa_install.engine.events import Event
    from casa_install.engine.receipts import HostReceipts


class ReceiptReader:
    """Listens to a run of `playbooks/receipts.yml`."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostReceipts] = {}

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if event.receipts is not None:
            self.hosts[event.host] = event.receipts


@dataclass(frozen=True, slots=True)
class RemovalPreview:
    """What would go.

    Args:
        hosts: Per host and role the steps, last made, first gone; hosts without a receipt are not in it.
        left: Hosts that are left as they are, and why.
        sites: The names of the sites that the hosts say they are part of.
        effects: Per host and role what else its removal means, in words.
    """

    hosts: dict[str, dict[str, list[Step]]]
    left: dict[str, str]
    sites: tuple[str, ...]
    effects: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the preview as `--json` prints it; no digests, nothing of what was there before."""
        return {
            host: {
                role: [
                    {
                        "kind": step.entry.kind,
                        "name": step.entry.name,
                        "action": step.action,
                        "text": step.text,
                    }
                    for step in steps
                ]
                for role, steps in roles.items()
            }
            for host, roles in sorted(self.hosts.items())
        }


def foresee_removal(
    hosts: Mapping[str, HostReceipts], known: Collection[str], last: Collection[str]
) -> RemovalPreview:
    """Return what would go from hosts.

    A host with a receipt that cannot be read, or that is of a role which this version does not have, is left
    whole: what that role needs of the others is not known.

    Args:
        hosts: What they said.
        known: Roles that can be removed.
        last: Those of them that go last, because the others stand on them.
    """
    found: dict[str, dict[str, list[Step]]] = {}
    left: dict[str, str] = {}
    for name, host in hosts.items():
        reasons = list(host.faults.values())
        reasons += [f"it has a receipt of role {role}" for role in host.receipts if role not in known]
        if reasons:
            left[name] = "; ".join(reasons)
        elif host.receipts:
            order = sorted(host.receipts, key=lambda role: (role in last, role))
            found[name] = {role: plan_removal(host.receipts[role]) for role in order}
    sites = sorted({hosts[name].site for name in found})
    effects = {name: _effects(hosts[name]) for name in found if hosts[name].effects}
    return RemovalPreview(found, left, tuple(sites), effects)


def _effects(host: HostReceipts) -> dict[str, list[str]]:
    """What else goes or stays, in words. Pods come as `name_namespace`, volumes as local-path names them."""
    texts = {
        "ends": "end pods that run: {}",
        "keeps": "keep the data of local volumes: {}",
        "loses": "remove the data of local volumes: {}",
    }
    return {
        role: [
            text.format(", ".join(sorted(map(_shown, said[word]))))
            for word, text in texts.items()
            if word in said
        ]
        for role, said in host.effects.items()
    }


def _shown(name: str) -> str:
    parts = name.split("_")
    if len(parts) == 3:
        return f"{parts[1]}/{parts[2]}"
    return f"{parts[1]}/{parts[0]}" if len(parts) == 2 else name


def nodes_of_a_cluster_that_stays(
    preview: RemovalPreview, groups: Mapping[str, Collection[str]]
) -> list[str]:
    """Return the hosts that lose their k3s while a server of their cluster keeps its own."""
    nodes = {*groups.get("k3s_server", ()), *groups.get("k3s_agent", ())}
    going = {name for name, roles in preview.hosts.items() if "k3s" in roles} & nodes
    return sorted(going) if set(groups.get("k3s_server", ())) - going else []


def known_roles(*directories: Path) -> set[str]:
    """Return the roles that can be removed: those that have `tasks/remove.yml`."""
    return {
        path.parent.parent.name for directory in directories for path in directory.glob("*/tasks/remove.yml")
    }


@dataclass(slots=True)
class Removed:
    """What an uninstall did on hosts; listens to its events."""

    roles: dict[str, set[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if event.state is None:
            return
        self.notes.setdefault(event.host, []).extend(event.state.notes)
        self.roles.setdefault(event.host, set()).add(event.role.rpartition(".")[2])

    def missed(self, preview: RemovalPreview, hosts: Collection[str]) -> dict[str, list[str]]:
        """Return, of hosts on which all went well, the roles that nothing removed."""
        found = {
            name: [role for role in preview.hosts[name] if role not in self.roles.get(name, ())]
            for name in hosts
            if name in preview.hosts
        }
        return {name: roles for name, roles in sorted(found.items()) if roles}
