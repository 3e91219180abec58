"""Receipts as the controller uses them: reading what the probe brought, and what left the list.

The document itself is the host's, see `casa_install.plugins.module_utils.casa_state.receipts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.errors import CasaError
from casa_install.plugins.module_utils.casa_state.receipts import Entry, Owed, Receipt, ReceiptError, parse
from casa_install.plugins.module_utils.casa_state.removal_plan import PHASES, Step, plan_removal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.state.observed import Observed
    from casa_install.state.resources import Resource

__all__ = [
    "PHASES", "Entry", "Owed", "Receipt", "Step", "entries_that_left", "plan_removal", "read_receipt",
]  # fmt: skip


def read_receipt(role: str, observed: Observed, *, base: str = "/etc/casa-install") -> Receipt:
    """Return the receipt of a role on a host; an empty one where the host has none.

    Raises:
        CasaError: The receipt is damaged, of a newer version, or lies where others than root can change it.
            Nothing may be changed on such a host: what was there before us would be a guess.
    """
    mode, uid = observed.receipts_mode, observed.receipts_uid
    if mode is not None and (mode & 0o170000 != 0o040000 or uid != 0 or mode & 0o077):
        raise CasaError(
            f"{base}/receipts must be a directory of root with mode 0700; "
            f"it belongs to uid {uid} and has mode {mode & 0o7777:04o}",
            hint=f"find out who changed it; then: chown root {base}/receipts && chmod 0700 {base}/receipts",
        )
    if observed.receipt is None:
        return Receipt(role)
    try:
        return parse(observed.receipt, role)
    except ReceiptError as fault:
        raise CasaError(str(fault), hint=f"look at {base}/receipts/{role}.json on the host") from fault


def entries_that_left(receipt: Receipt, resources: Iterable[Resource]) -> list[Entry]:
    """Return what the receipt lists and the role no longer does, in the order of removal.

    A path that only changed its kind, a file that became a link say, has not left.
    """
    resources = list(resources)
    keys = {resource.key for resource in resources}
    paths = {resource.name for resource in resources if resource.name.startswith("/")}
    gone = [
        entry
        for entry in receipt.entries
        if entry.key not in keys and not (entry.name in paths and entry.kind in ("file", "link", "absent"))
    ]
    wanted = {entry.key for entry in gone}
    return [step.entry for step in plan_removal(receipt) if step.entry.key in wanted]
