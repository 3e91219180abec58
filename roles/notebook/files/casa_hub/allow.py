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


def refused(said: str) -> web.HTTPError:
    """Return an error whose page tells somebody why he is not let in."""
    fault = web.HTTPError(403, "%s", said, reason="You are not let in")
    fault.jupyterhub_message = said
    return fault
