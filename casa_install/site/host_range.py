"""Host patterns of an inventory, such as `ep[01:20].example.org` or `gw:2222`.

Source: Ansible's guide "How to build your inventory", section on ranges of hosts; the rules for
ports and steps follow its inventory plugins.
"""

from __future__ import annotations

import re
import string

MAX_HOSTS = 100_000
"""The most hosts that one pattern may stand for; more is a slip of the finger."""

_BRACKETED_PORT = re.compile(r"\[(.+)\]:([0-9]+)")
_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)")
_RANGE = re.compile(r"\[([^\[\]]*)\]")


class HostRangeError(Exception):
    """The pattern stands for no hosts; the text says why."""


def expand(pattern: str) -> list[str]:
    """Return the host names that a pattern stands for, without the port.

    Raises:
        HostRangeError: The range is malformed, empty or too large.
    """
    names = [_without_port(pattern)]
    if "[" not in names[0]:
        return names
    while any("[" in name for name in names):
        if len(names) > MAX_HOSTS:
            raise HostRangeError(f"the range stands for more than {MAX_HOSTS} hosts")
        names = _expand_first(names)
    return names


def _expand_first(names: list[str]) -> list[str]:
    """Expand the first range of names that differ in text before it only."""
    match = _RANGE.search(names[0])
    if match is None:
        raise HostRangeError("a range is not closed by `]`")
    steps = _sequence(match.group(1))
    if len(steps) * len(names) > MAX_HOSTS:
        raise HostRangeError(f"the range stands for more than {MAX_HOSTS} hosts")
    return [_RANGE.sub(step, name, count=1) for name in names for step in steps]


def _without_port(pattern: str) -> str:
    for form in (_BRACKETED_PORT, _PORT):
        if match := form.fullmatch(pattern):
            return match.group(1)
    return pattern


def _sequence(text: str) -> list[str]:
    bounds = text.split(":")
    if len(bounds) not in (2, 3):
        raise HostRangeError(f"`[{text}]` is not a range; write [first:last] or [first:last:step]")
    first, last = bounds[0] or "0", bounds[1]
    if not last:
        raise HostRangeError(f"the range `[{text}]` has no end")
    step = bounds[2] if len(bounds) == 3 else "1"
    if not (step.isascii() and step.isdigit() and 0 < len(step) <= 6 and int(step) > 0):
        raise HostRangeError(f"the step of the range `[{text}]` must be a positive number")
    if first in string.ascii_letters and last in string.ascii_letters:
        letters = string.ascii_letters
        found = list(letters[letters.index(first) : letters.index(last) + 1 : int(step)])
    else:
        found = _numbers(text, first, last, int(step))
    if not found:
        raise HostRangeError(f"the range `[{text}]` ends before it begins")
    return found


def _numbers(text: str, first: str, last: str, step: int) -> list[str]:
    for bound in (first, last):
        if not (bound.isascii() and bound.isdigit() and len(bound) <= 18):
            raise HostRangeError(f"the bounds of the range `[{text}]` must be two numbers or two letters")
    width = len(first) if first[0] == "0" and len(first) > 1 else 0
    if width and width != len(last):
        raise HostRangeError(f"the bounds of the range `[{text}]` must have equally many digits")
    numbers = range(int(first), int(last) + 1, step)
    if len(numbers) > MAX_HOSTS:
        raise HostRangeError(f"the range stands for more than {MAX_HOSTS} hosts")
    return [str(number).zfill(width) for number in numbers]
