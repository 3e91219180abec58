"""The role's list for one host, rendered by the engine with Ansible's own templates and filters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

from casa_install.state.document import load_state_file
from casa_install.state.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.state.resources import Resource

ROLE = Path(__file__).resolve().parents[2] / "roles" / "k3s"
LOOK = """\
unit\tNetworkManager.service\tactive\tenabled
cgroup\tcgroup2fs\tcpuset cpu io memory hugetlb pids
memory\t16000000
swap\t0
cpus\t8
address\t2: eth0    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0
route\teth0\t
disk\text2/ext3\t\t100000000\t80000000
module\toverlay\tthere
module\tbr_netfilter\tthere
module\tvxlan\tthere
module\twireguard\tthere
iptables\tiptables v1.8.9 (nf_tables)
port\ttcp\t22\tsshd
peer\ts1.t3.example.edu\t192.0.2.11\x20
peer\ta1.t3.example.edu\t192.0.2.21 2001:db8::21\x20
"""
"""A host that can carry k3s, and has no firewall."""


def lines(*more: str, without: tuple[str, ...] = ()) -> list[str]:
    """What `look.sh` prints on a good host, with more lines, and without those that begin so."""
    return [line for line in LOOK.splitlines() if not line.startswith(without)] + list(more)


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return [_trusted(item) for item in value] if isinstance(value, list) else value


class AnsibleRenderer:
    """Renders as the action plugin does."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self.variables = dict(variables)
        self.templar = Templar(loader=DataLoader(), variables=_trusted(self.variables))

    def value(self, template: str) -> Any:
        return self.templar.template(trust_as_template(template))

    def truth(self, condition: str) -> bool:
        return bool(self.templar.evaluate_conditional(trust_as_template(condition)))

    def template(self, path: Path) -> str:
        text = trust_as_template(path.read_text(encoding="utf-8"))
        overrides = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}
        return str(self.templar.template(text, escape_backslashes=False, overrides=overrides))

    def load_variables(self, path: Path) -> Mapping[str, Any]:
        found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return found

    def with_variables(self, variables: Mapping[str, Any]) -> AnsibleRenderer:
        return AnsibleRenderer({**self.variables, **variables})


def renderer(
    host: str = "s1", found: list[str] | None = None, family: str = "Debian", **options: Any
) -> AnsibleRenderer:
    """One host's templates.

    Args:
        host: `s1`, the server, or `a1`, the agent.
        found: What `look.sh` printed.
        family: The host's operating systems, as Ansible calls them.
        options: What the site sets.
    """
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROLE.parents[1] / ".dev")])

    def loaded(path: str) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load((ROLE / path).read_text(encoding="utf-8"))
        return content

    return AnsibleRenderer(
        {
            **loaded("defaults/main.yml"),
            **loaded("../site/defaults/main.yml"),
            **loaded("../site/vars/main.yml"),
            "__site_size": {"stdout_lines": []},
            "site_name": "Example T3",
            "site_domain": "t3.example.edu",
            "groups": {"k3s_server": ["s1"], "k3s_agent": ["a1"]},
            "inventory_hostname": host,
            "ansible_facts": {
                "os_family": family,
                "architecture": "x86_64",
                "distribution_major_version": "9",
            },
            "ansible_search_path": [str(ROLE)],
            "k3s_kubeconfig": "/nowhere/kubeconfig",
            "k3s_token": "server-0123456789abcdef",
            "k3s_agent_token": "agent-0123456789abcdef",
            "__k3s_look": {"stdout_lines": lines() if found is None else found},
            **options,
            **loaded("vars/main.yml"),
        }
    )


def resources(host: str = "s1", **how: Any) -> list[Resource]:
    """What the role wants on one host."""
    return list(render(load_state_file(ROLE / "state.yml"), renderer(host, **how)).resources)
