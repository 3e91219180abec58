"""`Error:`, `Hint:` and `Note:` lines: right-aligned labels, the text hanging beside them."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from casa_install.errors import CasaError

LABEL_WIDTH = 8
_COLOURS = {"Error": "1;31", "Failed": "1;31", "Hint": "1;36", "Warning": "1;33", "Note": "1;34"}
_MIN_WIDTH, _MAX_WIDTH = 40, 110


def colours_wanted(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal whose user did not refuse colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def screen_width() -> int:
    """Return how many characters a line of output may have."""
    return max(_MIN_WIDTH, min(shutil.get_terminal_size((100, 24)).columns, _MAX_WIDTH))


def labelled(label: str, text: str, *, colour: bool = False, width: int | None = None) -> str:
    """Return text beside a right-aligned label, wrapped to the width of the screen.

    Line breaks in the text stay, and indented lines are not rewrapped: a message of several lines has its
    own layout, such as a list of commands.
    """
    room = (width or screen_width()) - LABEL_WIDTH - 2
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        if line.startswith((" ", "\t")):
            lines.append(line)
        else:
            lines += textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
    head = f"{label}:".rjust(LABEL_WIDTH + 1)
    if colour and label in _COLOURS:
        head = f"\x1b[{_COLOURS[label]}m{head}\x1b[0m"
    indent = " " * (LABEL_WIDTH + 2)
    return "\n".join([f"{head} {lines[0]}".rstrip(), *(f"{indent}{line}".rstrip() for line in lines[1:])])


def say(label: str, text: str, *, stream: TextIO | None = None) -> None:
    """Print labelled text, on standard error unless told otherwise."""
    target = stream or sys.stderr
    print(labelled(label, text, colour=colours_wanted(target)), file=target, flush=True)


def show_error(error: CasaError, *, stream: TextIO | None = None) -> None:
    """Print an error and its hint."""
    say("Error", error.message, stream=stream)
    if error.hint:
        say("Hint", error.hint, stream=stream)
