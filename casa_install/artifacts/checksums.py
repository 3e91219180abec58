"""The lists in which releases say the SHA-256 of their files."""

from __future__ import annotations

import re

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})[ \t]+\*?(?P<name>\S.*)")
MAX_LIST = 1 << 20
"""Bytes that a list may have; k3s's has about 1 KiB."""


def read_checksums(text: bytes) -> dict[str, str]:
    """Return the digests of a list as sha256sum(1) writes it, by file name without directories.

    Raises:
        ValueError: It is no such list, for example a page that says "not found".
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"it is no list of SHA-256 digests: line {number} is `{_shown(line)}`")
        name = match["name"].rpartition("/")[2]
        if found.setdefault(name, match["digest"]) != match["digest"]:
            raise ValueError(f"it has two digests for {name}, the second on line {number}")
    if not found:
        raise ValueError("it is no list of SHA-256 digests: it is empty")
    return found


def _shown(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line.strip()[:60])
