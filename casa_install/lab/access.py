"""How a lab is reached: an SSH key, known host keys and an ssh_config that belong to this lab alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from casa_install.errors import CasaError, ExitCode


def labs_directory() -> Path:
    """`$XDG_STATE_HOME/casa-install/lab` (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "casa-install" / "lab"


@dataclass(frozen=True)
class Reached:
    """A running machine as SSH sees it."""

    name: str
    fqdn: str
    address: str
    host_key: str


class Access:
    """The files through which one lab is reached; none of them is in ``~/.ssh``.

    Args:
        name: The lab's name.
    """

    def __init__(self, name: str) -> None:
        self.directory = labs_directory() / name
        self.key = self.directory / "id_ed25519"
        self.ssh_config = self.directory / "ssh_config"
        self.known_hosts = self.directory / "known_hosts"
        self.inventory = self.directory / "inventory"
        # Below the lab's own directory: `lab down` removes the sockets of connections to machines that are
        # gone, and two labs with a machine of the same name never share a connection.
        self.sockets = self.directory / "cp"
        self.disks = self.directory / "disks"
        self.nodes = self.directory / "nodes"
        self.federation = self.directory / "federation"
        self.site_authority = self.directory / "site-ca"
        self.browser = self.directory / "browser"

    def ensure_key(self) -> str:
        """The lab's public key; the pair is made when it is not there.

        Raises:
            CasaError: ssh-keygen failed.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        if not self.key.exists():
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "casa-lab", "-f", str(self.key)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise CasaError(f"ssh-keygen could not make the lab's key: {done.stderr.strip()}")
        return self.key.with_suffix(".pub").read_text(encoding="ascii").strip()

    def write(self, machines: list[Reached], variables: dict[str, Any]) -> None:
        """Write known_hosts, ssh_config and the inventory layer for these machines.

        The inventory layer lets a site rehearse its own inventory:
        ``casa-install site.yml -i mysite -i <layer>`` reaches the lab's machines under the site's names.

        Args:
            machines: The machines.
            variables: What every host of the inventory layer knows about the lab.
        """
        lines = [f"{m.name},{m.fqdn},{m.address} {m.host_key}\n" for m in machines]
        self.known_hosts.write_text("".join(lines), encoding="ascii")
        blocks = [
            f"Host {m.name} {m.fqdn}\n    HostName {m.address}\n    HostKeyAlias {m.name}\n" for m in machines
        ]
        common = (
            "Host *\n"
            "    User root\n"
            f'    IdentityFile "{self.key}"\n'
            "    IdentitiesOnly yes\n"
            f'    UserKnownHostsFile "{self.known_hosts}"\n'
            "    GlobalKnownHostsFile /dev/null\n"
            "    StrictHostKeyChecking yes\n"
            # The machines live for hours on this computer: a handshake without the post-quantum part
            # costs a tenth of the processor time.
            "    KexAlgorithms curve25519-sha256\n"
        )
        self.ssh_config.write_text("\n".join([*blocks, common]), encoding="utf-8")
        addresses = {machine.name: machine.address for machine in machines}
        # The lab's names lead nowhere on its computer, where some things are reached that are no SSH.
        self._write_inventory(machines, variables | {"lab_addresses": addresses})

    def _write_inventory(self, machines: list[Reached], variables: dict[str, Any]) -> None:
        """Only variables of hosts win over everything that a site may have set for its groups."""
        host_vars = self.inventory / "host_vars"
        host_vars.mkdir(parents=True, exist_ok=True)
        for stale in host_vars.iterdir():
            stale.unlink()
        for machine in machines:
            reached = {
                "ansible_connection": "ssh",
                "ansible_host": machine.name,
                "ansible_user": "root",
                "ansible_port": 22,
                "ansible_ssh_common_args": f"-F '{self.ssh_config}'",
                "ansible_control_path_dir": str(self.sockets),
            }
            path = host_vars / f"{machine.name}.yml"
            path.write_text(yaml.safe_dump(reached, sort_keys=False), encoding="utf-8")
        hosts: dict[str, Any] = {"all": {"hosts": {machine.name: {} for machine in machines}}}
        (self.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
        known = self._variables_file
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch(mode=0o600)
        known.write_text(yaml.safe_dump(variables), encoding="utf-8")

    @property
    def _variables_file(self) -> Path:
        return self.inventory / "group_vars" / "all" / "federation.yml"

    def variables(self) -> dict[str, Any]:
        """What every host of the inventory layer knows about the lab.

        Raises:
            CasaError: There is no such lab.
        """
        if not self._variables_file.exists():
            raise CasaError(
                f"there is no lab `{self.directory.name}`",
                hint="casa-install lab up",
                exit_code=ExitCode.USAGE,
            )
        found: dict[str, Any] = yaml.safe_load(self._variables_file.read_text(encoding="utf-8"))
        return found

    @property
    def authorities(self) -> dict[str, Path]:
        """Whose certificates the lab's servers have -> certificate file."""
        return {"the hub": self.site_authority / "ca.pem", "the login": self.federation / "ca.pem"}

    def remove(self) -> None:
        """Delete all of it."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
