"""Putting a file, a link or a directory in place: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shlex
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import HostError, explain
from .expected import Attributes, Expected, file_type, require_unchanged
from .walk import Directory, open_directory, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .platform import Platform

_TEMPORARY = re.compile(r"\.casa-tmp-[0-9a-f]{16}\Z")
# Labels come from the policy through Platform; a capability must not survive a change of content.
_NOT_COPIED = ("security.selinux", "security.capability", "security.ima", "security.evm")


@dataclass(frozen=True)
class NewFile:
    """A regular file as it should become."""

    path: str
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)
    attributes: Attributes = field(default_factory=Attributes)
    expected: Expected = field(default_factory=Expected)
    validate: tuple[str, ...] = ()
    private: bool = False
    """Its content is a secret: readable by its owner only unless a mode says otherwise."""


def write_file(new: NewFile, platform: Platform) -> dict[str, Any]:
    """Put a regular file in place in one step.

    Returns:
        What was left there, as a receipt stores it: `{"inode", "mtime_ns"}`.

    Raises:
        HostError: The old file, if any, is still there, untouched, and no temporary file is left.
    """
    parent, name = split(new.path)
    with open_directory(parent) as directory:
        try:
            old = require_unchanged(directory, name, new.path, new.expected)
            if file_type(old) in ("directory", "special"):
                raise HostError(
                    f"{new.path} is a {file_type(old)}, not a file; it was left as it is",
                    hint="move it away, then run the same command again",
                )
            with _temporary(directory) as temporary:
                _fill(directory, temporary, name, new, old)
                _validate(new, directory.join(temporary), platform)
                require_unchanged(directory, name, new.path, new.expected)
                _replace(directory, temporary, name, platform)
            directory.sync()
        except OSError as fault:
            raise explain(fault, "write", new.path) from fault
        written = os.lstat(name, dir_fd=directory.descriptor)
        return {"inode": written.st_ino, "mtime_ns": written.st_mtime_ns}


@contextlib.contextmanager
def _temporary(directory: Directory) -> Iterator[str]:
    """Yield a fresh name in `directory`, and leave nothing behind under it."""
    name = f".casa-tmp-{secrets.token_hex(8)}"
    try:
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory.descriptor)


def _fill(directory: Directory, temporary: str, name: str, new: NewFile, old: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory.descriptor)
    with os.fdopen(descriptor, "wb") as stream:
        for chunk in new.chunks():
            stream.write(chunk)
        stream.flush()
        keep = old if file_type(old) == "file" else None
        if keep is not None:
            _copy_extended_attributes(directory, name, stream.fileno())
        _set_attributes(stream.fileno(), new, keep)
        os.fsync(stream.fileno())


def _set_attributes(descriptor: int, new: NewFile, old: os.stat_result | None) -> None:
    uid, gid = new.attributes.numbers(new.path)
    if old is not None:
        uid, gid = (old.st_uid if uid < 0 else uid), (old.st_gid if gid < 0 else gid)
    mode = new.attributes.mode
    if mode is None:
        mode = stat.S_IMODE(old.st_mode) if old is not None else (0o600 if new.private else 0o644)
    os.fchown(descriptor, uid, gid)  # before the mode: chown(2) clears set-id bits
    os.fchmod(descriptor, mode)


def _copy_extended_attributes(directory: Directory, name: str, target: int) -> None:
    """Copy ACLs and user attributes of the file being replaced."""
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory.descriptor)
    try:
        for attribute in os.listxattr(source):
            if attribute not in _NOT_COPIED:
                os.setxattr(target, attribute, os.getxattr(source, attribute))
    except OSError as fault:
        if fault.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
    finally:
        os.close(source)


def _validate(new: NewFile, temporary: str, platform: Platform) -> None:
    if not new.validate:
        return
    argv = [temporary if part == "%s" else part for part in new.validate]
    status, output = platform.run(argv)
    if status != 0:
        command = " ".join(shlex.quote(part) for part in new.validate)
        shown = "" if new.private else f": {output.strip()[-2000:]}"
        raise HostError(f"{new.path} was left as it was: the new file is refused by `{command}`{shown}")


def _replace(directory: Directory, temporary: str, name: str, platform: Platform) -> None:
    if not directory.trusted:
        # Names could be swapped under us here, so only the descriptor is safe to use; the label is inherited.
        os.rename(temporary, name, src_dir_fd=directory.descriptor, dst_dir_fd=directory.descriptor)
        return
    umask = os.umask(0o077)  # a mover that sets modes from the umask must not open a secret to others
    before = os.lstat(temporary, dir_fd=directory.descriptor)
    try:
        platform.move(directory.join(temporary), directory.join(name))
    except OSError:
        raise
    except Exception as fault:  # Ansible's mover raises bare exceptions
        raise explain(fault, "write", directory.join(name)) from fault
    finally:
        os.umask(umask)
    # A mover may have set owner and mode of its own (Ansible's does for a file that is new).
    after = os.lstat(name, dir_fd=directory.descriptor)
    if (after.st_uid, after.st_gid) != (before.st_uid, before.st_gid):
        os.chown(name, before.st_uid, before.st_gid, dir_fd=directory.descriptor, follow_symlinks=False)
    if stat.S_IMODE(after.st_mode) != stat.S_IMODE(before.st_mode):
        os.chmod(name, stat.S_IMODE(before.st_mode), dir_fd=directory.descriptor)


def set_attributes(path: str, attributes: Attributes, expected: Expected) -> None:
    """Set owner, group and mode of a file or directory in place.

    Raises:
        HostError: It changed since the probe, is a link, or has other names (hard links) below a directory
            that others write to: what they lead to may be something that is not ours.
    """
    parent, name = split(path)
    with open_directory(parent) as directory:
        try:
            require_unchanged(directory, name, path, expected)
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=directory.descriptor)
            try:
                status = os.fstat(descriptor)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and not directory.trusted:
                    raise HostError(
                        f"{path} has {status.st_nlink} names (hard links); its attributes were left"
                    )
                uid, gid = attributes.numbers(path)
                os.fchown(descriptor, uid, gid)
                os.fchmod(
                    descriptor,
                    attributes.mode if attributes.mode is not None else stat.S_IMODE(status.st_mode),
                )
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as fault:
            raise explain(fault, "change the attributes of", path) from fault


def make_directory(path: str, attributes: Attributes, platform: Platform) -> None:
    """Make one directory; its parent exists. It gets its mode and owner before it gets its name."""
    parent, name = split(path)
    with open_directory(parent) as directory, _temporary_directory(directory) as temporary:
        try:
            os.mkdir(temporary, 0o700, dir_fd=directory.descriptor)
            descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory.descriptor)
            try:
                uid, gid = attributes.numbers(path)
                os.fchown(descriptor, uid, gid)
                os.fchmod(descriptor, 0o755 if attributes.mode is None else attributes.mode)
            finally:
                os.close(descriptor)
            if directory.lstat(name) is not None:
                raise HostError(f"{path} appeared while casa-install was at work; it was left as it is")
            os.rename(temporary, name, src_dir_fd=directory.descriptor, dst_dir_fd=directory.descriptor)
            if directory.trusted:
                platform.label(directory.join(name))
            directory.sync()
        except OSError as fault:
            raise explain(fault, "make", path) from fault


@contextlib.contextmanager
def _temporary_directory(directory: Directory) -> Iterator[str]:
    name = f".casa-tmp-{secrets.token_hex(8)}"
    try:
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(name, dir_fd=directory.descriptor)


def make_link(path: str, target: str, expected: Expected, platform: Platform) -> None:
    """Put a symbolic link in place in one step; a file or link there is replaced, a directory is not."""
    parent, name = split(path)
    with open_directory(parent) as directory:
        try:
            old = require_unchanged(directory, name, path, expected)
            if file_type(old) in ("directory", "special"):
                raise HostError(
                    f"{path} is a {file_type(old)}, not a link; it was left as it is",
                    hint="move it away, then run the same command again",
                )
            with _temporary(directory) as temporary:
                os.symlink(target, temporary, dir_fd=directory.descriptor)
                require_unchanged(directory, name, path, expected)
                os.rename(temporary, name, src_dir_fd=directory.descriptor, dst_dir_fd=directory.descriptor)
            if directory.trusted:
                platform.label(directory.join(name))
            directory.sync()
        except OSError as fault:
            raise explain(fault, "link", path) from fault


def remove(path: str, expected: Expected) -> None:
    """Remove a file, a link or an empty directory.

    Raises:
        HostError: It changed since the probe, or is a directory with something in it.
    """
    parent, name = split(path)
    with open_directory(parent) as directory:
        try:
            status = require_unchanged(directory, name, path, expected)
            if status is None:
                return
            if stat.S_ISDIR(status.st_mode):
                os.rmdir(name, dir_fd=directory.descriptor)
            else:
                os.unlink(name, dir_fd=directory.descriptor)
            directory.sync()
        except OSError as fault:
            if fault.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise HostError(
                    f"{path} is a directory with something in it; it was left as it is",
                    hint=f"look at it (ls -A {shlex.quote(path)}) and empty it by hand",
                ) from fault
            raise explain(fault, "remove", path) from fault


def sweep(path: str) -> list[str]:
    """Remove temporary files that a killed run left in the directory `path`; returns their names.

    Only safe under the host's lock, as a living run's temporary files look the same.
    """
    try:
        directory = open_directory(path)
    except HostError:
        return []
    with directory:
        swept = []
        for name in os.listdir(directory.descriptor):
            if not _TEMPORARY.match(name):
                continue
            status = directory.lstat(name)
            if status is None or status.st_uid != os.geteuid():
                continue
            with contextlib.suppress(OSError):
                if stat.S_ISDIR(status.st_mode):
                    os.rmdir(name, dir_fd=directory.descriptor)
                else:
                    os.unlink(name, dir_fd=directory.descriptor)
                swept.append(directory.join(name))
        return swept
