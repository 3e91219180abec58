"""What a change of a node's configuration means while the node runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.cluster.keys import keys
from casa_install.cluster.versions import critical_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLASSES = ("none", "label", "restart", "drain", "refused")
"""From the least to the most: nothing, a call of the API, a restart of k3s while pods run on, a restart after
pods are gone, and nothing that can be done to a cluster that has data."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs.

    Attributes:
        key: The key of config.yaml.
        means: One of `CLASSES`.
        why: The reason; empty where it is the ordinary restart. No value is in it.
    """

    key: str
    means: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all changes of a node together mean.

    Attributes:
        means: The most of `CLASSES` that one of them needs.
        changes: Each of them.
        on_all_servers: Keys among them that must be equal on all servers, so that a change of some is none.
    """

    means: str = "none"
    changes: tuple[Change, ...] = ()
    on_all_servers: tuple[str, ...] = ()

    @property
    def refusals(self) -> list[str]:
        """A sentence for each change that cannot be made, with the variable that is to be set back."""
        return [
            f"{variable(change.key)} was changed, which a cluster that runs cannot take: {change.why}"
            for change in self.changes
            if change.means == "refused"
        ]


def compare_configs(old: Mapping[str, Any], new: Mapping[str, Any], kind: str = "server") -> Verdict:
    """Compare what a node runs with to what it shall run with.

    Args:
        old: Its configuration now; empty where it was never started, which any configuration may follow.
        new: As `config.node_config` gives it.
        kind: `server` or `agent`.
    """
    if not old:
        return Verdict()
    changes = tuple(_changes(old, new, kind))
    together = critical_keys()
    equal = [c.key for c in changes if c.key in together or _switches_servicelb(c.key, old, new)]
    return Verdict(
        means=max((change.means for change in changes), key=CLASSES.index, default="none"),
        changes=changes,
        on_all_servers=tuple(equal) if kind == "server" else (),
    )


def variable(key: str) -> str:
    """Return the role's variable behind a key, or the key where a site writes it itself."""
    owner = str(keys().get(key, {}).get("owner", ""))
    return owner if owner.startswith("k3s_") and " " not in owner else f"`{key}`"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], kind: str) -> Iterator[Change]:
    for key in [*new, *(key for key in old if key not in new)]:
        rule = keys().get(key, {})
        before, after = (_plain(config.get(key, rule.get("default"))) for config in (old, new))
        if before == after:
            continue
        means = str(rule.get("change", "restart"))
        if kind == "agent" and "agent" in rule:
            means = str(rule["agent"])
        elif before == [] and "added" in rule:
            means = str(rule["added"])
        yield Change(
            key, means, str(rule.get("why", "")) if means != "restart" or "added" not in rule else ""
        )


def _switches_servicelb(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return key == "disable" and ("servicelb" in _plain(old.get(key))) != ("servicelb" in _plain(new.get(key)))


def _plain(value: Any) -> list[str]:
    """Return a value so that what means the same is equal: a list, one text with commas, a missing flag."""
    if value is None or value is False:
        return []
    items = value if isinstance(value, list) else [value]
    return [part.strip() for item in items for part in _parts(str(item))]


def _parts(text: str) -> list[str]:
    # Arguments of programs have commas of their own.
    return [text] if "=" in text else text.split(",")
