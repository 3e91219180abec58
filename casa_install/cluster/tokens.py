"""The secrets with which nodes join."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST_LENGTH = 20
_LEAST_DIFFERENT = 8
_MADE = "`casa-install tokens k3s` makes both"
# https://docs.k3s.io/cli/token: the long form begins with the digest of the cluster's authority.
_LONG = re.compile(r"K10[0-9a-f]{64}::")


def token_findings(token: str, agent_token: str, servers: Sequence[str], agents: Sequence[str]) -> list[str]:
    """Say what is wrong with a cluster's tokens; what they are is in no sentence.

    Args:
        token: With which servers join.
        agent_token: With which agents join.
        servers: Hosts that are servers.
        agents: Hosts that are agents.
    """
    found: list[str] = []
    if servers:
        found += _token("k3s_token", token)
        if _LONG.match(token) or _LONG.match(agent_token):
            name = "k3s_token" if _LONG.match(token) else "k3s_agent_token"
            found.append(
                f"{name} holds the digest of a cluster's authority, which a cluster that is made anew "
                "cannot have: "
                "give what stands after `::server:` or `::node:`"
            )
    if servers or agents:
        found += _token("k3s_agent_token", agent_token)
    if token and token == agent_token:
        found.append(
            "k3s_agent_token equals k3s_token: every agent could then make itself a server and read all "
            "secrets; "
            f"{_MADE}"
        )
    return found


def _token(name: str, token: str) -> Iterator[str]:
    if not token:
        yield f"{name} is not set: {_MADE}, in a file that Ansible Vault encrypts"
    elif re.search(r"\s", token):
        yield f"{name} has blanks or line ends in it, which k3s cuts off: {_MADE}"
    elif len(token) < LEAST_LENGTH:
        yield f"{name} has {len(token)} characters and needs {LEAST_LENGTH}, or it can be guessed: {_MADE}"
    elif len(set(token)) < _LEAST_DIFFERENT:
        yield f"{name} has {len(set(token))} different characters only, so that it can be guessed: {_MADE}"
