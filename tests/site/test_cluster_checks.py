"""A cluster as an inventory describes it, where what is known depends on what could be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casa_install.site.check import check_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TWO = "k3s_server: {hosts: {s1: , s2: }}\n"
THREE = "k3s_server: {hosts: {s1: , s2: , s3: }}\nk3s_agent: {hosts: {a1: }}\n"
SECRET, OTHER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
TOKENS = f"k3s_token: {SECRET}\nk3s_agent_token: {OTHER}\n"
pytestmark = pytest.mark.usefixtures("small_specs")


def test_a_cluster_in_order(site: Callable[..., Path]) -> None:
    report = check_site([site({"hosts.yml": THREE, "group_vars/all/k3s.yml": TOKENS})])
    assert (report.findings, report.notes) == ((), ())


def test_a_file_that_is_not_read_may_hold_the_tokens(site: Callable[..., Path]) -> None:
    files = {"hosts.yml": THREE, "group_vars/all/secrets.yml": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"}
    report = check_site([site(files)])
    assert report.findings == ()
    assert any("`k3s_token` is not set" in note for note in report.notes)
    report = check_site([site({**files, "group_vars/all/secrets.yml": "x: !vault |\n  $ANSIBLE_VAULT;1\n"})])
    assert len(report.findings) == 2


def test_what_e_sets_is_not_judged(site: Callable[..., Path]) -> None:
    path = site({"hosts.yml": TWO, "group_vars/all/k3s.yml": "k3s_agent_token: short\n"})
    names = ["k3s_token", "k3s_agent_token", "k3s_datastore_endpoint", "k3s_cluster_cidr"]
    assert not check_site([path]).ok
    assert check_site([path], extra_names=names).findings == ()


def test_an_inventory_program_may_add_a_third_server(site: Callable[..., Path]) -> None:
    files: dict[str, str | bytes] = {"hosts.yml": TWO, "group_vars/all/k3s.yml": TOKENS}
    assert "2 servers lose etcd's quorum" in check_site([site(files)]).findings[0].message
    path = site({**files, "more.yml": "plugin: some.collection.plugin\n"})
    report = check_site([path])
    assert report.findings == ()
    assert any("quorum" in note for note in report.notes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"k3s_token: {SECRET}\nk3s_agent_token: {SECRET}\n", "`k3s_agent_token` equals `k3s_token`"),
        (f"k3s_token: 12345\nk3s_agent_token: {OTHER}\n", "`k3s_token` has 5 characters and needs 20"),
        (f"k3s_token:\nk3s_agent_token: {OTHER}\n", "`k3s_token` is not set"),
    ],
)
def test_a_weak_token_is_refused_and_not_shown(site: Callable[..., Path], text: str, expected: str) -> None:
    report = check_site([site({"hosts.yml": THREE, "group_vars/all/k3s.yml": text})])
    assert len(report.findings) == 1
    assert expected in report.findings[0].message
    assert not any(secret in str(report.as_json()) for secret in (SECRET, OTHER, "12345"))


def test_the_more_special_value_counts(site: Callable[..., Path]) -> None:
    files: dict[str, str | bytes] = {
        "hosts.yml": THREE,
        "group_vars/all/k3s.yml": TOKENS + "k3s_cluster_cidr: 10.43.0.0/16\n",
        "group_vars/k3s_server.yml": "k3s_cluster_cidr: 10.44.0.0/16\n",
    }
    assert check_site([site(files)]).ok
    files["group_vars/k3s_server.yml"] = "k3s_cluster_cidr: 10.43.128.0/17\n"
    (finding,) = check_site([site(files)]).findings
    assert finding.path.name == "k3s_server.yml"
    assert "overlaps with `k3s_service_cidr` 10.43.0.0/16" in finding.message


def test_values_of_a_wrong_kind_are_left_to_the_check_of_types(site: Callable[..., Path]) -> None:
    odd = (
        "k3s_disable: {a: b}\nk3s_config: [x]\nk3s_node_labels: text\nk3s_version: [1]\nk3s_cluster_cidr: 5\n"
    )
    assert check_site([site({"hosts.yml": THREE, "group_vars/all/k3s.yml": TOKENS + odd})]).ok


def test_a_site_without_a_cluster_is_not_asked(site: Callable[..., Path]) -> None:
    assert check_site([site({"group_vars/all/k3s.yml": "k3s_version: whatever\n"})]).ok
