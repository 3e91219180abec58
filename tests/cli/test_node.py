"""`casa-install node`: what is refused, with nothing done, before any host is touched."""

from __future__ import annotations

import json

import pytest
import yaml

from casa_install.cli.leaving import Order, confirm, require_possible
from casa_install.errors import CasaError, ExitCode
from casa_install.report.nodes import leaving_text
from casa_install.site.collection import collection_root
from casa_install.site.vault import VaultPassword, encrypt

INVENTORY = """\
all:
  vars:
    site_name: Test
    site_domain: example.org
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    k3s_server: {hosts: {s1: {}}}
    k3s_agent: {hosts: {a1: {}}}
    xcache: {hosts: {cache: {}}}
"""
SECRETS = b"k3s_token: of-servers-and-nobody-else\nk3s_agent_token: of-agents-and-nobody-else\n"
VAULT = ("--vault-password-file", "pw")
LOOK = {
    "node": "a1",
    "exists": True,
    "why": "",
    "role": "agent",
    "version": "v1.21.3+k3s1",
    "addresses": [],
    "moves": ["work/web"],
    "lost": [],
    "stays": ["kube-system/each"],
    "volumes": [],
    "password": True,
    "nodes": {"s1": "", "a1": ""},
    "members": 1,
    "findings": [],
    "notes": [],
}


@pytest.fixture
def site(casa):
    """A site with a cluster of a server and an agent, which this computer has no kubeconfig of."""
    casa.write("hosts.yml", INVENTORY)
    casa.write("pw", "vault-password")
    secrets = encrypt(SECRETS, VaultPassword("default", b"vault-password"))
    casa.write("group_vars/all/secrets.yml", secrets.decode())
    return casa


def order(**changes) -> Order:
    given = {"verb": "node remove", "host": "a1", "dead": False, "forget": False, "yes": None}
    return Order(**(given | {"as_json": False, "plain": True} | changes))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("remove", "a11"), "Did you mean a1?"),
        (("remove", "cache"), "cache is in neither k3s_server nor k3s_agent"),
    ],
)
def test_host_that_is_no_node_is_refused(site, words, said):
    done = site.run("node", *words, "-i", "hosts.yml", "--yes", words[1], *VAULT)
    assert done.returncode == ExitCode.USAGE
    assert said in " ".join(done.stderr.split())
    assert site.runs() == []


def test_site_without_a_server_to_ask_is_refused(casa):
    done = casa.run("node", "forget", "ep", "-i", "hosts.yml", "--yes", "ep")
    assert done.returncode == ExitCode.USAGE
    assert "has no k3s server that could be asked" in done.stderr


def test_cluster_that_cannot_be_asked_leaves_all_as_it_is(site):
    done = site.run("node", "remove", "a1", "-i", "hosts.yml", "--yes", "a1", "--json", *VAULT)
    text = " ".join(done.stderr.split())
    assert done.returncode == ExitCode.FAILED
    assert "There is no kubeconfig" in text
    assert "Require that the host can be changed" not in text
    assert json.loads(done.stdout)["look"] is None


@pytest.mark.parametrize(
    ("look", "wanted", "said"),
    [
        ({}, {}, ""),
        ({"findings": ["etcd would stop", "and more"]}, {}, "etcd would stop\nand more\nNothing was done."),
        ({"findings": ["etcd would stop"]}, {"dead": True}, "etcd would stop"),
        ({}, {"dead": True}, "so it is not dead. Nothing was done"),
        ({}, {"dead": True, "forget": True}, "so it was not installed anew. Nothing was done"),
        ({"why": "gone"}, {"dead": True}, ""),
        ({"why": "gone"}, {}, "a1 is not Ready (gone)"),
        ({"lost": ["work/mine"]}, {}, "nothing makes anew elsewhere: work/mine. Nothing was done"),
        ({"lost": ["work/mine"]}, {"lone": True}, ""),
        ({"lost": ["work/mine"], "why": "gone"}, {"dead": True}, ""),
        (
            {"exists": False, "password": False},
            {"dead": True},
            "The cluster has no node a1. Its nodes: a1, s1.",
        ),
        # A removal that was cut off after the cluster had forgotten the node goes on with the host.
        ({"exists": False, "password": False}, {}, ""),
        ({"exists": False}, {"dead": True, "forget": True}, ""),
    ],
)
def test_what_would_do_harm_or_nothing_is_refused(look, wanted, said):
    if not said:
        require_possible(LOOK | look, order(**wanted))
        return
    with pytest.raises(CasaError) as caught:
        require_possible(LOOK | look, order(**wanted))
    assert said in caught.value.message


def test_only_the_hosts_own_name_is_a_yes():
    confirm(order(yes="a1"))
    for wrong in ("A1", "yes", ""):
        with pytest.raises(CasaError, match=r"is not the host's name; nothing was done"):
            confirm(order(yes=wrong))
    with pytest.raises(CasaError, match="There is no terminal") as caught:
        confirm(order())
    assert '--yes "a1"' in caught.value.hint


def test_preview_says_what_becomes_of_pods_volumes_and_etcd():
    look = LOOK | {"volumes": ["work/data"], "lost": ["work/mine"], "notes": ["etcd has 2 members then"]}
    text = leaving_text(look, dead=False, forget=False)
    assert "Would leave the cluster: a1 (agent, Ready, v1.21.3+k3s1)" in text
    assert "  pods that move to other nodes (1): work/web" in text
    assert "  pods that nothing makes anew (1): work/mine" in text
    assert "  volumes that lie on it alone, lost to the cluster: work/data" in text
    assert "  etcd has 2 members then" in text
    assert "then k3s goes from a1" in text
    dead = leaving_text(look | {"why": "gone"}, dead=True, forget=False)
    assert "not Ready (gone)" in dead
    assert "the host itself is not touched" in dead
    assert "then k3s goes" not in dead
    assert "host itself" not in leaving_text(look, dead=True, forget=True)
    many = leaving_text(LOOK | {"moves": [f"w/{number}" for number in range(30)]}, dead=False, forget=False)
    assert "and 18 more" in many


def test_member_of_two_is_forgotten_before_it_stops():
    from casa_install.cli.node import _choice

    def stops(**look) -> bool:
        return json.loads(_choice(LOOK | look, order(), "s1").removeprefix("--extra-vars="))["casa_stop"]

    assert stops()
    assert stops(members=3, role="server")
    assert not stops(members=2, role="server")
    assert stops(members=2, role="agent")


def test_host_goes_only_after_the_cluster_has_forgotten_it():
    plays = yaml.safe_load((collection_root() / "playbooks/node_remove.yml").read_text())
    assert [(play["name"], play["hosts"]) for play in plays] == [
        ("Require that the host can be changed", "{{ casa_host | default('all:!all') }}"),
        ("Take work off the node", "{{ casa_server if casa_drain | default(false) else 'all:!all' }}"),
        ("Stop k3s there", "{{ casa_host | default('all:!all') }}"),
        ("Let the cluster forget the node", "{{ casa_server | default('all:!all') }}"),
        ("Take k3s off the host", "{{ casa_host | default('all:!all') }}"),
    ]
