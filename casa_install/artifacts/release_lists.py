"""The lists in which releases say the digests of their files: fetched, kept in the cache and read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from casa_install.artifacts.cache import install, is_there, making, move_aside, part_of
from casa_install.artifacts.checksums import MAX_LIST, read_checksums
from casa_install.artifacts.download import FetchError
from casa_install.artifacts.found import Found, found
from casa_install.artifacts.nowhere import Failure, NowhereError
from casa_install.digests import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from casa_install.artifacts.bundle import Bundle
    from casa_install.artifacts.offers import Offer, Offers
    from casa_install.artifacts.pins import Artifact, Component
    from casa_install.artifacts.places import Sources


class ReleaseLists:
    """The lists of one site's releases, each read once.

    Args:
        sources: Where to look.
        bundle: The site's bundle, opened.
        offers: Who may have them.
        tell: Called with a sentence about a list that was put aside.
        look_only: For a dry run: nothing is fetched and nothing is written.
    """

    def __init__(
        self,
        sources: Sources,
        bundle: Bundle | None,
        offers: Offers,
        tell: Callable[[str], None],
        *,
        look_only: bool,
    ) -> None:
        self._sources = sources
        self._bundle = bundle
        self._offers = offers
        self._tell = tell
        self._look_only = look_only
        self._lists: dict[str, dict[str, str]] = {}

    def digests(self, pinned: Component, checksums: Artifact) -> dict[str, str] | None:
        """Return what a release lists; nothing in a dry run that would have to fetch it."""
        if checksums.key not in self._lists:
            self.have(pinned, checksums)
        return self._lists.get(checksums.key)

    def have(self, pinned: Component, checksums: Artifact) -> Found:
        """Have the list and remember it. Nothing but the site can say what its digest must be."""
        path = self._sources.path(checksums)
        if self._look_only or not self._offers.bundled(checksums):
            seen = self._look(pinned, checksums, path)
            if seen.present or self._look_only:
                return seen
        reasons: list[str] = []
        with making(self._sources.cache, path):
            for offer in self._offers.near(checksums):
                if self._took(offer, checksums, path, reasons):
                    return found(checksums, path, sha256_of(path), offer.source)
            if path.is_file():
                if self._read(checksums, path.read_bytes(), f"cache {path}", reasons):
                    return found(checksums, path, sha256_of(path), "cache")
                aside = move_aside(path)
                self._tell(f"{path} was put aside as {aside.name}: {reasons[-1]}")
            else:
                reasons.append(f"cache {path}: not there")
            for offer in self._offers.far(pinned, checksums):
                if self._took(offer, checksums, path, reasons):
                    return found(checksums, path, sha256_of(path), offer.source)
        raise NowhereError(Failure(checksums, reasons, is_list=True))

    def _took(self, offer: Offer, checksums: Artifact, path: Path, reasons: list[str]) -> bool:
        part = part_of(path)
        # Nothing would tell whether the parts of two downloads fit together.
        part.unlink(missing_ok=True)
        try:
            offer.put(part, MAX_LIST)
            if not self._read(checksums, part.read_bytes(), str(offer), reasons):
                return False
            install(part, path)
        except FetchError as error:
            reasons.append(f"{offer}: {error.reason}")
            return False
        finally:
            part.unlink(missing_ok=True)
        return True

    def _read(self, checksums: Artifact, text: bytes, place: str, reasons: list[str]) -> bool:
        """Remember what a list says; where it is none, add why to the reasons."""
        expected, digest = self._sources.digest(checksums), hashlib.sha256(text).hexdigest()
        if expected and digest != expected:
            reasons.append(f"{place}: SHA-256 is {digest}, expected {expected}")
            return False
        try:
            self._lists[checksums.key] = read_checksums(text)
        except ValueError as error:
            reasons.append(f"{place}: {error}")
            return False
        return True

    def _look(self, pinned: Component, checksums: Artifact, path: Path) -> Found:
        member = self._offers.bundled(checksums)
        if self._bundle is not None and member is not None:
            self._read(checksums, b"".join(self._bundle.read(member)), str(self._bundle.path), [])
        elif is_there(self._sources.cache, path) and self._read(checksums, path.read_bytes(), str(path), []):
            return found(checksums, path, sha256_of(path), "cache")
        return Found(checksums, path, "", present=False, would=self._offers.would(pinned, checksums))
