"""Comparing files, directories, links, and our parts of foreign files."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from casa_install.state.differences import Difference, View, change, refuse, report
from casa_install.state.resources import (
    Absent,
    Block,
    Directory,
    File,
    Line,
    Link,
    LocalFile,
    Owned,
    PathResource,
    Resource,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.state.observed import Status

_TEMPORARY = re.compile(rb"\.casa-tmp-[0-9a-f]{16}\Z")
_SHOWN_NAMES = 5


def compare_path(resource: PathResource, view: View) -> Difference | None:
    """Compare one path; returns None where nothing differs."""
    moved = _moved_parent(resource, view)
    if moved is not None:
        return moved
    if isinstance(resource, Directory):
        return _directory(resource, view)
    if isinstance(resource, File):
        return _file(resource, view)
    if isinstance(resource, Link):
        return _link(resource, view)
    if isinstance(resource, Line):
        return _line(resource, view)
    if isinstance(resource, Block):
        return _block(resource, view)
    return _absent(resource, view) if isinstance(resource, Absent) else None


def shown(resource: Resource) -> str:
    """Return what a resource is called in a sentence."""
    return f"{resource.part_of} ({resource.name})" if resource.part_of else resource.name


def sha256(content: bytes | LocalFile) -> str:
    """Return the digest of a file's wanted content."""
    return content.sha256 if isinstance(content, LocalFile) else hashlib.sha256(content).hexdigest()


def _same_content(resource: File, view: View) -> bool:
    observed = view.observed
    if not resource.sensitive:
        return observed.digests.get(resource.path) == sha256(resource.content)
    content = resource.content
    raw = content.path.read_bytes() if isinstance(content, LocalFile) else content
    return observed.sealed.get(resource.path) == _as_told(resource, raw, view).hex()


def _as_told(resource: Resource, content: bytes, view: View) -> bytes:
    """Return content as the host tells it: of something sensitive its digest with the key, see `probe`."""
    if not resource.sensitive:
        return content
    return hashlib.sha256(view.observed.key.encode("ascii") + content).digest()


def _moved_parent(resource: PathResource, view: View) -> Difference | None:
    """Tell where a directory on the way was replaced by a link since we wrote there.

    A link that was there when we came is the site's own arrangement and recorded as `parent`.
    """
    entry = view.entry(resource)
    parent = resource.path.rpartition("/")[0] or "/"
    found = view.observed.folders.get(parent)
    if entry is None or not entry.confirmed or found is None or "type" not in entry.before:
        return None
    known = str(entry.before.get("parent") or entry.ours.get("parent") or parent)
    if found == known.encode("utf-8", "surrogateescape"):
        return None
    where = found.decode("utf-8", "replace")
    return report(
        resource,
        f"leave {resource.path} alone: {parent} now leads to {where}, it led to {known}",
        aspects="parent",
    )


def _attributes(resource: Owned, status: Status) -> list[str]:
    details = []
    for what, wanted, name, number in (
        ("owner", resource.owner, status.owner, status.uid),
        ("group", resource.group, status.group, status.gid),
    ):
        if wanted is not None and wanted not in (name, str(number)):
            details.append(f"{what} {name}, not {wanted}")
    if resource.mode is not None and status.mode != resource.mode:
        details.append(f"mode {status.mode:04o}, not {resource.mode:04o}")
    return details


def _directory(resource: Directory, view: View) -> Difference | None:
    status = view.observed.paths.get(resource.path)
    if status is None:
        return change(resource, f"make directory {shown(resource)}", aspects="missing")
    if status.type == "link":
        return _linked_directory(resource, view)
    if status.type != "directory":
        return refuse(
            resource,
            f"{resource.path} is a {status.type}, not a directory",
            hint="look at it on the host and move it away, then run the same command again",
        )
    details = _attributes(resource, status)
    entries = _entries(resource, view)
    if entries is not None and entries.verdict != "change":
        # Attributes are mended in the next run; what needs a decision is told first.
        return entries
    if details and entries is not None:
        return Difference(
            resource,
            "change",
            entries.text,
            (*details, *entries.details),
            entries.aspects | {"attributes"},
            names=entries.names,
        )
    if details:
        return change(resource, f"change attributes of {shown(resource)}", *details, aspects="attributes")
    return entries


def _linked_directory(resource: Directory, view: View) -> Difference | None:
    entry = view.entry(resource)
    if entry is None or entry.before.get("type") == "link":
        return None  # the site's own arrangement, as it was when we came
    return report(
        resource, f"leave {resource.path} alone: it was a directory and is a link now", aspects="type"
    )


def _entries(resource: Directory, view: View) -> Difference | None:
    if not (resource.exclusive or resource.shared):
        return None
    listing = view.observed.listings.get(resource.path, ())
    if listing is None:
        return report(resource, f"{resource.path} has too many entries to look at", aspects="entries")
    own = _own_names(resource.path, view.desired.resources)
    unknown = tuple(name for name in sorted(listing) if name not in own and not _TEMPORARY.match(name))
    if resource.exclusive:
        entry = view.entry(resource)
        if entry is None or not entry.added:
            return refuse(
                resource,
                f"{resource.path} is declared exclusive, but it was there before casa-install",
                hint="take `exclusive: true` off it, or use a directory that the role makes",
            )
    if not unknown:
        return None
    names = ", ".join(name.decode("utf-8", "backslashreplace") for name in unknown[:_SHOWN_NAMES])
    more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
    if resource.exclusive:
        return Difference(
            resource,
            "change",
            f"move what is not ours out of {resource.path}",
            (f"{names}{more}",),
            frozenset({"entries"}),
            names=unknown,
        )
    return report(resource, f"{resource.path} holds what is not ours", f"{names}{more}", aspects="entries")


def _own_names(path: str, resources: Iterable[Resource]) -> set[bytes]:
    below = f"{path}/"
    return {
        resource.path.removeprefix(below).split("/")[0].encode("utf-8", "surrogateescape")
        for resource in resources
        if isinstance(resource, PathResource)
        and resource.path.startswith(below)
        and not isinstance(resource, Absent)
    }


def _file(resource: File, view: View) -> Difference | None:
    status = view.observed.paths.get(resource.path)
    verb = "add" if resource.repository else "write"
    if status is None:
        return change(resource, f"{verb} {shown(resource)}", aspects="missing content")
    if status.type == "link":
        return change(resource, f"replace the link {shown(resource)} by a file", aspects="type content")
    if status.type != "file":
        return refuse(
            resource,
            f"{resource.path} is a {status.type}, not a file",
            hint="look at it on the host and move it away, then run the same command again",
        )
    details = _attributes(resource, status)
    if not _same_content(resource, view):
        return change(
            resource,
            f"change {shown(resource)}",
            "content",
            *details,
            aspects="content attributes" if details else "content",
        )
    if details:
        return change(resource, f"change attributes of {shown(resource)}", *details, aspects="attributes")
    return None


def _link(resource: Link, view: View) -> Difference | None:
    status = view.observed.paths.get(resource.path)
    if status is None:
        return change(resource, f"link {resource.path} to {resource.target}", aspects="missing target")
    if status.type in ("directory", "special"):
        return refuse(
            resource,
            f"{resource.path} is a {status.type}, not a link",
            hint="look at it on the host and move it away, then run the same command again",
        )
    if status.type == "file":
        return change(resource, f"replace the file {resource.path} by a link", aspects="type target")
    found = view.observed.links.get(resource.path, b"")
    if found == resource.target.encode("utf-8", "surrogateescape"):
        return None
    return change(
        resource,
        f"link {resource.path} to {resource.target}",
        f"leads to {found.decode('utf-8', 'backslashreplace')}",
        aspects="target",
    )


def _absent(resource: Absent, view: View) -> Difference | None:
    status = view.observed.paths.get(resource.path)
    if status is None:
        return None
    if status.type == "directory":
        return change(resource, f"move the directory {resource.path} away", aspects="type")
    return change(resource, f"remove {resource.path}", aspects="type")


def _line(resource: Line, view: View) -> Difference | None:
    lines = view.observed.lines.get(resource.key)
    text = _as_told(resource, resource.text.encode("utf-8", "surrogateescape"), view)
    what = "a line" if resource.sensitive else f"the line {resource.text!r}"
    if resource.state == "absent":
        return change(resource, f"remove {what} from {resource.path}", aspects="content") if lines else None
    if lines is None:
        return change(
            resource, f"add {what} to {resource.path}", "the file is not there yet", aspects="missing content"
        )
    if lines and lines[-1] == text:
        return None
    if lines and not resource.sensitive:
        return change(
            resource,
            f"change a line of {resource.path} to {resource.text!r}",
            f"is {lines[-1].decode('utf-8', 'backslashreplace')!r}",
            aspects="content",
        )
    return change(resource, f"{'change' if lines else 'add'} {what} in {resource.path}", aspects="content")


def _block(resource: Block, view: View) -> Difference | None:
    status = view.observed.blocks.get(resource.key)
    where = f"block {resource.marker!r} of {resource.path}"
    if status is not None and not status.sound:
        return refuse(
            resource,
            f"the marker lines of {where} are not there exactly once each, in order",
            hint=f"mend {resource.path} by hand: one `{resource.begin}`, below it one `{resource.end}`",
        )
    present = status is not None and status.present
    if resource.state == "absent":
        return change(resource, f"remove {where}", aspects="content") if present else None
    if status is None or not present:
        return change(resource, f"add {where}", aspects="missing content")
    return (
        None
        if status.content == _as_told(resource, block_content(resource), view)
        else change(resource, f"change {where}", aspects="content")
    )


def block_content(resource: Block) -> bytes:
    """Return the lines between the markers, the last one ended too."""
    content = resource.content.encode("utf-8", "surrogateescape")
    return content if not content or content.endswith(b"\n") else content + b"\n"
