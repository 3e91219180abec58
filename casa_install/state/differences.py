"""What differs on a host, in the host's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from casa_install.plugins.module_utils.casa_state.receipts import Entry, Receipt
    from casa_install.state.observed import Observed
    from casa_install.state.render import Desired
    from casa_install.state.resources import Phase, Resource

Verdict = Literal["change", "report", "refuse", "step"]
"""change: an apply mends it; report: it is told and left; refuse: the run stops before it changes anything;
step: an imperative step is owed."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as the role wants it.

    Attributes:
        resource: What is wanted.
        verdict: What follows.
        text: One phrase with a verb, like `install condor 23.9`; never holds anything sensitive.
        details: What exactly differs, like `mode 0644, not 0640`.
        aspects: The same for programs: missing, content, attributes, type, target, version, held, entries,
            enabled, state, masked, reload, live.
        hint: The way round a refusal.
        names: For `entries`, the names that are not ours.
    """

    resource: Resource
    verdict: Verdict
    text: str
    details: tuple[str, ...] = ()
    aspects: frozenset[str] = frozenset()
    hint: str = ""
    names: tuple[bytes, ...] = ()

    @property
    def phase(self) -> Phase:
        """The phase that mends it."""
        return self.resource.phase

    def as_dict(self) -> dict[str, object]:
        """Return it for a task's result and for machines."""
        return {
            "kind": self.resource.kind,
            "name": self.resource.name,
            "phase": self.phase,
            "verdict": self.verdict,
            "text": self.text,
            "details": list(self.details),
            "hint": self.hint,
            "place": str(self.resource.place),
        }


@dataclass(frozen=True)
class View:
    """Everything that a comparison may look at."""

    desired: Desired
    observed: Observed
    receipt: Receipt
    maintenance: bool = False

    def entry(self, resource: Resource) -> Entry | None:
        """Return what the receipt says about a resource."""
        return self.receipt.find(*resource.key)


def change(resource: Resource, text: str, *details: str, aspects: str) -> Difference:
    """Return a difference that an apply mends; `aspects` are words."""
    return Difference(resource, "change", text, details, frozenset(aspects.split()))


def report(resource: Resource, text: str, *details: str, aspects: str = "") -> Difference:
    """Return a difference that is told and left as it is."""
    return Difference(resource, "report", text, details, frozenset(aspects.split()))


def refuse(resource: Resource, text: str, hint: str = "") -> Difference:
    """Return a difference that stops the run before anything is changed."""
    return Difference(resource, "refuse", text, hint=hint)
