"""What a host of the cluster gets besides k3s, for every kind of host, and that it changes on purpose.

`CASA_GOLDEN=write` writes the golden files anew.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.k3s.rendering import lines, resources

HERE = Path(__file__).resolve().parent
OURS = (
    "/etc/modules-load.d/", "/etc/sysctl.d/", "/etc/NetworkManager/", "/etc/firewalld/", "/etc/ufw/",
    "/etc/rancher/k3s/config.yaml.d", "/var/lib/rancher/k3s/server",
)  # fmt: skip
FIREWALLD = lines("unit\tfirewalld.service\tactive\tenabled")
UFW = lines("ufw\tactive")
DUAL = {
    "k3s_cluster_cidr": "10.42.0.0/16,fd42:10::/56",
    "k3s_service_cidr": "10.43.0.0/16,fd42:11::/112",
    "k3s_flannel_backend": "wireguard-native",
}
CASES: dict[str, dict[str, Any]] = {
    "server": {},
    "server-firewalld": {
        "found": FIREWALLD,
        "family": "RedHat",
        "k3s_api_networks": ["198.51.100.0/24", "2001:db8:1::/48"],
    },
    "agent-firewalld-dual": {"host": "a1", "found": FIREWALLD, "family": "RedHat", **DUAL},
    "agent-firewalld-hostgw": {
        "host": "a1",
        "found": FIREWALLD,
        "k3s_flannel_backend": "host-gw",
        "k3s_node_networks": ["192.0.2.0/24"],
        "k3s_config": {"embedded-registry": True},
    },
    "server-ufw": {"found": UFW, "k3s_api_networks": ["0.0.0.0/0"]},
    "agent-ufw-dual": {"host": "a1", "found": UFW, **DUAL},
    "agent-ufw-by-the-site": {"host": "a1", "found": UFW, "k3s_firewall": "none"},
    "server-hardened": {
        "k3s_hardening": True,
        "k3s_privileged_namespaces": ["monitoring"],
        "k3s_dask_port": 443,
    },
    "server-hardened-1.21": {"k3s_hardening": True, "k3s_version": "v1.21.3+k3s1"},
    "server-1.30.4": {"k3s_version": "v1.30.4+k3s1"},
    "agent-hardened": {"host": "a1", "k3s_hardening": True},
    "server-selinux": {
        "family": "RedHat",
        "found": lines("selinux\tenforcing", without=("unit",)),
        "k3s_disable": ["traefik"],
    },
    "agent-labels": {
        "host": "a1",
        "k3s_node_labels": {"casa.example.edu/rack": 7, "gpu": True},
        "k3s_node_taints": ["gpu=yes:NoSchedule"],
    },
    "server-without-what-it-had": {
        "found": lines("manifest\tcasa-traefik.yaml", "manifest\tcasa-network-policies.yaml"),
        "k3s_dask_port": 0,
    },
}
each_case = pytest.mark.parametrize("case", CASES)


@cache
def host_part(case: str) -> dict[str, str]:
    """Everything of the host's that a case gets: name -> content."""
    found: dict[str, str] = {}
    for item in resources(**CASES[case]):
        name = f"{item.kind} {item.name}"
        if item.kind in ("sysctl", "check"):
            found[name] = f"{item.value}\n" if item.kind == "sysctl" else ""
        elif getattr(item, "path", "").startswith(OURS) or name == "package container-selinux":
            mode = getattr(item, "mode", None)
            content = getattr(item, "content", b"")
            text = content.decode() if isinstance(content, bytes) else content
            notify = "".join(f" ({handler})" for handler in item.notify)
            found[name + (f" {mode:o}" if mode else "") + notify] = (
                text if text.endswith("\n") or not text else f"{text}\n"
            )
    return found


@each_case
def test_the_list_is_as_reviewed(case: str) -> None:
    text = "".join(f"==== {name}\n{content}" for name, content in host_part(case).items())
    golden = HERE / "golden" / f"{case}.txt"
    if os.environ.get("CASA_GOLDEN") == "write":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def documents(case: str) -> list[dict[str, Any]]:
    """What k3s would apply to the cluster."""
    texts = [text for name, text in host_part(case).items() if "/server/manifests/" in name and text]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


@each_case
def test_everything_that_k3s_applies_is_what_kubernetes_knows(case: str) -> None:
    for document in documents(case):
        if document["kind"] == "HelmChartConfig":  # k3s's own kind
            values = yaml.safe_load(document["spec"]["valuesContent"])
            assert set(values["ports"]["dask"]) == {"port", "exposedPort", "protocol", "expose"}
            continue
        for version in (
            kubernetes_validate.utils.all_versions()[0],
            "1.34",
            kubernetes_validate.latest_version(),
        ):
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize(
    ("case", "expose"),
    [("server", {"default": True}), ("server-1.30.4", True), ("server-hardened-1.21", True)],
)
def test_traefik_gets_its_port_as_its_chart_wants_it(case: str, expose: Any) -> None:
    (config,) = [document for document in documents(case) if document["kind"] == "HelmChartConfig"]
    assert yaml.safe_load(config["spec"]["valuesContent"])["ports"]["dask"]["expose"] == expose


@pytest.mark.parametrize(
    "how",
    [{"k3s_dask_port": 0}, {"k3s_disable": ["traefik"]}, {"k3s_version": "v1.20.9+k3s1"}, {"host": "a1"}],
)
def test_without_traefik_there_is_no_entry_point(how: dict[str, Any]) -> None:
    assert not [item for item in resources(**how) if "casa-traefik" in item.name]


def test_an_upgrade_that_waits_changes_nothing_that_depends_on_the_release() -> None:
    found = lines("version\tv1.24.17+k3s1")
    names = [item.name for item in resources(found=found, k3s_version="v1.25.16+k3s1", k3s_hardening=True)]
    assert "/var/lib/rancher/k3s/server/audit.yaml" in names
    assert "/var/lib/rancher/k3s/server/psa.yaml" not in names


def test_what_cis_wants_of_namespaces_keeps_all_else_out() -> None:
    policies = [document for document in documents("server-hardened") if document["kind"] == "NetworkPolicy"]
    within = [item for item in policies if item["metadata"]["name"] == "casa-within-namespace"]
    assert [item["metadata"]["namespace"] for item in within] == ["default", "kube-public", "kube-system"]
    for item in within:
        assert item["spec"] == {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}]}],
        }


def test_pod_security_has_the_sites_exemptions() -> None:
    text = next(text for name, text in host_part("server-hardened").items() if "psa.yaml" in name)
    security = yaml.safe_load(text)["plugins"][0]["configuration"]
    assert security["defaults"]["enforce"] == "restricted"
    assert security["exemptions"]["namespaces"] == ["kube-system", "monitoring"]


@each_case
def test_firewalld_can_read_its_files(case: str) -> None:
    for name, text in host_part(case).items():
        if ".xml" in name:
            ElementTree.fromstring(text)  # noqa: S314 - our own


def test_a_hardened_cluster_tells_k3s_to_read_its_files() -> None:
    for version in ("v1.24.17+k3s1", "v1.34.2+k3s1"):
        made = resources(k3s_hardening=True, k3s_version=version)
        names = {item.name for item in made}
        config = yaml.safe_load(next(item for item in made if item.name.endswith("k3s/config.yaml")).content)
        for argument in config["kube-apiserver-arg"]:
            name, _, value = argument.partition("=")
            if name in ("audit-policy-file", "admission-control-config-file"):
                assert value in names
            if name == "audit-log-path":
                assert value.rpartition("/")[0] in names
