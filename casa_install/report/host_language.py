"""Many changes to a host in few phrases: `write 4 files under /etc/condor`; many hosts in few names."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casa_install.engine.foreseen import Difference

_NOUNS = {"file": "file", "directory": "directory", "link": "link", "absent": "path", "line": "", "block": ""}
_SHOWN = 6
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_SETTING = "set {}"


def phrases(changes: Iterable[Difference]) -> list[str]:
    """Return what is done to one host in its language, in the order in which it is done.

    Changes of one sort make one phrase; one that stands alone keeps its own text.
    """
    groups: dict[tuple[str, str], list[Difference]] = {}
    for item in changes:
        groups.setdefault((item.kind, _pattern(item)), []).append(item)
    return [phrase for (kind, pattern), items in groups.items() for phrase in _folded(kind, pattern, items)]


def _pattern(item: Difference) -> str:
    """Return the text with `{}` for what it is about, so that changes of one sort have the same."""
    verb, _, rest = item.text.partition(" ")
    if item.kind == "package" and rest:
        what, bracket, condition = rest.partition(" (")
        return f"{verb} {{}}{bracket}{condition}" if what else item.text
    if item.kind == "sysctl" and verb == "set":
        return _SETTING
    # As a word of its own: a user called `a` is not in `make`.
    whole = rf"(?<!\S){re.escape(item.name)}(?!\S)"
    return re.sub(whole, "{}", item.text, count=1) if item.name else item.text


def _folded(kind: str, pattern: str, items: Sequence[Difference]) -> list[str]:
    if len(items) == 1:
        return [items[0].text]
    if "{}" not in pattern:
        return list(dict.fromkeys(item.text for item in items))
    if noun := _NOUNS.get(kind, ""):
        verb, _, tail = pattern.partition("{}")
        verb = verb.replace(f" {noun} ", " ")
        return [
            f"{verb}{_counted(len(paths), noun)} under {top}{tail}"
            if len(paths) > 1
            else f"{verb}{paths[0]}{tail}"
            for top, paths in _by_directory([item.name for item in items])
        ]
    return [pattern.replace("{}", _listed([_object(kind, pattern, item) for item in items]))]


def _object(kind: str, pattern: str, item: Difference) -> str:
    if kind == "package" or pattern == _SETTING:
        return item.text.partition(" ")[2].partition(" (")[0]
    return item.name


def _by_directory(paths: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return paths by the deepest directory that those of one top-level directory share."""
    found = []
    for _, group in groupby(sorted(set(paths)), key=lambda path: path.split("/")[1:2]):
        members = list(group)
        parents = [PurePosixPath(path).parent for path in members]
        shared = next(
            top
            for top in (parents[0], *parents[0].parents)
            if all(item.is_relative_to(top) for item in parents)
        )
        found.append((str(shared), members))
    return found


def _listed(names: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b and 7 more`."""
    names = list(dict.fromkeys(names))
    if len(names) == 1:
        return names[0]
    if len(names) > _SHOWN:
        return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _counted(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def host_names(names: Iterable[str]) -> str:
    """Return hosts in few words: `ep1..ep40 (40 hosts)`, `cm, ep1`; a run of numbers is one name."""
    ordered = sorted(names, key=_natural)
    runs = _runs(ordered)
    words = [first if first == last else f"{first}..{last}" for first, last in runs[:_SHOWN]]
    shown = ", ".join(words) + (" and more" if len(runs) > _SHOWN else "")
    return f"{shown} ({len(ordered)} hosts)" if len(words) < len(ordered) or len(ordered) > 3 else shown


def _runs(ordered: Sequence[str]) -> list[tuple[str, str]]:
    runs: list[tuple[str, str]] = []
    for name in ordered:
        if runs and _follows(runs[-1][1], name):
            runs[-1] = (runs[-1][0], name)
        else:
            runs.append((name, name))
    return [
        part
        for first, last in runs
        # Two names are shorter than a range of two.
        for part in ([(first, first), (last, last)] if _follows(first, last) else [(first, last)])
    ]


def _follows(before: str, after: str) -> bool:
    one, two = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(after)
    if one is None or two is None or one[1] != two[1] or one[3] != two[3]:
        return False
    if len(one[2]) != len(two[2]) and "0" in (one[2][0], two[2][0]):
        return False
    return int(two[2]) == int(one[2]) + 1


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
