"""A site's bundle: one tar file with everything that is fetched, its first member a manifest of the others.

Format 1: `manifest.json` has `format`, `made_by`, `site`, `files` (each with `path`, `sha256`, `size`,
`component`, `version`) and `missing` (each with `path` and `why`). A file's `path` is its place below the
cache. No member is compressed, a link, or outside of the manifest.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

FORMAT = 1
MANIFEST = "manifest.json"
_MAX_MANIFEST = 4 << 20
_CHUNK = 1 << 20
_NOT_A_BUNDLE = "Make it again: `casa-install bundle create -i INVENTORY`; copy it whole."


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a bundle.

    Args:
        path: Its place below the cache.
        sha256: In hexadecimal.
        size: In bytes.
        component: What it belongs to.
        version: The version of that.
    """

    path: str
    sha256: str
    size: int
    component: str
    version: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that the inventory asks for and that the bundle does not have."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says that it holds."""

    site: str
    made_by: str
    files: tuple[Member, ...]
    missing: tuple[Missing, ...] = ()
    format: int = FORMAT

    def as_json(self) -> dict[str, Any]:
        """Return the manifest as it is stored."""
        return {
            "format": self.format,
            "made_by": self.made_by,
            "site": self.site,
            "files": [asdict(member) for member in self.files],
            "missing": [asdict(missing) for missing in self.missing],
        }


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is there, its manifest read and its files not yet looked at.

    Args:
        path: The tar file.
        manifest: Its first member.
        members: By path.
    """

    path: Path
    manifest: Manifest
    members: dict[str, Member] = field(default_factory=dict)

    def read(self, member: Member) -> Iterator[bytes]:
        """Yield a file's bytes; whether they are the right ones is for the reader to see.

        Raises:
            CasaError: The bundle is cut or has no such member.
        """
        try:
            with tarfile.open(self.path, "r:") as archive:
                yield from _content(archive, archive.getmember(member.path))
        except KeyError:
            raise CasaError(
                f"{self.path} has no {member.path}, which its manifest names.", hint=_NOT_A_BUNDLE
            ) from None
        except (tarfile.TarError, OSError, EOFError) as error:
            raise _damaged(self.path, error) from error


def open_bundle(path: Path) -> Bundle:
    """Read a bundle's manifest.

    Raises:
        CasaError: There is none, or it is of a later format.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            first = archive.next()
            if first is None or first.name != MANIFEST or not first.isreg() or first.size > _MAX_MANIFEST:
                raise CasaError(
                    f"{path} is no bundle of casa-install: its first member is no {MANIFEST}.",
                    hint=_NOT_A_BUNDLE,
                )
            manifest = _manifest(json.loads(b"".join(_content(archive, first))), path)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise _damaged(path, error) from error
    except KeyError as error:
        raise CasaError(f"The {MANIFEST} of {path} has no `{error.args[0]}`.", hint=_NOT_A_BUNDLE) from error
    except (ValueError, TypeError) as error:
        raise CasaError(f"The {MANIFEST} of {path} cannot be read: {error}.", hint=_NOT_A_BUNDLE) from error
    return Bundle(path, manifest, {member.path: member for member in manifest.files})


def check_bundle(path: Path) -> tuple[Bundle, list[str]]:
    """Compare every member of a bundle with the manifest; return the bundle and all that is wrong.

    Raises:
        CasaError: It has no readable manifest.
    """
    bundle = open_bundle(path)
    faults: list[str] = []
    seen: set[str] = set()
    try:
        with tarfile.open(path, "r:") as archive:
            archive.next()
            while (entry := archive.next()) is not None:
                known = bundle.members.get(entry.name)
                if known is None:
                    faults.append(f"{entry.name!r}: is in the bundle and not in its manifest")
                elif entry.name in seen:
                    faults.append(f"{entry.name}: is there twice")
                elif not entry.isreg():
                    faults.append(f"{entry.name}: is no regular file")
                else:
                    seen.add(entry.name)
                    faults += _member_faults(archive, entry, known)
    except (tarfile.TarError, OSError, EOFError) as error:
        faults.append(f"the file is cut or damaged: {error}")
    faults += [
        f"{name}: is in the manifest and not in the bundle" for name in sorted(bundle.members.keys() - seen)
    ]
    return bundle, faults


def _member_faults(archive: tarfile.TarFile, entry: tarfile.TarInfo, known: Member) -> Iterator[str]:
    digest = hashlib.sha256()
    for chunk in _content(archive, entry):
        digest.update(chunk)
    if entry.size != known.size:
        yield f"{entry.name}: has {entry.size} bytes, expected {known.size}"
    elif digest.hexdigest() != known.sha256:
        yield f"{entry.name}: SHA-256 is {digest.hexdigest()}, expected {known.sha256}"


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[bytes]:
    stream: IO[bytes] | None = archive.extractfile(entry) if entry.isreg() else None
    if stream is None:
        raise tarfile.ReadError(f"{entry.name} is no regular file")
    left = entry.size
    while left:
        chunk = stream.read(min(_CHUNK, left))
        if not chunk:
            raise tarfile.ReadError(f"{entry.name} is cut")
        left -= len(chunk)
        yield chunk


def _manifest(data: dict[str, Any], path: Path) -> Manifest:
    if data["format"] != FORMAT:
        raise CasaError(
            f"{path} is a bundle of format {data['format']}; this casa-install reads format {FORMAT}.",
            hint="Make and use a bundle with the same version of casa-install.",
        )
    files = tuple(Member(**entry) for entry in data["files"])
    for member in files:
        if not _is_below(member.path):
            raise CasaError(f"{path} is refused: its member {member.path!r} would lie outside of the cache.")
    return Manifest(
        site=data["site"],
        made_by=data["made_by"],
        files=files,
        missing=tuple(Missing(**entry) for entry in data["missing"]),
    )


def _is_below(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and name == "/".join(parts) and not any(part.startswith((".", "/")) for part in parts)


def _damaged(path: Path, error: Exception) -> CasaError:
    return CasaError(f"The bundle {path} is cut or damaged: {error}.", hint=_NOT_A_BUNDLE)
