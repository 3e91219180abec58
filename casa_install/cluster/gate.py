"""A gate that a host does not pass: what was found, what is needed, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that a host does not pass.

    Attributes:
        gate: Its name.
        found: What was found on the host.
        needed: What is needed.
        fix: What to do about it.
    """

    gate: str
    found: str
    needed: str
    fix: str
