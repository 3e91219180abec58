"""Where artifacts may lie: a site's bundle, this computer's cache, a site's mirror."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.artifacts.pins import Artifact

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Sources:
    """What a site says about where artifacts come from, and the cache of this computer.

    Args:
        cache: Directory of the cache.
        bundle: A bundle on this computer, `site_artifact_bundle`.
        mirror: URL below which files lie as in the cache, `site_artifact_mirror`.
        digests: SHA-256 by `component/version/file` or by `file`, `site_artifact_digests`.
    """

    cache: Path
    bundle: Path | None = None
    mirror: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    def path(self, artifact: Artifact) -> Path:
        """Return where a file lies in the cache."""
        return self.cache / artifact.component / artifact.version / artifact.name

    def mirrored(self, artifact: Artifact) -> str:
        """Return where a file lies on the mirror; empty without one."""
        return f"{self.mirror.rstrip('/')}/{quote(artifact.key)}" if self.mirror else ""

    def digest(self, artifact: Artifact) -> str:
        """Return the digest that the site demands; empty where it demands none."""
        return self.digests.get(artifact.key) or self.digests.get(artifact.name) or ""


def site_sources(variables: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Sources:
    """Return the sources that the variables of the role `site` name.

    Raises:
        CasaError: They cannot be meant; all that is wrong is said at once.
    """
    bundle = str(variables.get("site_artifact_bundle") or "")
    mirror = str(variables.get("site_artifact_mirror") or "")
    digests = variables.get("site_artifact_digests") or {}
    faults = [*_bundle_faults(bundle), *_mirror_faults(mirror), *_digest_faults(digests)]
    if faults:
        raise CasaError("\n".join(faults), exit_code=ExitCode.USAGE)
    return Sources(
        cache=cache_home(environ),
        bundle=Path(bundle).expanduser() if bundle else None,
        mirror=mirror,
        digests={str(name): str(value) for name, value in digests.items()},
    )


def cache_home(environ: Mapping[str, str] | None = None) -> Path:
    """Return the cache's directory: `$CASA_ARTIFACTS`, else `casa-install/artifacts` of the user's caches.

    Source: the XDG base directory specification; a relative value is invalid and ignored.
    """
    environ = os.environ if environ is None else environ
    if own := environ.get("CASA_ARTIFACTS", ""):
        return Path(own).expanduser().absolute()
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".cache"
    return base / "casa-install" / "artifacts"


def shown_url(url: str) -> str:
    """Return a URL without the password that it may hold."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _bundle_faults(bundle: str) -> list[str]:
    if not bundle or Path(bundle).expanduser().is_file():
        return []
    return [f"`site_artifact_bundle`: there is no file {bundle} on this computer."]


def _mirror_faults(mirror: str) -> list[str]:
    if not mirror:
        return []
    parts = urlsplit(mirror)
    if parts.scheme == "file" and parts.path.startswith("/") and not parts.netloc:
        return []
    if parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment:
        return []
    return [
        f"`site_artifact_mirror`: `{shown_url(mirror)}` is no URL that begins with https://, http:// or file:///."
    ]


def _digest_faults(digests: Any) -> list[str]:
    if not isinstance(digests, dict):
        return ["`site_artifact_digests` must be a mapping of files to their SHA-256."]
    return [
        f"`site_artifact_digests`: `{value}`, for {name}, is no SHA-256: 64 hexadecimal digits in lower case."
        for name, value in digests.items()
        if not _SHA256.fullmatch(str(value))
    ]
