"""What a change of a node's configuration means while the node runs."""

from __future__ import annotations

from typing import Any

import pytest

from casa_install.cluster.changes import CLASSES, compare_configs
from casa_install.cluster.config import node_config

BASE: dict[str, Any] = {"servers": ["s1"], "api": "s1:6443", "node_name": "s1", "version": "v1.34.2+k3s1"}


def verdict(**changed: Any) -> Any:
    return compare_configs(node_config(BASE), node_config({**BASE, **changed}))


def test_the_same_is_no_change() -> None:
    found = verdict()
    assert (found.means, found.changes, found.on_all_servers, found.refusals) == ("none", (), (), [])


@pytest.mark.parametrize(
    ("changed", "key", "means"),
    [
        ({"cluster_cidr": "10.44.0.0/16"}, "cluster-cidr", "refused"),
        ({"service_cidr": "10.44.0.0/16"}, "service-cidr", "refused"),
        ({"cluster_dns": "10.43.0.53"}, "cluster-dns", "refused"),
        ({"cluster_domain": "t3.local"}, "cluster-domain", "refused"),
        ({"datastore_endpoint": "mysql://db"}, "datastore-endpoint", "refused"),
        ({"secrets_encryption": False}, "secrets-encryption", "refused"),
        ({"node_name": "s9"}, "node-name", "refused"),
        ({"flannel_backend": "host-gw"}, "flannel-backend", "drain"),
        ({"node_ip": "192.0.2.9"}, "node-ip", "drain"),
        ({"selinux": True}, "selinux", "drain"),
        ({"tls_sans": ["k3s.example.edu"]}, "tls-san", "restart"),
        ({"disable": ["traefik"]}, "disable", "restart"),
        ({"reservations": ["system-reserved=cpu=1"]}, "kubelet-arg", "restart"),
        ({"config": {"etcd-snapshot-retention": 9}}, "etcd-snapshot-retention", "restart"),
        ({"node_labels": {"example.edu/rack": "7"}}, "node-label", "label"),
        ({"node_taints": ["example.edu/rack=7:NoSchedule"]}, "node-taint", "label"),
    ],
)
def test_what_each_change_means(changed: dict[str, Any], key: str, means: str) -> None:
    found = verdict(**changed)
    assert [(change.key, change.means) for change in found.changes] == [(key, means)]
    assert found.means == means
    assert bool(found.refusals) == (means == "refused")
    assert means == "restart" or found.changes[0].why


def test_the_most_that_one_needs_is_what_all_need() -> None:
    found = verdict(node_labels={"a": "b"}, tls_sans=["x"], flannel_backend="host-gw")
    assert (found.means, len(found.changes)) == ("drain", 3)
    assert list(CLASSES) == ["none", "label", "restart", "drain", "refused"]


def test_a_refusal_names_the_variable_and_no_value() -> None:
    found = verdict(datastore_endpoint="mysql://user:secret@db")
    assert found.refusals == [
        "k3s_datastore_endpoint was changed, which a cluster that runs cannot take: the new datastore would "
        "be an "
        "empty cluster"
    ]


def test_a_node_that_never_ran_takes_anything() -> None:
    assert compare_configs({}, node_config(BASE)).means == "none"


def test_what_k3s_takes_by_itself_may_be_written_down() -> None:
    old = {"token-file": "/etc/rancher/k3s/token"}
    new = {
        **old,
        "cluster-cidr": "10.42.0.0/16",
        "service-cidr": ["10.43.0.0/16"],
        "cluster-domain": "cluster.local",
        "flannel-backend": "vxlan",
        "secrets-encryption": False,
    }
    assert compare_configs(old, new).changes == ()


def test_two_ranges_may_be_a_list_or_one_text() -> None:
    old = {"cluster-cidr": "10.42.0.0/16,fd42::/56"}
    assert compare_configs(old, {"cluster-cidr": ["10.42.0.0/16", "fd42::/56"]}).changes == ()


def test_what_must_be_equal_on_all_servers_is_named() -> None:
    assert verdict(flannel_backend="host-gw", tls_sans=["x"]).on_all_servers == ("flannel-backend",)
    assert verdict(disable=["servicelb"]).on_all_servers == ("disable",)
    assert verdict(disable=["traefik"]).on_all_servers == ()
    agents = compare_configs({"agent-token": "1"}, {"agent-token": "2"}, "agent")
    assert agents.on_all_servers == ()


def test_one_server_may_move_into_etcd_and_not_back() -> None:
    assert compare_configs({"debug": True}, {"debug": True, "cluster-init": True}).means == "restart"
    assert compare_configs({"debug": True, "cluster-init": True}, {"debug": True}).means == "refused"


def test_a_server_s_token_is_not_changed_by_a_file() -> None:
    old, new = {"token": "digest 1"}, {"token": "digest 2"}
    assert compare_configs(old, new, "server").means == "refused"
    assert compare_configs(old, new, "agent").means == "restart"
    assert "digest" not in str(compare_configs(old, new))
