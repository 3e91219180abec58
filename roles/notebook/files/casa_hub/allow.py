"""Who may come in, in terms of what a login provider says."""

from __future__ import annotations

from dataclasses import dataclass

from tornado import web

ADMINS = "casa-admins"
"""The hub's group of admins; nobody else is in any group of it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may come in, and who of them is an admin. An admin has to be let in like everybody."""

    users: frozenset[str]
    groups: frozenset[str]
    everybody: bool
    admins: frozenset[str]

    def admits(self, claim: str, groups: frozenset[str]) -> bool:
        """Whether somebody of that name, in those groups, may come in."""
        return self.everybody or claim in self.users or bool(groups & self.groups)


class PageError(web.HTTPError):
    """An error whose page tells somebody what it is about, and what he can do."""

    def __init__(self, status: int, said: str, reason: str | None = None) -> None:
        super().__init__(status, "%s", said, reason=reason)
        self.jupyterhub_message = said


def refused(said: str) -> PageError:
    """Return an error whose page tells somebody why he is not let in."""
    return PageError(403, said, reason="You are not let in")
