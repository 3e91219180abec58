"""The roles of this tree keep to the contract of desired state."""

from __future__ import annotations

from pathlib import Path

import pytest

from casa_install.state.document import load_state_file
from casa_install.state.guards import unguarded_tasks

ROLES = sorted((Path(__file__).resolve().parents[2] / "roles").glob("*/state.yml"))

# The repository must be usable before the list is played, so no check of the list can guard it. Both ways
# guard themselves: get_url leaves a file that is there alone, dnf a package that is installed.
EARLIER_THAN_THE_LIST = {"htcondor": ["ansible.builtin.include_tasks"]}


@pytest.mark.parametrize("path", ROLES, ids=[path.parent.name for path in ROLES])
def test_imperative_tasks_are_guarded_by_a_check(path: Path) -> None:
    state = load_state_file(path)
    found = [finding.message.split()[0] for finding in unguarded_tasks(state)]
    assert found == EARLIER_THAN_THE_LIST.get(path.parent.name, [])


def test_there_are_roles_to_look_at() -> None:
    assert [path.parent.name for path in ROLES] == [
        "analysis_env",
        "base",
        "dask",
        "htcondor",
        "k3s",
        "notebook",
        "trust",
        "xcache",
        "xcache_client",
    ]
