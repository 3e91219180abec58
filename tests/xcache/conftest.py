"""The role's own variables under Ansible's own templates, for any operating system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

if TYPE_CHECKING:
    from collections.abc import Callable

ROLE = Path(__file__).resolve().parents[2] / "roles" / "xcache"
LOOK = {
    "stdout_lines": [
        "place\troot\t/\t10\txfs\t50000000",
        "place\tdata\t/srv/xcache/data\t20\txfs\t1000000000",
        "place\tmetadata\t/srv/xcache/meta\t30\text2/ext3\t10000000",
        "place\tnamespace\t/srv/xcache/ns\t30\text2/ext3\t10000000",
        "rotational\t0",
        "version\tv5.9.6",
        "memory\t67108864",
    ]
}


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return [_trusted(item) for item in value] if isinstance(value, list) else value


def loaded(path: Path) -> Any:
    """A YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def _plugins() -> None:
    # Tests of another role may have done it in this process.
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROLE.parents[1] / ".dev")])


@pytest.fixture
def templar() -> Callable[..., Templar]:
    """Make the templates of one host from its operating system and what the site sets."""

    def make(family: str = "Debian", **options: Any) -> Templar:
        variables = {
            **loaded(ROLE / "defaults" / "main.yml"),
            "site_name": "Example T3",
            "site_domain": "t3.example.edu",
            "inventory_hostname": "cache1",
            "ansible_facts": {"os_family": family},
            "__xcache_look": LOOK,
            "__xcache_state": {"changed": True, "needs_drain": []},
            **options,
            **loaded(ROLE / "vars" / "main.yml"),
            **loaded(ROLE / "vars" / f"{family}.yml"),
        }
        return Templar(loader=DataLoader(), variables=_trusted(variables))

    return make
