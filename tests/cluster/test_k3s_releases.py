"""Versions of k3s: how they are read and ordered, what each can do, and which may follow which."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casa_install.cluster.upgrades import path, upgrade_findings
from casa_install.cluster.versions import (
    Version,
    critical_keys,
    features,
    flannel_backend_finding,
    found_version,
    has,
    parse_version,
    table,
    version_finding,
    within,
)


@pytest.mark.parametrize("text", ["v1.34.2+k3s1", "v1.20.9+k3s1", "v1.33.7+k3s3", "v1.21.3-rc1+k3s1"])
def test_a_release_is_read_and_written_alike(text: str) -> None:
    assert str(parse_version(text)) == text
    assert version_finding(text) == ""


@pytest.mark.parametrize(
    "text", ["", "1.34.2+k3s1", "v1.34.2", "v1.34+k3s1", "latest", "stable", "v1.34.2-k3s1", " v1.34.2+k3s1"]
)
def test_what_is_no_release_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a release such as `v1\.34\.2\+k3s1`"):
        parse_version(text)
    assert version_finding(text) == f"k3s_version: `{text}` is not a release such as `v1.34.2+k3s1`"


def test_a_release_older_than_the_table_is_refused() -> None:
    assert "v1.19.5+k3s2 is too old" in version_finding("v1.19.5+k3s2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k3s version v1.21.3+k3s1 (1d1f220f)\ngo version go1.16.6", "v1.21.3+k3s1"),
        ("v1.34.2+k3s1", "v1.34.2+k3s1"),
        ("rancher/k3s:v1.34.2-k3s1", "v1.34.2+k3s1"),
        ("k3s version v1.21.3-rc1+k3s1 (aef8a6aa)", "v1.21.3-rc1+k3s1"),
        ("k3s version v1.21.3+k3s-aef8a6aa (aef8a6aa)", "v1.21.3+k3s0"),
    ],
)
def test_a_version_is_found_in_what_programs_print(text: str, expected: str) -> None:
    assert str(found_version(text)) == expected


def test_no_version_is_found_where_there_is_none() -> None:
    assert found_version("k3s: command not found") is None
    assert not any(features("k3s: command not found").values())


def test_releases_are_in_order() -> None:
    texts = [
        "v1.9.9+k3s1",
        "v1.33.7-rc1+k3s1",
        "v1.33.7+k3s1",
        "v1.33.7+k3s3",
        "v1.33.10+k3s1",
        "v1.34.0+k3s1",
    ]
    versions = [parse_version(text) for text in texts]
    assert all(earlier < later for earlier, later in itertools.pairwise(versions))


@pytest.mark.parametrize(
    ("feature", "without", "with_it"),
    [
        ("config_dropins", ["v1.20.9+k3s1"], ["v1.21.0+k3s1", "v1.34.2+k3s1"]),
        ("secrets_encrypt_command", ["v1.21.7+k3s1", "v1.22.4+k3s1"], ["v1.21.8+k3s1", "v1.22.5+k3s1"]),
        ("token_command", ["v1.26.1+k3s1", "v1.23.17+k3s1"], ["v1.26.2+k3s1", "v1.24.11+k3s1"]),
        ("embedded_registry", ["v1.28.5+k3s1", "v1.29.0+k3s1"], ["v1.28.6+k3s1", "v1.30.0+k3s1"]),
        ("image_directory_watch", ["v1.31.4+k3s1", "v1.28.15+k3s1"], ["v1.31.5+k3s1", "v1.32.0+k3s1"]),
        ("containerd_v3_template", ["v1.32.1+k3s1", "v1.31.5+k3s1"], ["v1.31.6+k3s1", "v1.33.0+k3s1"]),
        ("kubelet_dropins", ["v1.31.14+k3s1"], ["v1.32.0+k3s1"]),
        ("cgroup_v2_required", ["v1.34.2+k3s1"], ["v1.35.0+k3s1", "v1.36.2+k3s1"]),
        ("pod_security_admission", ["v1.24.17+k3s1"], ["v1.25.0+k3s1"]),
        ("traefik_tcp", ["v1.20.9+k3s1"], ["v1.21.3+k3s1"]),
    ],
)
def test_what_a_release_can_do(feature: str, without: list[str], with_it: list[str]) -> None:
    assert [has(parse_version(text), feature) for text in without] == [False] * len(without)
    assert [has(parse_version(text), feature) for text in with_it] == [True] * len(with_it)


def test_every_span_of_the_table_can_be_read() -> None:
    versions = [parse_version("v1.20.9+k3s1"), parse_version("v1.37.0+k3s1")]
    rules = table()
    spans = [*rules["features"].values(), *rules["flannel_backends"].values()]
    spans += [rules["etcd"]["safe"], rules["etcd"]["v36"]]
    for span in spans:
        assert set(span) <= {"from", "until", "instead"}
        for version in versions:
            within(version, span)
        assert sorted(span["from"], key=parse_version) == span["from"]
    assert all(list(features("v1.34.2+k3s1")) == list(features(str(v))) for v in versions)
    assert {"cluster-cidr", "agent-token", "flannel-backend"} <= critical_keys()


@pytest.mark.parametrize(
    ("backend", "version", "expected"),
    [
        ("vxlan", "v1.20.9+k3s1", ""),
        ("wireguard-native", "v1.34.2+k3s1", ""),
        ("wireguard", "v1.21.3+k3s1", ""),
        ("wireguard-native", "v1.21.3+k3s1", "k3s v1.21.3+k3s1 has no `wireguard-native`"),
        ("wireguard", "v1.26.0+k3s1", "has no `wireguard`: use wireguard-native"),
        ("ipsec", "v1.34.2+k3s1", "has no `ipsec`: use wireguard-native"),
        ("calico", "v1.34.2+k3s1", "`calico` is none of vxlan, host-gw, none, wireguard-native"),
    ],
)
def test_back_ends_of_flannel_by_release(backend: str, version: str, expected: str) -> None:
    found = flannel_backend_finding(backend, parse_version(version))
    assert expected in found
    assert bool(expected) == bool(found)


NEW = "v1.33.10+k3s1"


def test_the_next_minor_release_may_follow() -> None:
    servers = dict.fromkeys(["s1", "s2", "s3"], "k3s version v1.32.12+k3s1 (abc)")
    assert upgrade_findings(servers, {"a1": "v1.30.14+k3s1", "a2": ""}, NEW) == []


def test_a_new_cluster_may_have_any_release() -> None:
    assert upgrade_findings({"s1": ""}, {"a1": ""}, "v1.37.0+k3s1") == []


def test_the_same_release_and_one_built_from_its_commit_may_stay() -> None:
    running = {"s1": NEW, "s2": "k3s version v1.33.10+k3s-aef8a6aa (aef8a6aa)"}
    assert upgrade_findings(running, {}, NEW) == []


def test_a_jump_says_the_path() -> None:
    found = upgrade_findings({"s1": "v1.31.6+k3s1"}, {}, "v1.33.10+k3s1")
    assert found == [
        "v1.31 -> v1.33 must pass v1.32, because no minor release may be left out: set k3s_version to a "
        "release "
        "of v1.32 first, then v1.33.10+k3s1"
    ]
    found = upgrade_findings({"s1": "v1.30.1+k3s1"}, {}, "v1.33.10+k3s1")
    assert "must pass v1.31, v1.32" in found[0]
    assert "a release of v1.31 first, then v1.32, then v1.33.10+k3s1" in found[0]


@pytest.mark.parametrize("running", ["v1.34.0+k3s1", "v1.33.11+k3s1", "v1.33.10+k3s2"])
def test_nothing_goes_back(running: str) -> None:
    for hosts in ({"h1": running}, {}), ({}, {"h1": running}):
        found = upgrade_findings(*hosts, NEW, etcd=False)
        assert len(found) == 1
        assert f"h1 runs {running}, which is newer than k3s_version ({NEW})" in found[0]


def test_servers_of_three_minor_releases_are_no_starting_point() -> None:
    found = upgrade_findings({"s1": "v1.30.9+k3s1", "s2": "v1.32.1+k3s1"}, {}, "v1.32.1+k3s1")
    assert any(
        "s1 runs v1.30.9+k3s1 and s2 v1.32.1+k3s1" in f and "bring s1 to v1.31 first" in f for f in found
    )


@pytest.mark.parametrize(
    ("agent", "target", "refused"),
    [
        ("v1.30.0+k3s1", "v1.33.10+k3s1", False),
        ("v1.29.0+k3s1", "v1.33.10+k3s1", True),
        # Kubelets before 1.25 may be two behind only.
        ("v1.25.0+k3s1", "v1.28.3+k3s1", False),
        ("v1.24.0+k3s1", "v1.27.3+k3s1", True),
        ("v1.24.0+k3s1", "v1.26.3+k3s1", False),
    ],
)
def test_how_far_an_agent_may_be_behind(agent: str, target: str, refused: bool) -> None:
    found = upgrade_findings({"s1": target}, {"a1": agent}, target)
    assert [("upgrade it before the servers" in text) for text in found] == [True] * refused


@pytest.mark.parametrize(
    ("running", "target", "refused"),
    [
        ("v1.33.7+k3s1", "v1.34.2+k3s1", True),
        ("v1.33.7+k3s3", "v1.34.2+k3s1", False),
        ("v1.33.10+k3s1", "v1.34.2+k3s1", False),
        ("v1.33.12+k3s1", "v1.34.2+k3s1", False),
        # 1.33 itself changes to etcd 3.6 on its way.
        ("v1.33.6+k3s1", "v1.33.13+k3s2", True),
        ("v1.32.10+k3s1", "v1.33.13+k3s2", True),
        ("v1.32.11+k3s3", "v1.33.13+k3s2", False),
        ("v1.32.10+k3s1", "v1.33.10+k3s1", False),
        ("v1.34.1+k3s1", "v1.35.0+k3s1", False),
    ],
)
def test_etcd_3_6_follows_only_a_repaired_3_5(running: str, target: str, refused: bool) -> None:
    found = upgrade_findings({"s1": running}, {}, target)
    assert [("set k3s_version: v1.33.10+k3s1 first" in text) for text in found] == [True] * refused
    assert upgrade_findings({"s1": running}, {}, target, etcd=False) == []


def test_what_says_no_version_is_said() -> None:
    found = upgrade_findings({"s1": "segmentation fault"}, {}, NEW)
    assert found == [
        "s1: `segmentation fault` says no version of k3s, so whether it may be upgraded is not known"
    ]


def test_a_target_that_is_none_is_the_only_finding() -> None:
    assert upgrade_findings({"s1": "v1.20.0+k3s1"}, {}, "newest") == [
        "k3s_version: `newest` is not a release such as `v1.34.2+k3s1`"
    ]


@given(st.integers(20, 60), st.integers(20, 60))
def test_a_path_has_every_minor_release_between(low: int, high: int) -> None:
    steps = path(Version(low, 0), Version(high, 0))
    assert len(steps) == max(0, high - low - 1)
