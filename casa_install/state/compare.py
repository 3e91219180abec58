"""Desired against observed: everything that differs on one host, for one role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.state.compare_host import (
    compare_check,
    compare_group,
    compare_package,
    compare_sysctl,
    compare_unit,
    compare_user,
)
from casa_install.state.compare_paths import compare_path
from casa_install.state.owed import Debt, debts, settled
from casa_install.state.phases import ORDER, selected
from casa_install.state.receipts import entries_that_left

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from casa_install.state.differences import Difference, View
    from casa_install.state.receipts import Entry
    from casa_install.state.resources import Resource

_COMPARE: Mapping[str, Callable[[Any, View], Difference | None]] = {
    "package": compare_package,
    "group": compare_group,
    "user": compare_user,
    "directory": compare_path,
    "file": compare_path,
    "link": compare_path,
    "absent": compare_path,
    "line": compare_path,
    "block": compare_path,
    "unit": compare_unit,
    "sysctl": compare_sysctl,
    "check": compare_check,
}


@dataclass(frozen=True)
class Comparison:
    """What one look at a host gave.

    Attributes:
        view: What was compared.
        differences: In the order of phases.
        left: Entries of the receipt that the role no longer lists; empty where they must stay.
        record: Resources that are as they should be but that the receipt does not hold as ours yet.
        owed: Handlers that are owed already, before anything is changed.
        settled: Handlers whose record may be cleared.
    """

    view: View
    differences: tuple[Difference, ...]
    left: tuple[Entry, ...]
    record: tuple[Resource, ...]
    owed: tuple[Debt, ...]
    settled: tuple[str, ...]

    def of(self, verdict: str, *phases: str) -> list[Difference]:
        """Return the differences of one verdict, of all phases or of some."""
        return [
            item
            for item in self.differences
            if item.verdict == verdict and (not phases or item.phase in phases)
        ]

    @property
    def clean(self) -> bool:
        """True where an apply would touch nothing on the host, its receipt included."""
        return not (self.of("change") or self.of("refuse") or self.left or self.record or self.settled)


def compare(view: View, *, tags: Collection[str] = (), full: bool = True) -> Comparison:
    """Compare everything that a role wants on a host with what the host said.

    Args:
        view: Desired, observed, receipt.
        tags: Only resources of these tags; none means all.
        full: Nothing was limited, so what left the list may be removed.
    """
    chosen = [resource for resource in view.desired.resources if selected(resource, tags)]
    found = [_COMPARE[resource.kind](resource, view) for resource in chosen]
    differences = sorted(
        (item for item in found if item is not None), key=lambda item: ORDER.index(item.phase)
    )
    differing = {item.resource.key for item in differences}
    record = [
        resource
        for resource in chosen
        if resource.key not in differing and resource.kind != "check" and not _confirmed(view, resource)
    ]
    removable = full and not tags
    return Comparison(
        view=view,
        differences=tuple(differences),
        left=tuple(entries_that_left(view.receipt, view.desired.resources)) if removable else (),
        record=tuple(record),
        owed=tuple(debts(view)),
        settled=tuple(settled(view)),
    )


def _confirmed(view: View, resource: Resource) -> bool:
    entry = view.entry(resource)
    return entry is not None and entry.confirmed
