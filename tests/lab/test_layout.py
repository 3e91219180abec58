"""What shapes the lab's machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casa_install.errors import CasaError
from casa_install.lab.layout import Layout, Machine, members, read_layout

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = """\
all:
  vars: {site_domain: example.test}
  children:
    storage:
      children:
        xcache:
          hosts:
            cache:
              lab_disks:
                data: {size: 1G}
    lab_origin: {hosts: {origin: {lab_capabilities: [SYS_ADMIN, NET_ADMIN]}}}
    condor_execute: {hosts: {ep1: }}
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY, encoding="utf-8")
    return read_layout([path], name="try")


def machine(layout: Layout, name: str) -> Machine:
    return next(found for found in layout.machines if found.name == name)


def test_only_machines_whose_units_sandbox_themselves_may_do_so(layout: Layout) -> None:
    assert machine(layout, "cache").capabilities == ("SYS_ADMIN",)
    assert machine(layout, "origin").capabilities == ("SYS_ADMIN", "NET_ADMIN")
    assert machine(layout, "ep1").capabilities == ()


def test_only_the_origin_has_the_data_server_in_its_image(layout: Layout) -> None:
    assert "xrootd-server" in machine(layout, "origin").packages
    assert machine(layout, "cache").packages == ()
    assert [found.name for found in layout.machines if found.is_origin] == ["origin"]


def test_disks_and_domain(layout: Layout) -> None:
    assert [disk.path for disk in machine(layout, "cache").disks] == ["/srv/data"]
    assert machine(layout, "cache").domain == "example.test"


def test_hosts_of_groups_below_belong_to_a_group() -> None:
    groups = {"a": {"hosts": ["x"], "children": ["b"]}, "b": {"hosts": ["y"]}, "c": {}}
    assert members(groups, "a") == {"x", "y"}
    assert members(groups, "c") == members(groups, "absent") == set()


def test_error_disk_without_size(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY.replace("{size: 1G}", "{path: /srv/x}"), encoding="utf-8")
    with pytest.raises(CasaError, match=r"`lab_disks` of the machine cache: `data.size` must be a number"):
        read_layout([path])


def test_people_have_accounts_where_a_lab_has_a_hub(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY, encoding="utf-8")
    assert not [found.name for found in read_layout([path]).machines if found.has_people]
    path.write_text(f"{INVENTORY}    notebook: {{hosts: {{nb1: }}}}\n", encoding="utf-8")
    found = read_layout([path])
    assert [one.name for one in found.machines if one.has_people] == ["cache", "ep1", "nb1"]
    assert [one.name for one in found.machines if one.is_hub] == ["nb1"]


def test_people_have_accounts_where_the_inventory_wants_them(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY.replace("{ep1: }", "{ep1: {lab_accounts: true}}"), encoding="utf-8")
    assert [found.name for found in read_layout([path]).machines if found.has_people] == ["ep1"]
