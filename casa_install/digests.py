"""SHA-256 of files on this computer; of large ones it is remembered while they are unchanged.

A file counts as unchanged while device, inode, size, mtime and ctime are the same: only who can set the clock
can change a file and leave its ctime. Remembered is only what had not been touched for a moment before it was
read, as a change within one tick of the clock would leave no trace (git's "racy" problem).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGE = 1 << 20
"""Bytes from which on a digest is remembered."""

_SETTLED = 2.0
"""Seconds; the coarsest clock of a file system in use, that of FAT, ticks in these."""


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        before = os.fstat(stream.fileno())
        if before.st_size < LARGE:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        key, seal = str(path.absolute()), _seal(before)
        known = _recall().get(key)
        if isinstance(known, list) and known[:-1] == seal:
            return str(known[-1])
        began = time.time()
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if _seal(os.fstat(stream.fileno())) == seal and began - before.st_ctime > _SETTLED:
            _remember(key, [*seal, digest])
        return digest


def memory_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return where digests are remembered; it may be removed at any time."""
    environ = os.environ if environ is None else environ
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "casa-install" / "digests.json"


def _seal(entry: os.stat_result) -> list[int]:
    return [entry.st_dev, entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns]


def _recall() -> dict[str, Any]:
    """Return what is remembered; nothing where others could have written it."""
    try:
        with memory_file().open("rb") as stream:
            entry = os.fstat(stream.fileno())
            if entry.st_uid != os.getuid() or entry.st_mode & 0o022:
                return {}
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(key: str, entry: list[Any]) -> None:
    """Keep a digest. Of two writers one may lose, which costs a digest the next time and nothing else."""
    path = memory_file()
    memory = {name: old for name, old in _recall().items() if Path(name).is_file()}
    memory[key] = entry
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(memory, stream)
        temporary.replace(path)
