"""The filters as a role calls them, through Ansible's own templates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
OPTIONS: dict[str, Any] = {
    "kind": "server",
    "version": "v1.34.2+k3s1",
    "token": "0123456789abcdef0123456789abcdef",
    "agent_token": "fedcba9876543210fedcba9876543210",
    "server_hosts": ["s1"],
    "agent_hosts": ["a1"],
    "servers": ["s1.example.edu"],
    "api": "s1.example.edu:6443",
    "cluster_cidr": "10.42.0.0/16",
    "service_cidr": "10.43.0.0/16",
}


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    # Tests of another role may have done it in this process.
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROOT / ".dev")])


@pytest.fixture
def template() -> Callable[..., Any]:
    def run(text: str, **variables: Any) -> Any:
        templar = Templar(loader=DataLoader(), variables={"options": OPTIONS, **variables})
        return templar.template(trust_as_template(text))

    return run


def test_settings_that_work(template: Callable[..., Any]) -> None:
    around = {"hosts": {"s1": ["192.0.2.1/24"]}}
    assert template("{{ options | casa.install.k3s_findings(around) }}", around=around) == []
    assert template("{{ options | casa.install.k3s_warnings }}") == []
    config = template("{{ options | casa.install.k3s_config }}")
    assert config["token-file"] == "/etc/rancher/k3s/token"
    assert template("{{ options | casa.install.k3s_environment(['a1']) }}") == {}


def test_all_kinds_of_findings_come_at_once(template: Callable[..., Any]) -> None:
    bad = {"version": "x", "cluster_cidr": "10.42.0.0/16,nonsense", "token": "short"}
    around = {"hosts": {"s1": ["10.42.0.1/24"]}, "allowed": {"xcache_allowed_subnets": ["10.0.0.0/8"]}}
    found = template(
        "{{ options | combine(bad) | casa.install.k3s_findings(around) }}", bad=bad, around=around
    )
    assert len(found) == 4
    assert sum("10.42.0.0/24 of s1" in text for text in found) == 1
    warnings = template("{{ options | casa.install.k3s_warnings(around) }}", around=around)
    assert len(warnings) == 1


def test_a_change_is_a_plain_mapping(template: Callable[..., Any]) -> None:
    found = template(
        "{{ new | casa.install.k3s_change_class(old) }}",
        old={"cluster-cidr": "10.42.0.0/16"},
        new={"cluster-cidr": "10.44.0.0/16"},
    )
    assert found["means"] == "refused"
    assert found["changes"][0]["key"] == "cluster-cidr"
    assert len(found["refusals"]) == 1


def test_versions(template: Callable[..., Any]) -> None:
    assert template("{{ 'v1.20.9+k3s1' | casa.install.k3s_features }}")["config_dropins"] is False
    found = template("{{ 'v1.34.2+k3s1' | casa.install.k3s_upgrade_findings({'s1': 'v1.32.13+k3s1'}, {}) }}")
    assert "must pass v1.33" in found[0]


def test_addresses(template: Callable[..., Any]) -> None:
    lines = ["2: eth0    inet 192.0.2.5/24 scope global eth0", "4: cni0    inet 10.42.0.1/24 scope global"]
    assert template("{{ lines | casa.install.k3s_addresses }}", lines=lines) == ["192.0.2.5/24"]


def test_a_split_is_for_both_sides(template: Callable[..., Any]) -> None:
    lines = ["cpus 32", "cores 16", "memory 131072"]
    options = {"kind": "agent", "jobs": True}
    call = "{{ lines | casa.install.k3s_split(options, 'ep1') }}"
    found = template(call, lines=lines, options=options)
    assert found["startd"] == {"NUM_CPUS": 23, "RESERVED_MEMORY": 34304}
    assert len(found["kubelet"]) == 2
    assert [row[0] for row in found["table"]["rows"]] == ["ep1"]
    cores = template(call, lines=lines, options={**options, "physical_cores": True})
    assert cores["startd"]["NUM_CPUS"] == 11
    nothing = template(call, lines=[], options=options)
    assert (nothing["startd"], nothing["kubelet"], nothing["table"]["rows"]) == ({}, [], [])
