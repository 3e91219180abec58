"""Changing our lines and blocks in files that belong to somebody else."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

from . import edits
from .errors import HostError
from .expected import Attributes, Expected, file_type
from .walk import Directory, open_directory, split
from .writing import NewFile, write_file

if TYPE_CHECKING:
    from .platform import Platform
    from .store import Store

_MAX_BYTES = 16 << 20


def before_edit(action: dict[str, Any], store: Store) -> dict[str, Any]:
    """Describe what stood in the place of our line or block.

    Returns:
        `type` is `absent`, `line` or `block`; a replaced text is in `text`, or in a copy of its own (0600)
        where the entry is sensitive. `file` says whether the file itself was there.
    """
    path = action["path"]
    content = _read(path)
    before: dict[str, Any] = {
        "type": "absent",
        "path": path,
        "file": "absent" if content is None else "file",
    }
    if action["op"] == "line":
        text, prefix = os.fsencode(action["line"]), os.fsencode(action.get("prefix", ""))
        before["prefix"] = action.get("prefix", "")
        old = edits.find_line(content or b"", text, prefix)
    else:
        before["begin"], before["end"] = action["begin"], action["end"]
        old = _block(path, content or b"", action)
    if old is not None:
        before["type"] = action["op"]
        if action.get("sensitive"):
            before["saved"] = store.keep_bytes(old, path)
        else:
            before["text"] = os.fsdecode(old)
    return before


def _block(path: str, content: bytes, action: dict[str, Any]) -> bytes | None:
    try:
        return edits.get_block(content, os.fsencode(action["begin"]), os.fsencode(action["end"]))
    except edits.EditError as fault:
        raise _refused(path, fault) from fault


def edit_file(action: dict[str, Any], platform: Platform) -> None:
    """Make the line or block of `action` be there, or not be there; everything else stays byte for byte.

    Raises:
        HostError: The file is missing and must not be made, or an edit would be a guess.
    """
    path = action["path"]
    content = _read(path)
    if content is None and action["state"] == "absent":
        return
    if content is None and not action.get("create"):
        raise HostError(
            f"{path} does not exist, so nothing can be added to it",
            hint="say `create: true` if the role may make it",
        )
    changed = _edited(path, content or b"", action)
    if changed == content:
        return
    replace_content(path, content, changed, platform, action)


def replace_content(
    path: str, content: bytes | None, changed: bytes, platform: Platform, action: dict[str, Any]
) -> None:
    """Write `changed` where `content` was read, keeping owner, mode, ACL and attributes."""
    if content is None:
        expected = Expected("absent")
    else:
        expected = Expected("file", hashlib.sha256(content).hexdigest())
    new = NewFile(
        path,
        lambda: iter((changed,)),
        Attributes(),
        expected,
        tuple(action.get("validate", ())),
        private=bool(action.get("sensitive")),
    )
    write_file(new, platform)


def _edited(path: str, content: bytes, action: dict[str, Any]) -> bytes:
    try:
        if action["op"] == "line":
            text, prefix = os.fsencode(action["line"]), os.fsencode(action.get("prefix", ""))
            if action["state"] == "absent":
                return edits.remove_lines(content, text, prefix)
            return edits.set_line(content, text, prefix)
        begin, end = os.fsencode(action["begin"]), os.fsencode(action["end"])
        if action["state"] == "absent":
            return edits.drop_block(content, begin, end)
        return edits.set_block(content, begin, end, base64.b64decode(action["content"]))
    except edits.EditError as fault:
        raise _refused(path, fault) from fault


def _refused(path: str, fault: edits.EditError) -> HostError:
    return HostError(f"{path} was left as it is: {fault}", hint="mend the marker lines by hand")


def read_content(path: str) -> bytes | None:
    """Return the bytes of a regular file; None where nothing is there."""
    return _read(path)


def _read(path: str) -> bytes | None:
    parent, name = split(path)
    try:
        directory = open_directory(parent)
    except HostError:
        return None
    with directory:
        status = directory.lstat(name)
        if status is None:
            return None
        if file_type(status) != "file":
            raise HostError(f"{path} is a {file_type(status)}, not a file; it was left as it is")
        if status.st_size > _MAX_BYTES:
            raise HostError(f"{path} is too large to edit ({status.st_size} bytes)")
        return _bytes(directory, name)


def _bytes(directory: Directory, name: str) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory.descriptor)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()
