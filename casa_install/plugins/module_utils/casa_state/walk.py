"""Reaching a directory on the host without being led elsewhere.

Root writing below a directory that somebody else may write to is the classic hole: a component is swapped
for a symbolic link between the check and the use. So each component is opened relative to the one before
(openat(2), O_NOFOLLOW), and what is done afterwards is done relative to the last descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from .errors import HostError, explain

_MAX_LINKS = 40  # what Linux itself allows, path_resolution(7)
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Directory:
    """An open directory. Use as a context manager.

    Attributes:
        descriptor: The open directory.
        path: Its path without symbolic links.
        trusted: Only root can change any component of the path, so it may also be used by name.
    """

    descriptor: int
    path: str
    trusted: bool

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def join(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def lstat(self, name: str) -> os.stat_result | None:
        """Return what `name` is here, a link not followed; None where nothing is there."""
        try:
            return os.lstat(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None

    def sync(self) -> None:
        os.fsync(self.descriptor)


def split(path: str) -> tuple[str, str]:
    """Return parent directory and last name of an absolute path."""
    parent, _, name = path.rpartition("/")
    return parent or "/", name


def open_directory(path: str) -> Directory:
    """Open the directory `path`, following a symbolic link only where that cannot be abused.

    A link is followed where root owns it and the directory that holds it is not writable by others.

    Args:
        path: An absolute path.

    Raises:
        HostError: A component is missing, is no directory, or is a link that must not be followed.
    """
    todo = [part for part in path.split("/") if part]
    descriptor = os.open("/", _OPEN_DIRECTORY)
    done: list[str] = []
    current = os.fstat(descriptor)
    on_the_way = True  # nobody but root could have renamed any component so far
    links = 0
    try:
        while todo:
            part = todo.pop(0)
            following = _open_component(descriptor, part, path)
            if isinstance(following, int):
                os.close(descriptor)
                descriptor = following
                done = done[:-1] if part == ".." else [*done, part]
                on_the_way = on_the_way and _only_root_renames(current)
                current = os.fstat(descriptor)
                continue
            links += 1
            _limit(links, path)
            todo = [piece for piece in following.split("/") if piece and piece != "."] + todo
            if following.startswith("/"):
                os.close(descriptor)
                descriptor = os.open("/", _OPEN_DIRECTORY)
                current, done = os.fstat(descriptor), []
        trusted = on_the_way and current.st_uid == 0 and not current.st_mode & 0o022
        return Directory(descriptor, "/" + "/".join(done), trusted)
    except BaseException:
        os.close(descriptor)
        raise


def _limit(links: int, path: str) -> None:
    if links > _MAX_LINKS:
        raise HostError(f"too many symbolic links on the way to {path}")


def _open_component(descriptor: int, part: str, path: str) -> int | str:
    """Open one component; returns a descriptor, or the target of a link that may be followed."""
    if part == "..":
        return os.open("..", _OPEN_DIRECTORY, dir_fd=descriptor)
    try:
        return os.open(part, _OPEN_DIRECTORY, dir_fd=descriptor)
    except FileNotFoundError as fault:
        raise HostError(f"{path} does not exist (no {part!r})") from fault
    except OSError as fault:
        if fault.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise explain(fault, "open", path) from fault
    entry = os.lstat(part, dir_fd=descriptor)
    if not stat.S_ISLNK(entry.st_mode):
        raise HostError(f"{path} cannot be reached: {part!r} is not a directory")
    if entry.st_uid != 0 or os.fstat(descriptor).st_mode & 0o022:
        raise HostError(
            f"{path} is reached through the symbolic link {part!r}, which others than root could change",
            hint=f"find out who made that link; make it root's, in a directory only root writes to: {path}",
        )
    return os.readlink(part, dir_fd=descriptor)


def _only_root_renames(directory: os.stat_result) -> bool:
    """Tell whether what root owns in a directory keeps its name: in a sticky one (/tmp) it does."""
    return directory.st_uid == 0 and (not directory.st_mode & 0o022 or bool(directory.st_mode & stat.S_ISVTX))
