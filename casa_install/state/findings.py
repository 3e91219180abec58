"""What is wrong with a state file: every fault at once, each with its place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file, 1-based."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, order=True)
class Finding:
    """One fault in a state file."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class StateFileError(CasaError):
    """A state file that cannot be used.

    Args:
        findings: Every fault found, in any order.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(set(findings)))
        super().__init__("\n".join(map(str, self.findings)), exit_code=ExitCode.USAGE)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
