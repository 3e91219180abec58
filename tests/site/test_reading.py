from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from casa_install.site.check import check_site
from casa_install.site.collection import collection_root
from casa_install.site.findings import Finding, Place, shown_path
from casa_install.site.groups import known_groups
from casa_install.site.host_range import MAX_HOSTS, HostRangeError, expand
from casa_install.site.inventory import load_inventory
from casa_install.site.specs import load_specs
from casa_install.site.spelling import closest, edit_distance
from casa_install.site.values import DictValue, scalars
from casa_install.site.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("ep1", ["ep1"]),
        ("ep1:2222", ["ep1"]),
        ("[2001:db8::1]:22", ["2001:db8::1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("ep[1:3]", ["ep1", "ep2", "ep3"]),
        ("ep[08:10].x:22", ["ep08.x", "ep09.x", "ep10.x"]),
        ("ep[1:7:3]", ["ep1", "ep4", "ep7"]),
        ("ep[:2]", ["ep0", "ep1", "ep2"]),
        ("r[a:b]n[1:2]", ["ran1", "ran2", "rbn1", "rbn2"]),
    ],
)
def test_a_pattern_stands_for_hosts(pattern: str, hosts: list[str]) -> None:
    assert expand(pattern) == hosts


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("ep[1]", "is not a range"),
        ("ep[1:]", "no end"),
        ("ep[01:100]", "equally many digits"),
        ("ep[a:9]", "two numbers or two letters"),
        ("ep[1:9:0]", "positive"),
        ("ep[9:1]", "ends before"),
        ("ep[1:", "not closed"),
        ("ep[0:99999999999]", f"more than {MAX_HOSTS}"),
        ("a[0:999]b[0:999]", f"more than {MAX_HOSTS}"),
    ],
)
def test_a_bad_pattern_says_why(pattern: str, reason: str) -> None:
    with pytest.raises(HostRangeError, match=reason):
        expand(pattern)


def test_patterns_together_are_limited(site: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("casa_install.site.definitions.MAX_HOSTS", 1000)
    lines = "\n".join(f"h{i}-[0:999]" for i in range(8))
    report = check_site([site({"many": f"[condor_manager]\n{lines}\n"})])
    assert [f.message for f in report.findings if "stands for more than" in f.message]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("condor_excute", "condor_execute"),
        ("condor_execute", ""),
        ("xcahce", "xcache"),
        ("notebooks", "notebook"),
        ("racks", ""),
        ("ab", ""),
    ],
)
def test_the_closest_group_is_proposed(word: str, meant: str) -> None:
    assert closest(word, known_groups().names) == meant


def test_distance_counts_a_swap_as_one() -> None:
    assert edit_distance("abcd", "abdc", 3) == 1
    assert edit_distance("abcd", "wxyz", 2) == 3
    assert edit_distance("", "abc", 5) == 3


def test_findings_sort_by_place_and_show_paths_below_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    late, early = (Finding.at(Place(tmp_path / "a.yml", line, 2), "m") for line in (10, 9))
    assert sorted([late, early]) == [early, late]
    assert str(early) == "a.yml:9:2: m"
    assert shown_path(Path("/etc/hosts")) == "/etc/hosts"
    assert shown_path(tmp_path / "a\nb\x1b[31m") == "a\\nb\\x1b[31m"


def test_merge_keys_give_the_keys_of_ansible() -> None:
    document = read_yaml(b"a: &a {x: 1, y: 2}\nb:\n  <<: [*a, {z: 3, x: 4}]\n  y: 5\n", Path("f"))
    assert document.findings == []
    assert isinstance(document.value, DictValue)
    merged = document.value.entries["b"].value
    assert isinstance(merged, DictValue)
    found = {key: entry.value.data for key, entry in merged.entries.items()}  # type: ignore[union-attr]
    assert found == {"x": 1, "y": 5, "z": 3}


def test_deep_nesting_and_alias_bombs_are_cheap() -> None:
    assert "levels deep" in read_yaml(b"[" * 200_000, Path("f")).findings[0].message
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 45))
    document = read_yaml(bomb.encode(), Path("f"))
    assert document.findings == []
    assert document.value is not None
    assert len(list(scalars(document.value))) == 2


def test_an_alias_bomb_of_groups_is_cheap(site: Callable[..., Path]) -> None:
    bomb = "g0: &g0 {hosts: {h: }}\n" + "".join(
        f"g{i}: &g{i} {{children: {{l{i}: *g{i - 1}, r{i}: *g{i - 1}}}}}\n" for i in range(1, 22)
    )
    assert "h" in load_inventory([site({"bomb.yml": bomb})]).hosts


def test_a_link_that_leads_back_ends(site: Callable[..., Path]) -> None:
    path = site({})
    (path / "again").symlink_to(path)
    assert "nested more than" in check_site([path]).findings[0].message


def test_a_pipe_is_unread_not_waited_for(site: Callable[..., Path]) -> None:
    path = site({})
    os.mkfifo(path / "pipe")
    report = check_site([path])
    assert report.ok
    assert "is no regular file" in report.notes[0]


def test_a_missing_inventory_is_a_finding(tmp_path: Path) -> None:
    assert "does not exist" in check_site([tmp_path / "nowhere"]).findings[0].message
    (tmp_path / "empty").mkdir()
    messages = [f.message for f in check_site([tmp_path / "empty"]).findings]
    assert "this directory has no inventory file" in messages


def test_a_list_of_hosts_is_an_inventory() -> None:
    assert load_inventory([Path("ep1,ep[2:3],")]).hosts.keys() == {"ep1", "ep2", "ep3"}


def test_a_vaulted_inventory_may_hold_the_groups(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    report = check_site([tmp_path])
    assert report.ok
    assert "is encrypted and was not read" in report.notes[0]


def test_control_characters_of_names_stay_out_of_the_report(site: Callable[..., Path]) -> None:
    report = check_site([site({"group_vars/all/more.yml": '"htcondor_\\e[31mx": 1\n"site_\\nname": 1\n'})])
    assert len(report.findings) == 2
    assert all(str(finding).isprintable() for finding in report.findings)


def test_every_role_of_ours_is_known_and_has_its_prefix() -> None:
    specs = load_specs()
    assert set(known_groups().every_host) <= set(specs.roles)
    assert {role for roles in known_groups().roles.values() for role in roles} <= set(specs.roles)
    for role, options in specs.roles.items():
        assert all(specs.role_of(name) == role or name.startswith("casa_") for name in options)
    for need in known_groups().needs:
        assert set(need.unless) <= set(specs.options)


def test_the_table_of_groups_says_what_the_playbook_does() -> None:
    known = known_groups()
    given: dict[str, set[str]] = {}
    for play in yaml.safe_load((collection_root() / "playbooks/site.yml").read_text()):
        names = {role["role"].removeprefix("casa.install.") for role in play.get("roles", ())}
        for pattern in play["hosts"].split(":"):
            # `group[0]` and `group[1:]` are its first host and the others.
            given.setdefault(pattern.partition("[")[0], set()).update(names)
    for group, roles in known.roles.items():
        assert given.get(group, set()) - set(known.every_host) == set(roles), group
