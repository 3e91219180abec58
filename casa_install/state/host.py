"""A host as a run sees it: the ways to reach it, how the run was asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from casa_install.state.differences import Difference
    from casa_install.state.observed import Observed


class Host(Protocol):
    """The ways to reach a host."""

    def probe(self, script: str) -> bytes:
        """Run a shell script, given on standard input, as root; returns its standard output."""

    def engine(self, document: dict[str, Any]) -> dict[str, Any]:
        """Hand a document to the host's part of the engine; returns its result.

        Raises:
            CasaError: It refused before it changed anything.
        """

    def module(self, name: str, arguments: dict[str, Any]) -> bool:
        """Run one of Ansible's modules; returns whether it changed something.

        Raises:
            CasaError: It failed.
        """

    def stage(self, path: Path) -> str:
        """Put a large local file on the host by the connection's own transfer; returns where."""


@dataclass(frozen=True)
class Options:
    """How a run was asked for.

    Attributes:
        check: Change nothing.
        diff: Collect what changes inside files.
        tags: Ours among the run's tags; empty means all.
        full: Neither limited nor tagged, so what left the list may go.
        maintenance: Leave units alone.
        run: The run's identifier.
        holder: Who changes the host.
        base: Where receipts are kept on the host.
    """

    check: bool = False
    diff: bool = False
    tags: frozenset[str] = frozenset()
    full: bool = True
    maintenance: bool = False
    run: str = ""
    holder: str = ""
    base: str = "/etc/casa-install"


@dataclass
class Outcome:
    """What a run on a host did, or in check mode would do.

    Attributes:
        changed: Something was, or would be, changed.
        differences: What differed at the first look, and what came to light after packages.
        notify: Handlers to notify.
        needs_drain: Handlers that would kill users' work: told, never notified.
        owed: Checks whose imperative step is owed.
        done: What was done, in phrases.
        notes: What was moved aside, swept or left.
        failures: What could not be done, each with a `message` and a `hint`.
        diff: Diffs of files, as Ansible shows them.
    """

    changed: bool = False
    differences: list[dict[str, object]] = field(default_factory=list)
    notify: list[str] = field(default_factory=list)
    needs_drain: list[str] = field(default_factory=list)
    owed: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)


class RefusalError(CasaError):
    """The host is in a state that must not be changed over somebody's head; nothing was changed."""

    def __init__(self, differences: Iterable[Difference]) -> None:
        found = list(differences)
        hints = list(dict.fromkeys(item.hint for item in found if item.hint))
        super().__init__("\n".join(item.text for item in found), hint="\n".join(hints))


def require_root(observed: Observed) -> None:
    """Refuse a login that sees only part of the host."""
    if observed.uid != 0:
        raise CasaError(
            f"the host must be looked at as root; the login is uid {observed.uid}",
            hint="set `become: true` for the play (and --ask-become-pass where sudo asks for a password)",
        )
