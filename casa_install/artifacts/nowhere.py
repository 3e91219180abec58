"""What a user is told when files are nowhere to be had: every place that was asked, and the ways out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.artifacts.pins import Artifact
    from casa_install.artifacts.places import Sources


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that is nowhere to be had.

    Args:
        artifact: Which.
        reasons: Each place that was asked, and why it is not from there.
        is_list: It is the release's list of digests.
    """

    artifact: Artifact
    reasons: Sequence[str]
    is_list: bool = False


class NowhereError(Exception):
    """One file is nowhere to be had."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.artifact.key)
        self.failure = failure


def nowhere(failures: Sequence[Failure], sources: Sources) -> CasaError:
    """Return one error about all files that are nowhere to be had, each named once."""
    lines: list[str] = []
    once = {failure.artifact: failure for failure in failures}
    for artifact, failure in once.items():
        need = ", without which nothing of this release can be verified," if failure.is_list else ""
        lines.append(f"{artifact.key}{need} is nowhere to be had:")
        lines += [f"  {reason}" for reason in failure.reasons]
    first = next(iter(once))
    folder = sources.cache / first.component / first.version
    ways = [f"  put the project's files into {folder} by hand, their list of digests with them"]
    if not sources.mirror:
        ways.append("  name a mirror that has the cache's layout: `site_artifact_mirror`")
    ways.append(
        "  where there is a connection, run `casa-install bundle create -i INVENTORY`; "
        "bring the file here and name it: `site_artifact_bundle`"
    )
    return CasaError("\n".join(lines), hint="One of these helps:\n" + "\n".join(ways))
