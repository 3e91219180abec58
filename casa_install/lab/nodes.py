"""Machines that run a kubelet: what they get beyond the rest, so that pods run in a container.

* All capabilities but those that reach for the computer as a whole, and none of its devices: ``--privileged``
  would let systemd in the machine write the computer's kernel settings and open its consoles.
* The controllers of the computer's control groups, rooted in the machine (``node/runtime``, ``node/init``).
* ``/var/lib/rancher`` on a file system of the computer: an overlay cannot lie on an overlay.
* On a computer without CAP_SYS_RESOURCE, a runc that does not ask for it (``node/runc``).
"""

from __future__ import annotations

from pathlib import Path

from casa_install.lab.podman import NODE_RUNTIME, has_unified_cgroups, replace_file

PROGRAMS = Path(__file__).with_name("node")
PROGRAMS_THERE = "/usr/local/lib/casa-lab"
INIT = f"{PROGRAMS_THERE}/init"
"""The first process of such a machine: prepares it, then becomes systemd."""

DROPPED_CAPABILITIES = ("SYS_BOOT", "SYS_MODULE", "SYS_TIME")
"""The computer's clock, modules and power are not a machine's (capabilities(7))."""

DATA = "/var/lib/rancher"
"""Where k3s keeps its data, and the layers of containers."""


def prepare_node(directory: Path) -> None:
    """Make what a machine needs on this computer; the programs are those of this version.

    Args:
        directory: The machine's directory for it.
    """
    (directory / "data").mkdir(mode=0o755, parents=True, exist_ok=True)
    programs = directory / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("init", "place-runc", "runc"):
        replace_file(programs / name, (PROGRAMS / name).read_bytes(), 0o755)


def runtime_options() -> list[str]:
    """Global options of podman: the runtime that makes a container and reaches it ever after."""
    return [] if has_unified_cgroups() else ["--runtime", NODE_RUNTIME]


def node_options(directory: Path) -> list[str]:
    """Options of ``podman run`` for such a machine.

    Args:
        directory: As `prepare_node` made it.
    """
    return [
        "--cap-add=ALL",
        *(f"--cap-drop={capability}" for capability in DROPPED_CAPABILITIES),
        *("--security-opt", "seccomp=unconfined"),
        *("--security-opt", "apparmor=unconfined"),
        *("--security-opt", "unmask=ALL"),
        # A privileged pod asks for all devices, and gets what its machine may have. The computer's
        # own devices have no nodes in the machine, except the kernel's log, which a kubelet watches.
        *("--device-cgroup-rule", "a *:* rwm"),
        *("--device", "/dev/kmsg"),
        "--cgroupns=private",
        # podman's own way would bind the computer's systemd hierarchy, which all machines then share.
        "--systemd=false",
        *("--tmpfs", "/run:rw,mode=755"),
        *("--tmpfs", "/run/lock"),
        *("--tmpfs", "/tmp"),  # noqa: S108 - a machine's
        *("--volume", f"{directory / 'programs'}:{PROGRAMS_THERE}:ro"),
        *("--volume", f"{directory / 'data'}:{DATA}"),
    ]
