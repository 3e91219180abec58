"""The life of a lab: up, down, list."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError, ExitCode
from casa_install.lab.access import Access, Reached, labs_directory
from casa_install.lab.accounts import ensure_accounts
from casa_install.lab.addresses import choose_addresses
from casa_install.lab.disks import attach, release
from casa_install.lab.federation import Federation, kept_authority
from casa_install.lab.fence import ensure_fence, remove_fence
from casa_install.lab.image import ensure_image
from casa_install.lab.login import Login
from casa_install.lab.node_images import ensure_node_images
from casa_install.lab.node_needs import require_node_needs
from casa_install.lab.nodes import INIT, node_options, prepare_node, runtime_options
from casa_install.lab.origin_machine import ensure_origin
from casa_install.lab.podman import Podman, require_tools

if TYPE_CHECKING:
    from casa_install.lab.image import Reporter
    from casa_install.lab.layout import Layout, Machine

BOOT_SECONDS = 90
"""systemd needs 2-3 s; a busy computer with many machines much longer."""


@dataclass(frozen=True)
class Running:
    """A machine of a lab as podman sees it."""

    lab: str
    name: str
    fqdn: str
    address: str
    state: str
    image: str


def open_podman() -> Podman:
    """Podman with the lab's settings, after a check that everything needed is installed.

    Raises:
        CasaError: See `require_tools`.
    """
    require_tools()
    return Podman(labs_directory())


def container_name(lab: str, machine: str) -> str:
    """The container of a machine."""
    return f"casa-{lab}-{machine}"


def network_name(lab: str) -> str:
    """The private network of a lab."""
    return f"casa-{lab}"


def up(layout: Layout, *, image: str | None, report: Reporter) -> list[Running]:
    """Make every machine of the layout that is not there yet; those that run are left alone.

    Args:
        layout: What the lab consists of.
        image: An image with systemd, sshd and Python to use for all machines, instead of one made here.
            Origins are always made from ours: they are the lab's own service, not a machine to install on.
        report: Told what happens.

    Raises:
        CasaError: A tool is missing, an image cannot be had, or a machine does not start.
    """
    podman = open_podman()
    there = {machine.name: machine.address for machine in listing(podman, layout.name)}
    if any(machine.is_node for machine in layout.machines):
        require_node_needs(sum(m.is_node and m.name not in there for m in layout.machines))
    access = Access(layout.name)
    public_key = access.ensure_key()
    images = {
        machine.name: (None if machine.is_origin else image)
        or ensure_image(podman, machine.system, machine.packages, report=report)
        for machine in layout.machines
    }
    if podman.run("network", "exists", network_name(layout.name), check=False).returncode != 0:
        podman.run("network", "create", "--label", f"casa.lab={layout.name}", network_name(layout.name))
    ensure_fence(podman, network_name(layout.name))
    new = [machine.name for machine in layout.machines if machine.name not in there]
    addresses = choose_addresses(podman, network_name(layout.name), new, there.values())

    def make(machine: Machine) -> None:
        if _ensure_started(podman, access, machine, images[machine.name], addresses.get(machine.name, "")):
            report(f"{machine.name}: started ({machine.fqdn}, {machine.system})")
        _await_boot(podman, layout.name, machine)
        _admit(podman, layout.name, machine, public_key)

    # Two at a time: booting is work for the processor, not waiting.
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(make, layout.machines))
    running = listing(podman, layout.name)
    _write_hosts_files(podman, running)
    ensure_accounts(podman, {container_name(layout.name, m.name) for m in layout.machines if m.has_people})
    known = _play_federation(podman, access, layout, report)
    if any(machine.is_node for machine in layout.machines):
        known["lab_node_images"] = str(ensure_node_images(report=report))
    access.write([_reached(podman, machine) for machine in running], known)
    return running


def _play_federation(podman: Podman, access: Access, layout: Layout, report: Reporter) -> dict[str, Any]:
    """Set the origins up; what an inventory has to know about them and about the lab's own authority."""
    domains = [machine.domain for machine in layout.machines]
    site = kept_authority(access.site_authority, "Casa lab site CA", domains)
    known: dict[str, Any] = {
        "lab_site_ca_certificate": site.certificate_pem,
        # A throw-away key: a file of the lab, which goes with it.
        "lab_site_ca_key_file": str(access.site_authority / "ca.key"),
    }
    origins = [machine for machine in layout.machines if machine.is_origin]
    if not origins:
        return known
    federation = Federation(access.federation, domains)
    login = Login(federation, (m.fqdn for m in layout.machines if m.is_hub), origins[0].domain)
    for machine in origins:
        name = container_name(layout.name, machine.name)
        ensure_origin(podman, name, machine.fqdn, federation, login, report=report)
    return known | federation.variables(origins[0].fqdn) | login.variables(origins[0].fqdn)


def _ensure_started(podman: Podman, access: Access, machine: Machine, image: str, address: str) -> bool:
    """Whether the machine had to be started. A new one gets the address."""
    lab = access.directory.name
    node = access.nodes / machine.name if machine.is_node else None
    name = container_name(lab, machine.name)
    found = podman.run("container", "inspect", "--format", "{{.State.Running}}", name, check=False)
    if found.returncode == 0:
        if found.stdout.strip() == "true":
            return False
        for disk in machine.disks:
            attach(podman, access.disks / machine.name, disk)
        if node:
            prepare_node(node)
        podman.run("start", name)
        return True
    if node:
        prepare_node(node)
    disks = [option for disk in machine.disks for option in attach(podman, access.disks / machine.name, disk)]
    podman.run(
        *(runtime_options() if node else []),
        "run",
        "--detach",
        "--name",
        name,
        "--hostname",
        machine.fqdn,
        "--network",
        network_name(lab),
        "--ip",
        address,
        # Reverse names are part of what HTCondor looks at, and the network's name server has none:
        # every machine gets a complete /etc/hosts from us.
        "--no-hosts",
        "--label",
        f"casa.lab={lab}",
        "--label",
        f"casa.lab.machine={machine.name}",
        "--label",
        f"casa.lab.fqdn={machine.fqdn}",
        "--label",
        f"casa.lab.address={address}",
        *(f"--cap-add={capability}" for capability in machine.capabilities),
        *disks,
        *(node_options(node) if node else []),
        image,
        *([INIT] if node else []),
        timeout=120,
    )
    return True


def _await_boot(podman: Podman, lab: str, machine: Machine) -> None:
    """Poll until systemd says that it is done: `--wait` right after the start can fail for want of a bus."""
    deadline = time.monotonic() + BOOT_SECONDS
    state = ""
    while time.monotonic() < deadline:
        asked = podman.run(
            "exec", container_name(lab, machine.name), "systemctl", "is-system-running", check=False
        )
        state = asked.stdout.strip()
        if state in {"running", "degraded"}:
            return
        time.sleep(0.3)
    raise CasaError(
        f"the machine {machine.name} did not finish booting within {BOOT_SECONDS} s "
        f"(systemd says: {state or 'nothing'})",
        hint=f"podman logs {container_name(lab, machine.name)}",
    )


def _admit(podman: Podman, lab: str, machine: Machine, public_key: str) -> None:
    """Let the lab's key in, and see that sshd runs in images that are not ours too."""
    script = (
        "set -e; umask 077; mkdir -p /root/.ssh; cat > /root/.ssh/authorized_keys; "
        "test -f /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -A; "
        "systemctl is-active --quiet ssh.service sshd.service || "
        "systemctl start ssh.service 2>/dev/null || systemctl start sshd.service"
    )
    podman.run("exec", "-i", container_name(lab, machine.name), "sh", "-c", script, stdin=public_key + "\n")


def _write_hosts_files(podman: Podman, machines: list[Running]) -> None:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{m.address} {m.fqdn} {m.fqdn.partition('.')[0]}" for m in machines]
    text = "\n".join(lines) + "\n"
    for machine in machines:
        if machine.state == "running":
            name = container_name(machine.lab, machine.name)
            podman.run("exec", "-i", name, "sh", "-c", "cat > /etc/hosts", stdin=text)


def _reached(podman: Podman, machine: Running) -> Reached:
    """The host key is read through podman, so the first SSH connection already knows whom it talks to."""
    name = container_name(machine.lab, machine.name)
    host_key = podman.run("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout
    return Reached(
        name=machine.name,
        fqdn=machine.fqdn,
        address=machine.address,
        host_key=" ".join(host_key.split()[:2]),
    )


def listing(podman: Podman, lab: str | None = None) -> list[Running]:
    """The machines of one lab, or of all, sorted by name."""
    label = "casa.lab" if lab is None else f"casa.lab={lab}"
    names = podman.run("ps", "--all", "--quiet", "--filter", f"label={label}").stdout.split()
    if not names:
        return []
    found = []
    for entry in json.loads(podman.run("container", "inspect", *names).stdout):
        labels = entry["Config"]["Labels"]
        networks = entry["NetworkSettings"]["Networks"]
        found.append(
            Running(
                lab=labels["casa.lab"],
                name=labels["casa.lab.machine"],
                fqdn=labels["casa.lab.fqdn"],
                address=next(
                    (str(n["IPAddress"]) for n in networks.values() if n["IPAddress"]),
                    labels.get("casa.lab.address", ""),
                ),
                state=entry["State"]["Status"],
                image=entry["ImageName"],
            )
        )
    return sorted(found, key=lambda machine: (machine.lab, machine.name))


def down(lab: str, *, report: Reporter) -> int:
    """Remove a lab: machines, network, keys. The image stays in the cache for the next one.

    Returns:
        How many machines were removed.

    Raises:
        CasaError: Something could not be removed; what is left is named.
    """
    podman = open_podman()
    machines = listing(podman, lab)
    names = [container_name(m.lab, m.name) for m in machines]
    if names:
        report(f"removing {len(names)} machines of the lab `{lab}`")
        podman.run("rm", "--force", "--time", "0", "--volumes", *names, check=False, timeout=300)
    left = listing(podman, lab)
    if left:
        raise CasaError(
            f"these machines are still there: {', '.join(m.name for m in left)}",
            hint=f"casa-install lab down {lab} (again)",
            exit_code=ExitCode.FAILED,
        )
    if podman.run("network", "exists", network_name(lab), check=False).returncode == 0:
        podman.run("network", "rm", network_name(lab))
    remove_fence(network_name(lab))
    access = Access(lab)
    release(podman, access.disks)
    access.remove()
    if not listing(podman):
        podman.forget()
    return len(machines)
