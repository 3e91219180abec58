"""The one entry of the host's part: a document in, a result out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batch import Batch, current_contents
from .errors import HostError
from .packages import CameAlong
from .removal import Removal

if TYPE_CHECKING:
    from .platform import HostPaths, Platform


def serve(document: dict[str, Any], platform: Platform, paths: HostPaths) -> dict[str, Any]:
    """Do what `document["do"]` says: `apply` a batch, `remove` from the receipt, `show` files, or tell
    which of some packages are `orphans`.

    Raises:
        HostError: Nothing was changed.
    """
    if document["do"] == "show":
        return {"contents": current_contents(document["paths"])}
    if document["do"] == "orphans":
        return {"names": CameAlong(paths, document["role"], platform).orphans(document["names"])}
    if document["do"] == "remove":
        removal = Removal(
            document["role"], document["holder"], platform, paths, maintenance=document["maintenance"]
        )
        return removal.undo(document["phases"], document.get("only"))
    if document["do"] == "apply":
        return Batch(document, platform, paths).apply()
    raise HostError(f"the host's part of casa_state cannot {document['do']!r}")
