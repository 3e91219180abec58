"""Has files in the cache: from a site's bundle, the cache itself, its mirror or the project's releases.

The places are asked in this order, but none of them decides which bytes a file must have. Its digest does:
the site's own, a pinned one, or that in the release's list. Nothing lies under its final name before its
digest was right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.artifacts.bundle import Bundle, open_bundle
from casa_install.artifacts.cache import install, is_there, making, move_aside, part_of, write_part
from casa_install.artifacts.download import FetchError, Patience
from casa_install.artifacts.found import Found, found
from casa_install.artifacts.nowhere import Failure, NowhereError, nowhere
from casa_install.artifacts.offers import Offers
from casa_install.artifacts.pins import Artifact, component
from casa_install.artifacts.release_lists import ReleaseLists
from casa_install.digests import sha256_of
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from casa_install.artifacts.offers import Offer
    from casa_install.artifacts.pins import Component, Variant
    from casa_install.artifacts.places import Sources


class Resolver:
    """Finds files for one site.

    Args:
        sources: Where to look.
        patience: When a download is given up.
        tell: Called with a sentence about what takes long, and about a wrong file that was put aside.
        look_only: For a dry run: nothing is fetched and nothing is written.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        patience: Patience | None = None,
        tell: Callable[[str], None] | None = None,
        look_only: bool = False,
    ) -> None:
        self._sources = sources
        self._tell = tell or (lambda _: None)
        self._look_only = look_only
        self._bundle: Bundle | None = open_bundle(sources.bundle) if sources.bundle else None
        self._offers = Offers(sources, self._bundle, patience or Patience(), self._tell)
        self._lists = ReleaseLists(sources, self._bundle, self._offers, self._tell, look_only=look_only)

    def resolve(self, name: str, version: str, variant: str, wanted: Sequence[str]) -> dict[str, Found]:
        """Return the files of a release, each verified.

        Args:
            name: The component, for example `k3s`.
            version: Its version.
            variant: A processor (`amd64`, `x86_64`) or a distribution (`el9`).
            wanted: What is wanted: what the pins call a file, `checksums`, or the names of files.

        Raises:
            CasaError: A file is nowhere to be had; the message names every place and why not.
        """
        pinned = component(name)
        pinned.require_version(version)
        files = pinned.variant(variant)
        everything: dict[str, Found] = {}
        failures: list[Failure] = []
        for want in wanted:
            try:
                everything[want] = self._one(pinned, version, files, want)
            except NowhereError as error:
                failures.append(error.failure)
        if failures:
            raise nowhere(failures, self._sources)
        return everything

    def unpack(self, name: str) -> bool:
        """Take a file of the cache's own, such as an archive of the users' software, from the bundle.

        Args:
            name: Its name, without directories.

        Returns:
            Whether the bundle has it and it now lies in the cache.

        Raises:
            CasaError: The bundle's is not what its manifest says, or it cannot be written.
        """
        member = self._bundle.members.get(name) if self._bundle else None
        if self._bundle is None or member is None or "/" in name:
            return False
        path = self._sources.cache / name
        if is_there(self._sources.cache, path) and sha256_of(path) == member.sha256:
            return True
        if self._look_only:
            return False
        self._tell(f"taking {name} from {self._bundle.path}")
        with making(self._sources.cache, path):
            part = part_of(path)
            digest = write_part(part, self._bundle.read(member))
            if digest != member.sha256:
                part.unlink()
                raise CasaError(
                    f"{name} of {self._bundle.path}: SHA-256 is {digest}, expected {member.sha256}.",
                    hint=f"`casa-install bundle verify {self._bundle.path}` names all that is wrong with it.",
                )
            install(part, path)
        return True

    def _one(self, pinned: Component, version: str, files: Variant, want: str) -> Found:
        checksums = Artifact(pinned.name, version, files.checksums)
        if want in ("checksums", checksums.name):
            return self._lists.have(pinned, checksums)
        candidates = [Artifact(pinned.name, version, name) for name in files.files.get(want, (want,))]
        digests = {one: self._demanded(pinned, one) for one in candidates}
        if not any(digests.values()):
            listed = self._lists.digests(pinned, checksums)
            if listed is None:
                return self._foreseen(pinned, candidates[0], "")
            digests = {one: listed.get(one.name, "") for one in candidates}
        known = [one for one in candidates if digests[one]]
        if not known:
            names = " or ".join(one.name for one in candidates)
            reason = f"{self._sources.path(checksums)} lists no {names}"
            raise NowhereError(Failure(candidates[0], [reason]))
        near = [one for one in known if self._offers.is_near(one)]
        chosen = (near or known)[0]
        return self._file(pinned, chosen, digests[chosen])

    def _demanded(self, pinned: Component, artifact: Artifact) -> str:
        """Return the digest that the site or the pins demand, whatever the release says."""
        return self._sources.digest(artifact) or pinned.digests.get(artifact.version, {}).get(
            artifact.name, ""
        )

    # The file itself.

    def _file(self, pinned: Component, artifact: Artifact, expected: str) -> Found:
        path = self._sources.path(artifact)
        # Before the lock, so that a cache that cannot be written serves as well.
        if is_there(self._sources.cache, path) and sha256_of(path) == expected:
            return found(artifact, path, expected, "cache")
        if self._look_only:
            return self._foreseen(pinned, artifact, expected)
        with making(self._sources.cache, path):
            reasons = self._cached(path, expected)
            if reasons is None:
                return found(artifact, path, expected, "cache")
            for offer in (*self._offers.near(artifact), *self._offers.far(pinned, artifact)):
                try:
                    self._take(offer, path, expected)
                except FetchError as error:
                    reasons.append(f"{offer}: {error.reason}")
                else:
                    return found(artifact, path, expected, offer.source)
        raise NowhereError(Failure(artifact, reasons))

    def _cached(self, path: Path, expected: str) -> list[str] | None:
        """Return nothing where the cache has the file, else why it has not."""
        if not path.is_file():
            return [f"cache {path}: not there"]
        digest = sha256_of(path)
        if digest == expected:
            return None
        aside = move_aside(path)
        self._tell(f"{path} was put aside as {aside.name}: SHA-256 is {digest}, expected {expected}")
        return [f"cache {path}: SHA-256 was {digest}, expected {expected}; it is now {aside.name}"]

    def _take(self, offer: Offer, path: Path, expected: str) -> None:
        """Put what a place offers under its final name, if it is what it must be.

        Raises:
            FetchError: It is not, or did not come.
        """
        part = part_of(path)
        resumed = part.exists()
        digest = offer.put(part, 0)
        if digest != expected and resumed:
            # The beginning was of something else.
            part.unlink()
            digest = offer.put(part, 0)
        if digest != expected:
            part.unlink()
            raise FetchError(f"SHA-256 is {digest}, expected {expected}")
        install(part, path)

    def _foreseen(self, pinned: Component, artifact: Artifact, expected: str) -> Found:
        would = self._offers.would(pinned, artifact)
        return Found(artifact, self._sources.path(artifact), expected, present=False, would=would)
