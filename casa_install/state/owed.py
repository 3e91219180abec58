"""Handlers that are owed: a change was made, and nothing proves yet that the service knows of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.state.resources import File

if TYPE_CHECKING:
    from casa_install.state.differences import View
    from casa_install.state.resources import Handler


@dataclass(frozen=True)
class Debt:
    """One owed handler.

    Attributes:
        handler: Which, and how it is proved.
        reason: Why, in a sentence's tail.
    """

    handler: Handler
    reason: str


def debts(view: View) -> list[Debt]:
    """Return the handlers that are owed by what the host looks like, whatever caused it.

    A record on the host counts until it is proved. With a proof by time, a file of ours that changed after
    the service last read it counts too: so "edited, restarted, put back without a restart" shows.
    """
    found = []
    for handler in view.desired.handlers.values():
        reason = _recorded(handler, view) or _newer_file(handler, view)
        if reason:
            found.append(Debt(handler, reason))
    return found


def settled(view: View) -> list[str]:
    """Return the handlers whose record on the host may be cleared: the service's own time proves them."""
    open_ones = {debt.handler.name for debt in debts(view)}
    return [owed.handler for owed in view.receipt.owed if owed.handler not in open_ones]


def _recorded(handler: Handler, view: View) -> str:
    for owed in view.receipt.owed:
        if owed.handler == handler.name:
            read_at = last_read(handler, view)
            if read_at is None or read_at < owed.since:
                return owed.reason
    return ""


def _newer_file(handler: Handler, view: View) -> str:
    read_at = last_read(handler, view)
    if read_at is None:
        return ""
    for resource in view.desired.resources:
        if isinstance(resource, File) and handler.name in resource.notify:
            status = view.observed.paths.get(resource.path)
            if status is not None and status.ctime > read_at:
                return f"{resource.path} changed after the service last read it"
    return ""


def last_read(handler: Handler, view: View) -> int | None:
    """Return when the service last read its configuration (the host's clock, seconds); None if unknown."""
    if handler.proof == "restart" and view.observed.units is not None:
        unit = view.observed.units.get(handler.unit, {})
        stamp = re.fullmatch(r"@(\d+)", unit.get("ActiveEnterTimestamp", ""))
        return int(stamp[1]) if stamp and unit.get("ActiveState") == "active" else None
    if handler.proof == "stamp":
        result = view.observed.stamps.get(handler.name)
        if result is not None and result.status == 0 and re.fullmatch(r"\d{1,15}", result.output):
            return int(result.output)
    return None
