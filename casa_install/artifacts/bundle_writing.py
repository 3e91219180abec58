"""Makes a site's bundle: gathers what the inventory asks for in the cache, then writes it as one file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from casa_install import __version__
from casa_install.artifacts.bundle import MANIFEST, Manifest, Member, Missing, open_bundle
from casa_install.artifacts.environments import cached_archives, environment_version
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from casa_install.artifacts.needs import Need, SiteNeeds
    from casa_install.artifacts.resolve import Resolver


@dataclass(frozen=True, slots=True)
class Gathered:
    """What goes into a bundle, each file with its place in the cache, and what it lacks."""

    files: tuple[tuple[Member, Path], ...]
    missing: tuple[Missing, ...]


def gather(needs: SiteNeeds, resolver: Resolver, cache: Path, tell: Callable[[str], None]) -> Gathered:
    """Have everything that a site needs in the cache.

    Args:
        needs: What the inventory asks for.
        resolver: Finds files of releases.
        cache: The cache that it uses.
        tell: Called with a text about what is not to be had and may not be needed.

    Raises:
        CasaError: Something that it cannot do without is nowhere to be had.
    """
    files: list[tuple[Member, Path]] = []
    missing: list[Missing] = []
    for need in needs.releases:
        try:
            files += _release(need, resolver)
        except CasaError as error:
            if not need.only_for:
                raise
            tell(error.message)
            why = f"was nowhere to be had; {need.only_for} need it"
            missing.append(Missing(f"{need.component}/{need.version}", why))
    if needs.environment:
        archives, lacking = _environment(needs, cache)
        files += archives
        missing += lacking
    once = {member.path: (member, path) for member, path in files}
    return Gathered(tuple(once[path] for path in sorted(once)), tuple(missing))


def _release(need: Need, resolver: Resolver) -> Iterator[tuple[Member, Path]]:
    for found in resolver.resolve(need.component, need.version, need.variant, need.files).values():
        member = Member(found.artifact.key, found.sha256, found.size, need.component, need.version)
        yield member, found.path


def _environment(needs: SiteNeeds, cache: Path) -> tuple[Sequence[tuple[Member, Path]], Sequence[Missing]]:
    unknown = [
        name for name, value in needs.variables.items() if name.startswith("analysis_env_") and value is None
    ]
    if unknown:
        return [], [
            Missing("env-*.tar.gz", f"its version is not known: `{unknown[0]}` is a template or encrypted")
        ]
    try:
        version = environment_version(needs.variables)
    except OSError as error:
        return [], [Missing("env-*.tar.gz", f"{error.filename} cannot be read: {error.strerror}")]
    return cached_archives(cache, version)


def bundle_name(site: str, day: date) -> str:
    """Return the name of a bundle that was made on a day."""
    slug = re.sub(r"[^a-z0-9]+", "-", site.lower()).strip("-") or "site"
    return f"casa-bundle-{slug}-{day:%Y%m%d}.tar"


def write_bundle(target: Path, site: str, gathered: Gathered) -> Manifest:
    """Write a bundle, under another name until it is whole; the same files give the same bytes.

    Raises:
        CasaError: Something else is there, or it cannot be written. Nothing is left then.
    """
    members = tuple(member for member, _ in gathered.files)
    manifest = Manifest(site, f"casa-install {__version__}", members, gathered.missing)
    part = target.with_name(f".{target.name}.part")
    try:
        _require_replaceable(target)
        with contextlib.ExitStack() as undo:
            undo.callback(part.unlink, missing_ok=True)
            with part.open("wb") as stream:
                _write(stream, manifest, gathered)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(target)
    except OSError as error:
        raise CasaError(
            f"{error.filename or target} cannot be written: {error.strerror}.",
            hint="Make room, or name another place with -o.",
        ) from error
    return manifest


def _require_replaceable(target: Path) -> None:
    if not target.exists():
        return
    try:
        open_bundle(target)
    except CasaError:
        raise CasaError(
            f"{target} is there already and is no bundle; it was left as it is.",
            hint="Name another file with -o.",
            exit_code=ExitCode.USAGE,
        ) from None


def _write(stream: IO[bytes], manifest: Manifest, gathered: Gathered) -> None:
    text = json.dumps(manifest.as_json(), indent=1, sort_keys=True).encode() + b"\n"
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
        for member, path in gathered.files:
            with path.open("rb") as source:
                digesting = _Digesting(source)
                archive.addfile(_entry(member.path, member.size), digesting)
            if digesting.hexdigest() != member.sha256:
                raise CasaError(f"{path} changed while it was read.", hint="Give the same command again.")


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, 0
    return entry


class _Digesting(io.RawIOBase):
    """A file whose digest is known when it has been read."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
