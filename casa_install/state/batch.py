"""What the host is sent: the actions that mend its differences, with what the receipt needs to know."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.state import build
from casa_install.state.compare_paths import block_content
from casa_install.state.resources import (
    Absent,
    Block,
    Directory,
    File,
    Group,
    Line,
    Link,
    LocalFile,
    Owned,
    Package,
    PathResource,
    Sysctl,
    Unit,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casa_install.state.compare import Comparison
    from casa_install.state.differences import Difference, View
    from casa_install.state.observed import Observed
    from casa_install.state.resources import Resource

SCHEMA = 1
Action = dict[str, Any]


@dataclass(frozen=True)
class Sender:
    """Who changes the host.

    Attributes:
        run: The run's identifier, kept in receipts.
        holder: Who it is, for the host's lock.
        first: What the host looked like before this run changed anything.
        staged: Where large files lie on the host already, by their path.
    """

    run: str
    holder: str
    first: Observed
    staged: Mapping[str, str] = field(default_factory=dict)


def make_batch(
    comparison: Comparison, sender: Sender, phases: Iterable[str], *, record: bool, intend: Iterable[str] = ()
) -> Action:
    """Make the document that the host's part of the engine works through.

    Args:
        comparison: What differs now.
        sender: Who changes the host.
        phases: The phases that the host changes itself in this batch.
        record: Also record and confirm what is as it should be and not yet in the receipt.
        intend: Phases that other modules change next: written ahead in the receipt, not confirmed.
    """
    changes = comparison.of("change", *phases)
    ahead = comparison.of("change", *intend) if tuple(intend) else []
    actions = [action for item in changes for action in actions_of(item, comparison.view, sender)]
    resources = [item.resource for item in ahead] + (list(comparison.record) if record else [])
    records = [record_of(resource, sender.first) for resource in resources]
    order = {resource.key: number for number, resource in enumerate(comparison.view.desired.resources)}
    for action in [*records, *actions]:
        # Receipts keep the list's order, as removal goes through it backwards.
        action["entry"]["order"] = order[(action["entry"]["kind"], action["entry"]["name"])]
    return {
        "schema": SCHEMA,
        "role": comparison.view.desired.role,
        "run": sender.run,
        "holder": sender.holder,
        "sweep": sorted({_parent(item.path) for item in _path_resources(comparison.view)}),
        "record": records,
        "unconfirmed": [list(item.resource.key) for item in ahead],
        "actions": _with_daemon_reload(actions, comparison.view),
        "installs": comparison.view.observed.manager == "dpkg" and any(_installs(item) for item in ahead),
        "owe": owed_by([*changes, *ahead], comparison.view),
        "settle": list(comparison.settled),
    }


def _installs(item: Difference) -> bool:
    return isinstance(item.resource, Package) and bool(item.aspects & {"missing", "version"})


def _path_resources(view: View) -> list[PathResource]:
    return [item for item in view.desired.resources if isinstance(item, PathResource)]


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def owed_by(changes: Iterable[Difference], view: View) -> list[dict[str, str]]:
    """Return what these changes will owe, each handler once."""
    owed: dict[str, dict[str, str]] = {}
    for item in changes:
        for name in item.resource.notify:
            handler = view.desired.handlers[name]
            owed.setdefault(name, {"handler": name, "proof": handler.proof, "reason": item.text})
    return list(owed.values())


def entry_of(resource: Resource, first: Observed) -> Action:
    """Return a resource's entry for the receipt; for paths the host looks itself what was before."""
    entry: Action = {"kind": resource.kind, "name": resource.name, "phase": resource.phase}
    before = _before(resource, first)
    if before is not None:
        entry["before"] = before
    if isinstance(resource, (Package, Line, Block)) and resource.state == "absent":
        entry["ours"] = {"removed": True}
    elif isinstance(resource, Line):
        entry["ours"] = {} if resource.sensitive else {"text": resource.text}
    elif isinstance(resource, Unit):
        entry["ours"] = {"masked": True} if resource.masked else {}
    elif not isinstance(resource, PathResource):
        entry["ours"] = {}
    return entry


def _before(resource: Resource, first: Observed) -> Action | None:
    absent = {"type": "absent"}
    if isinstance(resource, Package):
        package = first.packages.get(resource.package)
        return absent if package is None else {"type": "package", "version": package.version}
    if isinstance(resource, User):
        return {"type": "user"} if resource.user in first.users else absent
    if isinstance(resource, Group):
        return {"type": "group"} if resource.group in first.groups else absent
    if isinstance(resource, Sysctl):
        value = first.sysctls.get(resource.setting)
        return absent if value is None else {"type": "sysctl", "value": value}
    if isinstance(resource, Unit):
        unit = (first.units or {}).get(resource.unit, {"LoadState": "not-found"})
        if unit["LoadState"] == "not-found":
            return absent
        return {
            "type": "unit",
            "enabled": unit.get("UnitFileState") == "enabled",
            "active": unit.get("ActiveState") in ("active", "activating", "reloading"),
            "masked": unit["LoadState"] == "masked",
        }
    return None


def record_of(resource: Resource, first: Observed) -> Action:
    """Return what only has to enter the receipt."""
    action: Action = {"op": "record", "entry": entry_of(resource, first), "sensitive": resource.sensitive}
    if isinstance(resource, (Line, Block)):
        action.update(_edit(resource))
    elif isinstance(resource, PathResource):
        action["path"] = resource.path
    return action


def actions_of(item: Difference, view: View, sender: Sender) -> list[Action]:
    """Return the host's actions that mend one difference, in order."""
    resource = item.resource
    base: Action = {
        "entry": entry_of(resource, sender.first),
        "text": item.text,
        "sensitive": resource.sensitive,
    }
    if isinstance(resource, PathResource):
        base["path"] = resource.path
        base["expect"] = _expect(resource, view.observed)
    if isinstance(resource, File) and item.aspects & {"content", "missing", "type"}:
        content = _content(resource, sender.staged)
        return [
            {**base, "op": "file", "validate": list(resource.validate), **content, **_attributes(resource)}
        ]
    if isinstance(resource, Directory) and "missing" in item.aspects:
        return [{**base, "op": "directory", **_attributes(resource)}]
    if isinstance(resource, Owned):
        return _owned(resource, item, base)
    if isinstance(resource, Link):
        return [{**base, "op": "link", "target": resource.target}]
    if isinstance(resource, Absent):
        return [{**base, "op": "absent"}]
    if isinstance(resource, (Line, Block)):
        return [{**base, **_edit(resource)}]
    if isinstance(resource, Sysctl):
        return [{**base, "op": "sysctl", "key": resource.setting, "value": resource.value}]
    if isinstance(resource, Unit):
        return _unit(resource, item, base)
    return []


def _attributes(resource: Owned) -> Action:
    """Return the attributes of something new: what is not said is root's."""
    mode = None if resource.mode is None else f"{resource.mode:04o}"
    return {"owner": resource.owner, "group": resource.group, "mode": mode}


def _owned(resource: Owned, item: Difference, base: Action) -> list[Action]:
    actions = []
    if "attributes" in item.aspects:
        actions.append({**base, "op": "attributes", **_attributes(resource)})
    if "entries" in item.aspects:
        names = [base64.b64encode(name).decode("ascii") for name in item.names]
        actions.append({**base, "op": "quarantine", "names": names, "text": "" if actions else item.text})
    return actions


def _content(resource: File, staged: Mapping[str, str]) -> Action:
    if isinstance(resource.content, LocalFile):
        return {"staged": staged[resource.path], "sha256": resource.content.sha256}
    return {"content": base64.b64encode(resource.content).decode("ascii")}


def _expect(resource: PathResource, observed: Observed) -> Action:
    """Return what the host must still find when it makes the change."""
    status = observed.paths.get(resource.path)
    if status is None:
        return {"type": "absent"}
    expect: Action = {"type": status.type, "inode": status.inode}
    if status.type == "file" and resource.path in observed.digests:
        expect["sha256"] = observed.digests[resource.path]
    elif resource.path in observed.sealed:
        # The host does not know the key any more.
        expect["ctime"] = status.ctime
    return expect


def _edit(resource: Line | Block) -> Action:
    edit: Action = {
        "op": resource.kind,
        "path": resource.path,
        "state": resource.state,
        "create": resource.create,
        "validate": list(resource.validate),
        "sensitive": resource.sensitive,
    }
    if isinstance(resource, Line):
        return {**edit, "line": resource.text, "prefix": resource.prefix}
    content = base64.b64encode(block_content(resource)).decode("ascii")
    return {**edit, "begin": resource.begin, "end": resource.end, "content": content}


def _unit(resource: Unit, item: Difference, base: Action) -> list[Action]:
    action: Action = {**base, "op": "unit", "unit": resource.unit}
    if "masked" in item.aspects:
        action["masked"] = bool(resource.masked)
    if "enabled" in item.aspects:
        action["enabled"] = resource.enabled
    if "state" in item.aspects:
        action["state"] = resource.state
    reload = {**base, "op": "daemon-reload", "text": ""}
    return [reload, action] if "reload" in item.aspects else [action]


def _with_daemon_reload(actions: list[Action], view: View) -> list[Action]:
    """Make systemd read its files anew between the files and the units, once, where one of them changed."""
    written = [item for item in actions if str(item.get("path", "")).startswith(f"{build.SYSTEMD}/")]
    rest = [item for item in actions if item["op"] != "daemon-reload"]
    if (len(rest) == len(actions) and not written) or view.observed.units is None:
        return rest
    first = next((number for number, item in enumerate(rest) if item["op"] == "unit"), len(rest))
    source = (written or actions)[0]
    reload = {"op": "daemon-reload", "entry": source["entry"], "path": source.get("path", ""), "text": ""}
    return [*rest[:first], reload, *rest[first:]]
