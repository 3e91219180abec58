"""Hosts, groups and variables must be those that Ansible itself reads from the same files."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

from casa_install.site.inventory import load_inventory

FIXTURES = Path(__file__).with_name("fixtures")
READABLE = [
    "ok_condor_parent_group",
    "ok_external_manager",
    "ok_ini_with_ranges",
    "ok_own_variables",
    "ok_plain",
    "error_inline_ini_variables",
    "error_four_mistakes",
]


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.filterwarnings("ignore")
def test_an_inventory_reads_as_ansible_reads_it(name: str) -> None:
    path = FIXTURES / name
    loader = DataLoader()
    theirs = InventoryManager(loader=loader, sources=[str(path)])
    variables = VariableManager(loader=loader, inventory=theirs)
    ours = load_inventory([path])
    assert sorted(ours.hosts) == sorted(theirs.hosts)
    members = ours.members()
    for group, hosts in theirs.get_groups_dict().items():
        assert sorted(members.get(group, ())) == sorted(hosts) or group == "ungrouped"
    for host in theirs.get_hosts():
        names = set(variables.get_vars(host=host, include_hostvars=False))
        expected = {
            definition.name
            for definition in ours.definitions
            if (definition.scope.kind == "host" and host.name in definition.scope.names)
            or (
                definition.scope.kind == "group"
                and any(host.name in members.get(g, ()) for g in definition.scope.names)
            )
        }
        assert expected <= names
        site_names = {n for n in names if n.startswith(("htcondor_", "site_", "base_", "rack", "our_"))}
        assert site_names <= expected


@pytest.mark.filterwarnings("ignore")
def test_ini_values_are_those_of_ansible() -> None:
    path = FIXTURES / "error_inline_ini_variables"
    theirs = InventoryManager(loader=DataLoader(), sources=[str(path)])
    ours = {d.name: d for d in load_inventory([path]).definitions if d.scope.names == ("ep1",)}
    assert theirs.hosts["ep1"].vars["htcondor_kernel_tuning"] is True
    assert ours["htcondor_kernel_tuning"].value.data is True  # type: ignore[union-attr]
    assert list(ours["htcondor_settings_extra"].value.entries) == list(  # type: ignore[union-attr]
        theirs.hosts["ep1"].vars["htcondor_settings_extra"]
    )
