"""What the preflight refuses, each with its message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TWO = {"interactive": {"quota": 0.25}, "batch": {"quota": 0.75}}
NAMED = {"htcondor_group_interactive": "", "htcondor_group_batch": ""}


def test_the_defaults_are_fine(findings: Callable[..., list[str]]) -> None:
    assert findings() == []
    assert findings(htcondor_port_range=[20000, 25000]) == []
    assert findings(htcondor_health_mounts=["/cvmfs/cms.cern.ch", "/home"]) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"htcondor_groups": {**TWO, "cms": {"quota": 0.1}}}, "the fractions of the pool add up to 1.1"),
        (
            {"htcondor_groups": {**TWO, "batch.a": {"quota": 0.6}, "batch.b.c": {"quota": 0.6}}},
            "the fractions below batch add up to 1.2",
        ),
        ({"htcondor_groups": {"a b": {"quota": 0.1}}, **NAMED}, "`a b` is no name for a group"),
        ({"htcondor_groups": {"a": {}}, **NAMED}, "a needs a quota"),
        ({"htcondor_groups": {"a": {"quota": 1.5}}, **NAMED}, "a needs a quota"),
        ({"htcondor_groups": {}}, "htcondor_group_batch: `batch` is not in htcondor_groups"),
        ({"htcondor_concurrency_limits": {"X-C": 1}}, "`X-C` is no name for a submit requirement"),
        ({"htcondor_health_mounts": ["/a b"]}, "`/a b` must be an absolute path without blanks"),
        ({"htcondor_port_range": [20000, 40000]}, "htcondor_port_range must be two ports"),
        ({"htcondor_port_range": [20000]}, "htcondor_port_range must be two ports"),
        ({"htcondor_container_binds": ["/a b"]}, "`/a b` must be an absolute path without blanks"),
        ({"__htcondor_docker": {"rc": 2}}, "this host has no group docker: install Docker first"),
        ({"htcondor_dedicated": True}, "htcondor_dedicated is set, but htcondor_interactive is `shared`"),
        (
            {"family": "RedHat", "name": "AlmaLinux", "version": "8"},
            "AlmaLinux 8 is not supported: ansible-core cannot manage its packages; use EL 9 or newer",
        ),
    ],
)
def test_what_cannot_work_is_refused(
    findings: Callable[..., list[str]], options: dict[str, Any], message: str
) -> None:
    assert message in "\n".join(findings(**options))
