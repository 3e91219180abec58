"""What a task says about changes to a host, as a typed model; whatever is missing or odd becomes empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

STATE_ACTIONS = frozenset({"casa_state", "casa.install.casa_state"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as a role wants it; see `casa_install.state.differences`."""

    kind: str
    name: str
    phase: str
    verdict: str
    text: str
    details: tuple[str, ...] = ()
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the difference as `--json` prints it."""
        return asdict(self) | {"details": list(self.details)}


@dataclass(frozen=True, slots=True)
class StateResult:
    """What `casa_state` said about one role on one host.

    Args:
        differences: What differs.
        done: What was done, or in check mode would be, in phrases.
        notes: What was moved aside, kept or left.
        notify: Handlers that a change calls for.
        needs_drain: Handlers that would kill users' work and so are not notified.
    """

    differences: tuple[Difference, ...] = ()
    done: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()
    needs_drain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileDiff:
    """How a file would change: before and after, or as the module prepared it."""

    name: str
    before: str = ""
    after: str = ""
    prepared: str = ""


def parse_state(action: str, result: Mapping[str, Any]) -> StateResult | None:
    """Return what a task of `casa_state` said, or None for another task and for one that hides its result."""
    if action not in STATE_ACTIONS or "censored" in result:
        return None
    if not isinstance(result.get("differences"), list):
        return None
    return StateResult(
        differences=tuple(_difference(item) for item in _mappings(result["differences"])),
        done=_texts(result.get("done")),
        notes=_texts(result.get("notes")),
        notify=_texts(result.get("notify")),
        needs_drain=_texts(result.get("needs_drain")),
    )


def parse_diffs(result: Mapping[str, Any]) -> tuple[FileDiff, ...]:
    """Return the diffs in a task's result, those of its loop's items included; none of what it hides."""
    found: list[FileDiff] = []
    for part in (result, *_mappings(result.get("results"))):
        if "censored" in part or part.get("_ansible_no_log") is True:
            continue
        diff = part.get("diff")
        found += [_diff(item) for item in ([diff] if isinstance(diff, Mapping) else _mappings(diff))]
    return tuple(item for item in found if item.prepared or item.before != item.after)


def _difference(item: Mapping[str, Any]) -> Difference:
    words = {name: _text(item.get(name)) for name in ("kind", "name", "phase", "verdict", "text", "hint")}
    return Difference(**words, details=_texts(item.get("details")))


def _diff(item: Mapping[str, Any]) -> FileDiff:
    name = _text(item.get("after_header")) or _text(item.get("before_header"))
    return FileDiff(
        name=name.partition(" (content)")[0],
        before=_content(item.get("before")),
        after=_content(item.get("after")),
        prepared=_text(item.get("prepared")),
    )


def _content(value: object) -> str:
    """Return text, or the lines of the mapping with which modules describe attributes."""
    if isinstance(value, Mapping):
        return "".join(f"{key}: {item}\n" for key, item in value.items())
    return _text(value)


def _mappings(value: object) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
