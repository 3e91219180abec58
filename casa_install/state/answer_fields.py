"""The fields of a host's answer: counts, and bytes in hexadecimal. Nothing else is accepted."""

from __future__ import annotations

import re


def whole_number(text: str) -> int:
    """Return a count; raises ValueError where it is none."""
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise ValueError(text)
    return int(text)


def plain_hex(text: str) -> str:
    """Return hexadecimal text as it is; raises ValueError where it is none."""
    if not re.fullmatch(r"(?:[0-9a-f]{2})*", text):
        raise ValueError(text)
    return text


def from_hex(text: str) -> bytes:
    """Return the bytes behind an `x`; raises ValueError where there are none."""
    if not text.startswith("x"):
        raise ValueError(text)
    return bytes.fromhex(plain_hex(text[1:]))
