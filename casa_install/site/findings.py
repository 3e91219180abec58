"""A mistake in a site's files, with the place where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; lines and columns count from 1, columns in characters."""

    path: Path
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{shown_path(self.path)}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake that must be mended before anything is installed.

    The order is the reading order: file, line, column.

    Args:
        path: The file in which it stands.
        line: Counted from 1.
        column: Counted from 1, in characters.
        message: What is wrong, on one line, without the place.
        hint: The next step, or nothing.
    """

    path: Path
    line: int
    column: int
    message: str
    hint: str = ""

    @classmethod
    def at(cls, place: Place, message: str, hint: str = "") -> Finding:
        """Return the finding at a place."""
        return cls(place.path, place.line, place.column, message, hint)

    def __str__(self) -> str:
        return f"{Place(self.path, self.line, self.column)}: {self.message}"

    def as_json(self) -> dict[str, str | int]:
        """Return the finding as `--json` prints it."""
        return {
            "file": shown_path(self.path),
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
        }


def shown_path(path: Path) -> str:
    """Return the path as an admin would type it: relative if it lies below the current directory.

    Control characters are escaped, so that a file's name cannot forge a line of output.
    """
    absolute = Path.cwd() / path
    try:
        text = str(absolute.relative_to(Path.cwd()))
    except ValueError:
        text = str(absolute)
    return printable(text)


def printable(text: str) -> str:
    """Return the text with everything escaped that a terminal would act on or a line could not hold."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
