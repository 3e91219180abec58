"""Sizes as XRootD writes them: a number with `k`, `m`, `g` or `t`, in powers of 1024."""

from __future__ import annotations

import re

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
_UNITS = {"": 1, "k": KIB, "m": MIB, "g": GIB, "t": 1024 * GIB}
_SIZE = re.compile(r"(\d+)([kmgt]?)", re.IGNORECASE)


def size_bytes(text: str) -> int:
    """Return the bytes that a size such as `512k` means.

    Raises:
        ValueError: It is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"`{text}` is no size: a number with k, m, g or t, such as 512k")
    return int(match[1]) * _UNITS[match[2].lower()]


def size_text(size: int) -> str:
    """Return a number of bytes in the largest unit that gives a whole number."""
    for letter in ("t", "g", "m", "k"):
        if size and size % _UNITS[letter] == 0:
            return f"{size // _UNITS[letter]}{letter}"
    return str(size)
