"""Variables that other roles give to sessions: `/etc/casa-install/environment.d/*.env`, KEY=VALUE lines."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_directory(directory: Path, complain: Callable[[str], object], owner: int = 0) -> dict[str, str]:
    """Return all variables of a directory; of two files with the same one, the later name wins.

    Args:
        directory: Where the files are; may be missing.
        complain: Is told of each file that is left out.
        owner: The uid that files must belong to: who can write them decides what runs in every session.
    """
    found: dict[str, str] = {}

    def left_out(path: Path, why: object) -> None:
        complain(f"{path} is left out: {why}")

    for path in sorted(directory.glob("*.env")) if directory.is_dir() else ():
        try:
            # Of the very file that is read, so that nobody swaps it in between.
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(handle, encoding="utf-8") as stream:
                seen = os.fstat(handle)
                if not stat.S_ISREG(seen.st_mode) or seen.st_uid != owner or seen.st_mode & 0o022:
                    left_out(path, f"others than uid {owner} can write it")
                    continue
                text = stream.read()
        except (OSError, ValueError) as fault:
            left_out(path, fault)
            continue
        found.update(read_lines(text, str(path), complain))
    return found


def read_lines(text: str, source: str, complain: Callable[[str], object]) -> dict[str, str]:
    """Return the variables of KEY=VALUE lines; values may be in quotes, # begins a comment line.

    Args:
        text: The lines.
        source: Where they are from.
        complain: Is told of each line that is left out.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals or not NAME.fullmatch(name):
            complain(f"{source}: line {number} is no KEY=VALUE")
            continue
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name] = value
    return found
