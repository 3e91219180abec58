"""A lab's network is reached from its own computer, and from no other one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Lab

from casa_install.lab.podman import Podman

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.machines

INVENTORY = "all: {hosts: {inside: }}\n"
NEIGHBOUR = "casa-test-nbr"
"""A network namespace with one cable to this computer: as far away as another computer."""


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=60)


@pytest.fixture
def neighbour() -> Iterator[None]:
    run("ip", "netns", "add", NEIGHBOUR)
    try:
        run("ip", "link", "add", "casa-nbr0", "type", "veth", "peer", "name", "casa-nbr1")
        run("ip", "link", "set", "casa-nbr1", "netns", NEIGHBOUR)
        run("ip", "addr", "add", "198.51.100.1/24", "dev", "casa-nbr0")
        run("ip", "link", "set", "casa-nbr0", "up")
        inside = ("ip", "-n", NEIGHBOUR)
        run(*inside, "addr", "add", "198.51.100.2/24", "dev", "casa-nbr1")
        run(*inside, "link", "set", "casa-nbr1", "up")
        run(*inside, "route", "add", "default", "via", "198.51.100.1")
        yield
    finally:
        run("ip", "link", "del", "casa-nbr0", check=False)
        run("ip", "netns", "del", NEIGHBOUR)


def greeting(address: str, *prefix: str) -> bool:
    """Whether sshd on a machine says something."""
    script = f"exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3"
    done = run(*prefix, "timeout", "5", "bash", "-c", script, check=False)
    return done.stdout == "SSH-"


@pytest.mark.usefixtures("neighbour")
def test_a_neighbour_that_routes_to_the_lab_does_not_get_in() -> None:
    with tempfile.TemporaryDirectory(prefix="casa-") as state:
        inventory = Path(state) / "hosts.yml"
        inventory.write_text(INVENTORY, encoding="utf-8")
        lab = Lab("test-fence", Path(state), inventory)
        elsewhere = ("ip", "netns", "exec", NEIGHBOUR)
        try:
            for _ in range(2):
                done = lab.casa("lab", "up", "--name", lab.name, "-i", str(inventory))
                assert done.returncode == 0, done.stderr
            (found,) = json.loads(
                Podman(lab.directory.parent).run("container", "inspect", f"casa-{lab.name}-inside").stdout
            )
            (network,) = found["NetworkSettings"]["Networks"].values()
            address = network["IPAddress"]
            assert greeting(address)
            assert not greeting(address, *elsewhere)
            rules = [
                line for line in run("iptables", "-t", "mangle", "-S").stdout.splitlines() if lab.name in line
            ]
            outer = [rule for rule in rules if "--ctstate" in rule]
            assert (len(rules), len(outer)) == (2, 1), "two runs of `lab up` make what one makes"
            if Path("/proc/sys/net/ipv4/ip_forward").read_text(encoding="ascii").strip() == "1":
                # It is the rule that keeps him out, not a mistake of this test.
                run("iptables", "-t", "mangle", *outer[0].replace("-A", "-D", 1).split())
                assert greeting(address, *elsewhere)
        finally:
            done = lab.casa("lab", "down", lab.name)
        assert done.returncode == 0, done.stderr
        assert lab.name not in run("iptables", "-t", "mangle", "-S").stdout
