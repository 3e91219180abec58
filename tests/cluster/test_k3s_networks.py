"""Address ranges of pods and services: what Kubernetes takes, and what the site has already."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casa_install.cluster.networks import (
    Surroundings,
    network_findings,
    network_warnings,
    own_addresses,
)
from casa_install.cluster.ranges import Ranges, default_dns, free_range, range_findings, read_ranges

NOTHING = Surroundings()
PODS, SERVICES = "10.42.0.0/16", "10.43.0.0/16"
IP_ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
2: eth0    inet 192.0.2.5/24 brd 192.0.2.255 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 2001:db8::5/64 scope global \\       valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever
3: flannel.1    inet 10.42.0.0/32 scope global flannel.1\\       valid_lft forever preferred_lft forever
4: cni0    inet 10.42.0.1/24 brd 10.42.0.255 scope global cni0\\       valid_lft forever preferred_lft forever
9: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\\       valid_lft forever
"""


def ranges(cluster: str = PODS, service: str = SERVICES, dns: str = "") -> Ranges:
    found, findings = read_ranges(cluster, service, dns)
    assert findings == []
    return found


@pytest.mark.parametrize(
    ("cluster", "service"),
    [
        (PODS, SERVICES),
        ("10.42.0.0/16,2001:db8:42::/56", "10.43.0.0/16,2001:db8:43::/112"),
        ("2001:db8:42::/56", "2001:db8:43::/112"),
        ("172.20.0.0/20", "172.21.0.0/24"),
    ],
)
def test_usable_ranges(cluster: str, service: str) -> None:
    assert range_findings(ranges(cluster, service), "v1.34.2+k3s1", nodes=10) == []
    assert range_findings(ranges(cluster.replace(",", ", "), service), "v1.34.2+k3s1") == []


def test_a_list_is_as_good_as_commas() -> None:
    both = read_ranges(["10.42.0.0/16", "fd42::/56"], ["10.43.0.0/16", "fd43::/112"])
    assert both == read_ranges("10.42.0.0/16,fd42::/56", "10.43.0.0/16,fd43::/112")
    assert both[0].dual_stack


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ("", "k3s_cluster_cidr is empty"),
        ("10.42.0.0", "`10.42.0.0` is one address; a range needs its length, such as `10.42.0.0/16`"),
        ("10.42.0.0/33", "`10.42.0.0/33` is no address range such as `10.42.0.0/16`"),
        ("pods", "`pods` is no address range"),
        ("10.42.1.0/16", "`10.42.1.0/16` does not begin where its range begins: write `10.42.0.0/16`"),
        (
            "10.42.0.0/16,10.44.0.0/16,10.45.0.0/16",
            "give one range, or one for IPv4 and one for IPv6, and not 3",
        ),
    ],
)
def test_what_is_no_range(cluster: str, expected: str) -> None:
    _, findings = read_ranges(cluster, SERVICES)
    assert len(findings) == 1
    assert expected in findings[0]


@pytest.mark.parametrize(
    ("cluster", "service", "expected"),
    [
        (
            "10.42.0.0/15",
            SERVICES,
            "k3s_cluster_cidr 10.42.0.0/15 overlaps with k3s_service_cidr 10.43.0.0/16: pods and services "
            "need "
            "ranges of their own; free is k3s_service_cidr: 10.32.0.0/16",
        ),
        ("10.42.0.0/16,10.44.0.0/16", SERVICES, "both ranges are IPv4; a cluster has at most one of each"),
        ("10.42.0.0/16,fd42::/56", SERVICES, "k3s_cluster_cidr is IPv4 and IPv6 and k3s_service_cidr IPv4:"),
        (
            "10.42.0.0/16,fd42::/56",
            "fd43::/112,10.43.0.0/16",
            "both need the same families in the same order",
        ),
        ("10.42.0.0/25", SERVICES, "10.42.0.0/25 is too small: each node takes a /24 of it; give a /16"),
        ("10.42.0.0/23", SERVICES, "10.42.0.0/23 has room for 2 nodes and the inventory has 10"),
        ("fd42::/40", "fd43::/112", "fd42::/40 is too large for Kubernetes: give a /56"),
        (PODS, "10.0.0.0/11", "10.0.0.0/11 is too large: k3s takes a /12 or a smaller range"),
        ("fd42::/56", "fd43::/108", "fd43::/108 is too large: k3s takes a /112"),
        (PODS, "10.43.0.0/29", "10.43.0.0/29 is too small"),
    ],
)
def test_ranges_that_cannot_be_used(cluster: str, service: str, expected: str) -> None:
    found = range_findings(ranges(cluster, service), nodes=10)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        ("10.43.0.10", ""),
        ("10.43.0.53", ""),
        ("10.42.0.10", "10.42.0.10 is not in k3s_service_cidr (10.43.0.0/16); the default is 10.43.0.10"),
        ("10.43.0.1", "10.43.0.1 is taken: the first address of k3s_service_cidr is the API's"),
        ("dns.example.edu", "`dns.example.edu` is no address"),
    ],
)
def test_the_address_of_dns_is_a_service(dns: str, expected: str) -> None:
    found = range_findings(ranges(dns=dns))
    assert [expected in text for text in found] == [True] * bool(expected)
    assert default_dns(ranges()) == ["10.43.0.10"]


def test_families_by_release() -> None:
    dual = ranges("10.42.0.0/16,fd42::/56", "10.43.0.0/16,fd43::/112")
    assert "k3s v1.20.9+k3s1 knows IPv4 only" in range_findings(dual, "v1.20.9+k3s1")[0]
    assert range_findings(dual, "v1.21.3+k3s1") == []
    assert "needs a range of IPv4" in range_findings(ranges("fd42::/56", "fd43::/112"), "v1.21.3+k3s1")[0]


def test_a_host_s_own_network_is_found_with_who_has_it() -> None:
    around = Surroundings(hosts={f"ep{n}": [f"10.42.3.{n}/24"] for n in range(1, 6)})
    assert network_findings(ranges(), around) == [
        "k3s_cluster_cidr 10.42.0.0/16 overlaps with the network 10.42.3.0/24 of ep1, ep2, ep3 and 2 more: "
        "nodes "
        "could not reach it any more; free is k3s_cluster_cidr: 10.32.0.0/16"
    ]


def test_an_address_without_its_network_is_enough() -> None:
    found = network_findings(ranges(), Surroundings(hosts={"nfs": ["10.43.9.9"]}))
    assert len(found) == 1
    assert "k3s_service_cidr 10.43.0.0/16 overlaps with the address 10.43.9.9 of nfs" in found[0]


def test_what_to_take_is_free_at_this_site() -> None:
    around = Surroundings(hosts={"ep1": ["10.1.2.3/8"], "ep2": ["172.16.9.1/14"]})
    found = network_findings(ranges(), around)
    assert len(found) == 2
    assert "free is k3s_cluster_cidr: 172.20.0.0/16" in found[0]


def test_other_networks_are_no_conflict() -> None:
    hosts = {"ep1": ["192.0.2.5/24", "2001:db8::5/64", "fe80::1%eth0/64", "127.0.0.1/8", "no address"]}
    assert network_findings(ranges(), Surroundings(hosts=hosts)) == []


def test_what_a_cluster_made_itself_is_no_conflict() -> None:
    addresses = own_addresses(IP_ADDRESSES.splitlines())
    assert addresses == ["192.0.2.5/24", "2001:db8::5/64", "172.17.0.1/16"]
    assert network_findings(ranges(), Surroundings(hosts={"ep1": addresses})) == []
    assert network_findings(ranges("172.16.0.0/14"), Surroundings(hosts={"ep1": addresses}))


def test_what_an_admin_should_know() -> None:
    around = Surroundings(
        allowed={"xcache_allowed_subnets": ["10.0.0.0/8", "192.0.2.0/24", "typo"]},
        interfaces={"htcondor_network_interface": "10.*"},
    )
    assert network_findings(ranges(), around) == []
    assert network_warnings(ranges(), around) == [
        "xcache_allowed_subnets lets in 10.0.0.0/8, which holds addresses of pods (10.42.0.0/16): whoever "
        "may start "
        "a pod passes it",
        "htcondor_network_interface is `10.*`, which the node's address on the pods' network (10.42.0.0/16) "
        "matches "
        "too: name the network of the host, or its address",
    ]
    assert "which Docker takes" in network_warnings(ranges("172.16.0.0/12"), NOTHING)[0]
    assert network_warnings(ranges(), Surroundings(interfaces={"x": "192.0.2.*", "y": "192.0.2.7"})) == []
    assert len(network_warnings(ranges(), Surroundings(interfaces={"x": "*"}))) == 1


@given(
    st.integers(12, 28),
    st.lists(st.tuples(st.sampled_from(["10", "172", "192"]), st.integers(0, 255), st.integers(8, 24))),
)
def test_a_free_range_is_free(prefix: int, used: list[tuple[str, int, int]]) -> None:
    taken = [ipaddress.ip_network(f"{a}.{b}.0.0/{p}", strict=False) for a, b, p in used]
    like = ipaddress.ip_network(f"10.0.0.0/{prefix}")
    found = free_range(like, taken)
    if found:
        network = ipaddress.ip_network(found)
        assert network.prefixlen == prefix
        assert network.is_private
        assert not any(network.overlaps(other) for other in taken)
