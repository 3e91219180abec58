"""Files of the cache: one writer at a time, and nothing under its final name before it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@contextlib.contextmanager
def making(cache: Path, path: Path) -> Iterator[None]:
    """Hold the right to make a file of a cache.

    Raises:
        CasaError: It cannot be written, and nothing of it is left; or others can write there.
    """
    try:
        make_folder(cache, path.parent)
        with locked(path):
            yield
    except OSError as error:
        raise CasaError(
            f"{error.filename or path} cannot be written: {error.strerror}.",
            hint="Make room, or name another directory with the environment variable CASA_ARTIFACTS.",
        ) from error


def is_there(cache: Path, path: Path) -> bool:
    """Tell whether a cache has a file of that name.

    Raises:
        CasaError: Others can write into its directory.
    """
    if not path.is_file():
        return False
    require_own(cache, path.parent)
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the right to make a file, which another process may have; wait for it to end.

    A holder gives up by itself when its download stalls, so the wait ends. The lock's file goes with it.
    """
    lock = path.with_name(f".{path.name}.lock")
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_at(descriptor, lock):
                # Its holder removed it while this process waited; the lock is that of the new file.
                continue
            try:
                yield
            finally:
                lock.unlink()
            return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def part_of(path: Path) -> Path:
    """Return the name under which a file grows."""
    return path.with_name(f"{path.name}.part")


def write_part(part: Path, chunks: Iterable[bytes]) -> str:
    """Write a part anew and return its SHA-256.

    Raises:
        OSError: It could not be written; nothing of it is left.
    """
    digest = hashlib.sha256()
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
                digest.update(chunk)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def install(part: Path, path: Path) -> None:
    """Give a verified part its final name, so that it survives a power cut."""
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def move_aside(path: Path) -> Path:
    """Take a wrong file from under its name, in place of an earlier one, and return where it is now."""
    aside = path.with_name(f"{path.name}.wrong")
    path.replace(aside)
    return aside


def make_folder(cache: Path, folder: Path) -> None:
    """Create a directory of the cache; what is new there only its owner can enter.

    Raises:
        CasaError: Others could put files there that hosts would then run.
        OSError: It cannot be created.
    """
    cache.parent.mkdir(parents=True, exist_ok=True)
    for path in (*reversed([one for one in folder.parents if one.is_relative_to(cache)]), folder):
        path.mkdir(mode=0o700, exist_ok=True)
    require_own(cache, folder)


def require_own(cache: Path, folder: Path) -> None:
    """Require that nobody else can write into a directory of the cache, nor into those above it there.

    Raises:
        CasaError: Others can.
        OSError: It cannot be looked at.
    """
    for path in (folder, *folder.parents):
        entry = path.stat()
        if entry.st_uid not in (0, os.getuid()) or entry.st_mode & stat.S_IWOTH:
            raise CasaError(
                f"Others can write into {path}, so nothing there can be trusted.",
                hint=f"Look at its files, then take it: `chown {os.getuid()} {path}; chmod o-w {path}`; or "
                "name another directory with the environment variable CASA_ARTIFACTS.",
                exit_code=ExitCode.USAGE,
            )
        if path == cache:
            return
