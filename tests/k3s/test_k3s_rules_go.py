"""k3s's packet filter rules go, and everybody else's stay: by real iptables, in a network of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from programs import FILES, load

SAVED = Path(__file__).parent / "saved"
NETWORKS = ["10.42.0.0/16"]
rules = load("clean_rules.py")

UNSHARE = shutil.which("unshare") or ""
in_a_network = pytest.mark.skipif(
    os.geteuid() != 0 or not UNSHARE or not shutil.which("iptables-nft-restore"),
    reason="needs root, unshare and iptables",
)


def networks() -> list[Any]:
    return rules.pod_networks({"networks": NETWORKS})


def comparable(saved: str) -> str:
    """Without counters, comments, and tables that say nothing: those stay once they were looked at."""
    text = re.sub(r"^(:\S+ \S+) \[\d+:\d+\]$", r"\1", saved, flags=re.MULTILINE)
    tables = re.findall(r"^\*.*?^COMMIT$", text, re.MULTILINE | re.DOTALL)
    return "\n".join(table for table in tables if re.search(r"^-A|^:\S+ (?!ACCEPT)", table, re.MULTILINE))


def in_own_network(*steps: str) -> str:
    script = "set -e\nmount -t tmpfs none /run\n" + "\n".join(steps)
    done = subprocess.run(
        [UNSHARE, "--net", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def clean(check: bool = False) -> str:
    order = json.dumps({"data": "/nowhere", "networks": NETWORKS, "check": check})
    return f"echo '{order}' | python3 {FILES / 'clean_rules.py'}"


@in_a_network
@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("release", ["k3s.txt", "newer.txt"])
def test_what_others_have_is_the_same_before_and_after(variant, release):
    save, restore = f"iptables-{variant}-save", f"iptables-{variant}-restore"
    said = in_own_network(
        f"{restore} {SAVED / 'before.txt'}",
        save,
        "echo =====",
        f"{restore} --noflush {SAVED / release}",
        save,
        "echo =====",
        clean(check=True),
        "echo =====",
        save,
        "echo =====",
        clean(),
        "echo =====",
        save,
        "echo =====",
        clean(),
    )
    before, with_k3s, told, untouched, done, after, again = said.split("=====\n")
    assert comparable(with_k3s) == comparable(untouched) != comparable(before)
    assert comparable(after) == comparable(before)
    assert json.loads(told) == json.loads(done) != json.loads(again)
    assert json.loads(done)["faults"] == []
    assert json.loads(again) == {"changed": False, "done": [], "faults": []}


@in_a_network
def test_rules_that_cannot_go_are_named_and_nothing_of_the_table_has_changed():
    """One transaction per table: a rule of ours that iptables does not take back leaves all of them."""
    said = in_own_network(
        f"iptables-nft-restore {SAVED / 'before.txt'}",
        f"iptables-nft-restore --noflush {SAVED / 'k3s.txt'}",
        "iptables-nft-save",
        "echo =====",
        "mkdir /run/bin; cd /run/bin",
        "echo '#!/bin/sh' > iptables-nft-restore",
        "echo 'sed s/^-X/-Y/ | /usr/sbin/iptables-nft-restore \"$@\"' >> iptables-nft-restore",
        "chmod +x iptables-nft-restore; PATH=/run/bin:$PATH",
        clean(),
        "echo =====",
        "iptables-nft-save",
    )
    before, done, after = said.split("=====\n")
    assert "iptables (nft): " in json.loads(done)["faults"][0]
    assert comparable(after) == comparable(before)


@pytest.mark.parametrize("release", ["k3s.txt", "newer.txt"])
def test_a_host_without_k3s_has_nothing_to_remove(release):
    assert rules.plan((SAVED / "before.txt").read_text(), networks()) == {}
    assert rules.plan((SAVED / release).read_text().replace("-I ", "-A "), networks()) != {}


def test_rules_of_flannel_are_told_by_their_networks_to_the_letter():
    def ours(table: str, text: str) -> bool:
        return bool(rules.is_flannels(rules.Rule(text), table, networks()))

    assert ours("nat", "-A POSTROUTING -s 10.42.0.0/16 -d 10.42.0.0/16 -j RETURN")
    assert ours("nat", "-A POSTROUTING -s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE")
    assert ours("nat", "-A POSTROUTING ! -s 10.42.0.0/16 -d 10.42.200.0/24 -j RETURN")
    assert not ours("nat", "-A POSTROUTING ! -s 10.42.0.0/16 -d 10.43.0.0/24 -j RETURN")
    assert not ours("nat", "-A POSTROUTING -s 10.42.0.0/16 -o eth0 -j MASQUERADE")
    assert not ours("nat", "-A PREROUTING -s 10.42.0.0/16 -d 10.42.0.0/16 -j RETURN")
    assert not ours("filter", "-A INPUT -s 10.42.0.0/16 -j ACCEPT")
    assert not ours("filter", "-A FORWARD -s 10.0.0.0/8 -j ACCEPT")


def test_networks_of_both_families_are_known():
    both = rules.pod_networks({"networks": ["10.42.0.0/16", " fd42::/56"]})
    assert [one.version for one in both] == [4, 6]
    rule = rules.Rule("-A POSTROUTING -s fd42::/56 ! -d ff00::/8 -j MASQUERADE --random-fully")
    assert rules.is_flannels(rule, "nat", both)


def test_only_routes_inside_the_pods_network_and_through_a_node_go():
    text = (
        "default via 10.0.2.2 dev eth0\n"
        "10.42.0.0/24 dev cni0 proto kernel scope link src 10.42.0.1\n"
        "10.42.1.0/24 via 10.0.2.16 dev eth0\n"
        "10.42.0.0/16 via 10.0.2.1 dev eth0\n"
        "10.44.1.0/24 via 10.0.2.16 dev eth0\n"
        "unreachable 10.9.0.0/16\n"
    )
    assert [words[0] for words in rules.owned_routes(text, networks())] == ["10.42.1.0/24"]
