"""The places that a file can be taken from into the cache, in their order: bundle, mirror, upstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from casa_install.artifacts.cache import write_part
from casa_install.artifacts.download import FetchError, Patience, download
from casa_install.artifacts.places import shown_url
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casa_install.artifacts.bundle import Bundle, Member
    from casa_install.artifacts.pins import Artifact, Component
    from casa_install.artifacts.places import Sources


@dataclass(frozen=True, slots=True)
class Offer:
    """One place that may have a file.

    Args:
        source: `bundle`, `mirror` or `upstream`.
        place: What people know it by; no password is in it.
        put: Writes the file into a part, of at most so many bytes (0: any number), and returns its SHA-256;
            raises FetchError where the place does not have it, OSError where it cannot be written.
    """

    source: str
    place: str
    put: Callable[[Path, int], str]

    def __str__(self) -> str:
        return f"{self.source} {self.place}"


class Offers:
    """Who may have the files of a site.

    A server that did not answer is not asked a second time.
    """

    def __init__(
        self, sources: Sources, bundle: Bundle | None, patience: Patience, tell: Callable[[str], None]
    ) -> None:
        self._sources = sources
        self._bundle = bundle
        self._patience = patience
        self._tell = tell
        self._silent: dict[str, str] = {}

    def is_near(self, artifact: Artifact) -> bool:
        """Tell whether a file is there without a connection; whether it is the right one is not looked at."""
        return self.bundled(artifact) is not None or self._sources.path(artifact).is_file()

    def bundled(self, artifact: Artifact) -> Member | None:
        """Return a file's entry in the bundle's manifest."""
        return self._bundle.members.get(artifact.key) if self._bundle else None

    def near(self, artifact: Artifact) -> Iterator[Offer]:
        """Yield the place that needs no connection, if there is one."""
        if self._bundle is None:
            return
        bundle, member = self._bundle, self.bundled(artifact)

        def unpack(part: Path, _limit: int) -> str:
            if member is None:
                raise FetchError(f"has no {artifact.key}")
            try:
                digest = write_part(part, bundle.read(member))
            except CasaError as error:
                raise FetchError(error.message) from error
            if digest != member.sha256:
                part.unlink()
                raise FetchError(f"SHA-256 is {digest}, expected {member.sha256}")
            return digest

        yield Offer("bundle", str(bundle.path), unpack)

    def far(self, pinned: Component, artifact: Artifact) -> Iterator[Offer]:
        """Yield the places that need a connection."""
        for source, url in (
            ("mirror", self._sources.mirrored(artifact)),
            ("upstream", pinned.upstream(artifact)),
        ):
            if url:
                yield Offer(source, shown_url(url), self._fetcher(url))

    def would(self, pinned: Component, artifact: Artifact) -> str:
        """Say in half a sentence where a file that the cache lacks would be taken from first."""
        if self._bundle is not None and self.bundled(artifact):
            return f"take {artifact.name} from {self._bundle.path}"
        return f"download {next(self.far(pinned, artifact)).place}"

    def _fetcher(self, url: str) -> Callable[[Path, int], str]:
        server = urlsplit(url).netloc

        def fetch(part: Path, limit: int) -> str:
            if reason := self._silent.get(server):
                raise FetchError(reason)
            self._tell(f"downloading {shown_url(url)}")
            try:
                return download(url, part, patience=self._patience, limit=limit)
            except FetchError as error:
                if error.unreachable:
                    self._silent[server] = error.reason
                raise

        return fetch
