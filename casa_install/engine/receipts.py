"""What hosts say they have of ours: their receipts, as `playbooks/receipts.yml` brings them."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.plugins.module_utils.casa_state.receipts import Receipt, ReceiptError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST_LINE = "casa-install receipts 1"
_EFFECTS = ("ends", "keeps", "loses")


@dataclass(slots=True)
class HostReceipts:
    """What one host said.

    Args:
        site: The site's name as the host's variables give it.
        receipts: By role.
        faults: Receipts that must not be acted on, by role, and why.
        effects: What a role's removal `ends`, `keeps` and `loses` beside its receipt, by role.
    """

    site: str = ""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    effects: dict[str, dict[str, list[str]]] = field(default_factory=dict)


def parse_receipts(result: Mapping[str, Any]) -> HostReceipts | None:
    """Return the receipts in a task's result, or None where it is another task's; never raises."""
    output = result.get("stdout")
    if not isinstance(output, str) or not output.startswith(_FIRST_LINE) or "censored" in result:
        return None
    found = HostReceipts()
    ended = False
    for line in output.splitlines()[1:]:
        word, _, rest = line.partition(" ")
        if word == "site":
            found.site = (_decoded(rest) or b"").decode("utf-8", "replace")
        elif word == "fault":
            found.faults["*"] = rest
        elif word == "receipt":
            _take(found, *rest.partition(" ")[::2])
        elif word in _EFFECTS:
            role, _, what = rest.partition(" ")
            names = found.effects.setdefault(role, {}).setdefault(word, [])
            # A pod has several containers.
            if what not in names:
                names.append(what)
        ended = word == "end"
    if not ended:
        found.faults["*"] = "the host's answer was cut off"
    return found


def _take(found: HostReceipts, role: str, encoded: str) -> None:
    content = _decoded(encoded)
    if content is None:
        found.faults[role] = f"the receipt of role {role} could not be read"
        return
    try:
        found.receipts[role] = parse(content, role)
    except ReceiptError as fault:
        found.faults[role] = str(fault)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
