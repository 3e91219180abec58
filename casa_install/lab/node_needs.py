"""What a computer must have to carry machines that run a kubelet: looked at before anything is made."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode
from casa_install.lab.podman import has_unified_cgroups

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED_CONTROLLERS = frozenset({"cpu", "cpuset", "memory", "pids"})
"""Of control groups, without which a kubelet does not start or cannot limit a pod."""

INOTIFY_PER_NODE = 20
"""Instances of inotify in one machine: systemd, k3s 1.21 and containerd had 15, and more while they start."""

INOTIFY_LIMIT = "fs.inotify.max_user_instances"


def require_node_needs(new: int) -> None:
    """Refuse what this computer cannot carry.

    Args:
        new: How many such machines will be made.

    Raises:
        CasaError: A controller of control groups is missing, or too few instances of inotify are left.
    """
    if has_unified_cgroups():
        found = set(Path("/sys/fs/cgroup/cgroup.controllers").read_text(encoding="ascii").split())
    else:
        found = legacy_controllers(Path("/proc/self/cgroup").read_text(encoding="utf-8"))
    require_controllers(found)
    proc = Path("/proc")
    limit = int((proc / "sys" / INOTIFY_LIMIT.replace(".", "/")).read_text(encoding="ascii"))
    require_inotify(new, limit=limit, used=inotify_instances(proc))


def require_controllers(found: set[str]) -> None:
    """Refuse a computer without the controllers that a kubelet needs.

    Raises:
        CasaError: One is missing.
    """
    missing = sorted(REQUIRED_CONTROLLERS - found)
    if missing:
        raise CasaError(
            "machines in k3s_server and k3s_agent need controllers of control groups that this computer "
            f"does not have: {', '.join(missing)}",
            hint="boot with cgroup_enable=memory if that one is missing; in a container, have them delegated",
            exit_code=ExitCode.USAGE,
        )


def require_inotify(new: int, *, limit: int, used: int) -> None:
    """Refuse machines whose kubelets would die for want of inotify instances, of which a user has a limit.

    Raises:
        CasaError: They are not left.
    """
    needed = new * INOTIFY_PER_NODE
    if new and used + needed > limit:
        raise CasaError(
            f"{new} machines in k3s_server and k3s_agent need about {needed} instances of inotify, and "
            f"{used} of root's {limit} are in use ({INOTIFY_LIMIT}): kubelets end when there are no more",
            hint=f"sysctl -w {INOTIFY_LIMIT}={max(512, 2 * (used + needed))}; or remove another lab "
            "(casa-install lab list)",
            exit_code=ExitCode.USAGE,
        )


def legacy_controllers(memberships: str) -> set[str]:
    """The controllers of cgroup v1 hierarchies that a process is in.

    Args:
        memberships: Content of ``/proc/PID/cgroup`` (cgroups(7)).
    """
    lists = [line.split(":")[1] for line in memberships.splitlines()]
    return {name for controllers in lists for name in controllers.split(",") if name and "=" not in name}


def inotify_instances(proc: Path) -> int:
    """How many instances of inotify this process's user has (inotify(7)).

    Args:
        proc: The proc file system.
    """
    return sum(_target(entry) == "anon_inode:inotify" for entry in _descriptors(proc))


def _descriptors(proc: Path) -> Iterator[Path]:
    for process in proc.glob("[0-9]*"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            if process.stat().st_uid == os.geteuid():
                yield from sorted((process / "fd").iterdir())


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
