"""Podman, called so that systemd runs as PID 1 in its containers on any computer.

Three things differ between computers, and each is met without changing the computer itself:

* cgroup v1 controllers mounted beside an empty v2 hierarchy ("hybrid"), or none at all: podman gets a
  private mount namespace in which ``/sys/fs/cgroup`` is cgroup2. Nothing outside it sees that.
* no CAP_SYS_RESOURCE (for instance inside another container): resource limits cannot be raised, so those
  that podman would ask for are lowered to what this process has.
* nothing of the administrator's own podman configuration is edited: ours travels in ``CONTAINERS_CONF``.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE = Path("/run/casa-lab/ns")
"""Holds the bind mount that keeps podman's mount namespace alive."""

REQUIRED_TOOLS = {
    "podman": "podman",
    "runc": "runc",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}
"""Program -> the Debian package that has it."""

REQUIRED_FILES = {
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}

NODE_RUNTIME = "casa-lab-node"
"""podman's name for ``node/runtime``. It remembers a container's runtime by name, and uses it ever after."""

NODE_RUNTIME_FILE = Path(__file__).with_name("node") / "runtime"

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile={nofile}:{nofile}", "nproc={nproc}:{nproc}"]
pids_limit = 0

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"

[engine.runtimes]
{node_runtime} = ["{directory}/{node_runtime}"]

[network]
network_backend = "netavark"
"""


def require_tools() -> None:
    """Refuse with the one command that installs everything that is missing.

    Raises:
        CasaError: A program is missing, or this process is not root.
    """
    if os.geteuid() != 0:
        raise CasaError(
            "the lab makes containers with their own init and network, which needs root",
            hint="run it with sudo, or as root",
            exit_code=ExitCode.USAGE,
        )
    missing = {package for tool, package in REQUIRED_TOOLS.items() if shutil.which(tool) is None}
    if "podman" in missing or shutil.which("apt-get") is not None:
        missing |= {package for path, package in REQUIRED_FILES.items() if not Path(path).exists()}
    if missing:
        raise CasaError(
            f"the lab needs programs that are not installed: {', '.join(sorted(missing))}",
            hint=f"apt-get install --no-install-recommends {' '.join(sorted(missing))}",
            exit_code=ExitCode.USAGE,
        )


def has_unified_cgroups() -> bool:
    """Whether /sys/fs/cgroup is the cgroup v2 hierarchy itself (cgroups(7))."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def _is_mounted(path: Path) -> bool:
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    return any(line.split(" ")[4] == str(path) for line in mounts.splitlines())


def _enter_namespace() -> list[str]:
    """The command prefix that runs a program where /sys/fs/cgroup is cgroup2; empty when it already is."""
    if has_unified_cgroups():
        return []
    anchor = NAMESPACE / "mnt"
    if not _is_mounted(NAMESPACE):
        NAMESPACE.mkdir(parents=True, exist_ok=True)
        # The anchor must lie on a private mount: a mount namespace cannot be bound below a shared one.
        _system(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "casa-lab", str(NAMESPACE)])
        _system(["mount", "--make-private", str(NAMESPACE)])
    if not _is_mounted(anchor):
        anchor.touch()
        script = "umount -R -l /sys/fs/cgroup; exec mount -t cgroup2 none /sys/fs/cgroup"
        _system(["unshare", f"--mount={anchor}", "--propagation", "private", "sh", "-c", script])
    return ["nsenter", f"--mount={anchor}", f"--wdns={Path.cwd()}", "--"]


def leave_namespace() -> None:
    """Undo the private mount namespace; the computer is then as it was before the first lab."""
    for path in (NAMESPACE / "mnt", NAMESPACE):
        if _is_mounted(path):
            _system(["umount", str(path)])
    if NAMESPACE.is_dir():
        (NAMESPACE / "mnt").unlink(missing_ok=True)
        NAMESPACE.rmdir()
        NAMESPACE.parent.rmdir()


def _system(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CasaError(
            f"`{' '.join(argv[:3])} ...` failed while preparing the lab: {done.stderr.strip()}",
            hint="the lab must be able to mount file systems: run it as root, with CAP_SYS_ADMIN",
        )


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Write a file in one step: containers that end meanwhile read the old content or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    partial.chmod(mode)
    partial.rename(path)


class Podman:
    """Runs podman with the lab's settings.

    Args:
        config_dir: A directory of ours; the generated containers.conf is kept there.
    """

    def __init__(self, config_dir: Path) -> None:
        self._config = config_dir / "containers.conf"
        config_dir.mkdir(parents=True, exist_ok=True)
        # podman lowers its own limits first, so nothing above the current hard limit may be named;
        # 32768 processes is the most that runc sets without CAP_SYS_RESOURCE.
        nofile = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20000)
        nproc = min(resource.getrlimit(resource.RLIMIT_NPROC)[1], 32768)
        if nproc < 0:
            nproc = 32768
        if nofile < 0:
            nofile = 20000
        settings = CONTAINERS_CONF.format(
            nofile=nofile, nproc=nproc, directory=config_dir, node_runtime=NODE_RUNTIME
        )
        replace_file(self._config, settings.encode(), 0o644)
        self._node_runtime = config_dir / NODE_RUNTIME
        replace_file(self._node_runtime, NODE_RUNTIME_FILE.read_bytes(), 0o755)
        self._prefix = _enter_namespace()

    def forget(self) -> None:
        """Remove the generated configuration and the mount namespace, after the last lab is gone."""
        self._config.unlink(missing_ok=True)
        self._node_runtime.unlink(missing_ok=True)
        leave_namespace()

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line for a podman call."""
        return [*self._prefix, "podman", *arguments]

    def beside(self, argv: Sequence[str]) -> list[str]:
        """A command line that runs another program in podman's mount namespace."""
        return [*self._prefix, *argv]

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which podman must run."""
        return {**os.environ, "CONTAINERS_CONF": str(self._config)}

    def run(
        self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run podman and return its output.

        Args:
            arguments: The words after ``podman``.
            stdin: Text for its standard input.
            check: Raise when podman fails.
            timeout: Seconds after which the call is given up.

        Raises:
            CasaError: podman failed or did not return in time.
        """
        try:
            done = subprocess.run(
                self.argv(*arguments),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
                env=self.environment,
            )
        except subprocess.TimeoutExpired as error:
            raise CasaError(f"`podman {arguments[0]}` did not return within {timeout:.0f} s") from error
        if check and done.returncode != 0:
            raise CasaError(f"`podman {' '.join(arguments[:3])}` failed: {done.stderr.strip()}")
        return done
