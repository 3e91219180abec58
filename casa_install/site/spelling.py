"""Finds the name that somebody meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str:
    """Return the known name that `word` is probably a slip of, or an empty string.

    One slip (a letter missing, added, wrong, or two swapped) is allowed up to five letters, two up to
    eleven, three above. A name itself is no slip of itself. Of equally close names the first in the
    alphabet is taken, so that the same site always gives the same report.
    """
    best, best_distance = "", 0
    for name in sorted(known):
        allowed = min(_allowed(word), _allowed(name))
        if best:
            allowed = min(allowed, best_distance - 1)
        if name != word and abs(len(name) - len(word)) <= allowed:
            distance = edit_distance(word, name, allowed)
            if distance <= allowed:
                best, best_distance = name, distance
    return best


def _allowed(word: str) -> int:
    if len(word) < 3:
        return 0
    return 1 if len(word) <= 5 else 2 if len(word) <= 11 else 3


def did_you_mean(name: str) -> str:
    """Return the end of a message that proposes a name, or nothing if there is none to propose."""
    return f", did you mean `{name}`?" if name else ""


def edit_distance(a: str, b: str, limit: int) -> int:
    """Return the optimal string alignment distance of two words, or `limit + 1` if it is larger.

    It counts insertions, deletions, substitutions and swaps of neighbours.
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(b, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and min(before) > limit:
            return limit + 1
    return row[-1] if row[-1] <= limit else limit + 1
