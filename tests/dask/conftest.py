"""The role's own variables under Ansible's own templates."""

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

ROLE = Path(__file__).resolve().parents[2] / "roles" / "dask"


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return [_trusted(item) for item in value] if isinstance(value, list) else value


def loaded(name: str) -> Any:
    """A YAML file of the role."""
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def _plugins() -> None:
    # Tests of another role may have done it in this process.
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROLE.parents[1] / ".dev")])


@pytest.fixture
def templar() -> Callable[..., Templar]:
    """Make the templates of one host from what the site sets."""

    def make(**options: Any) -> Templar:
        variables = {
            "site_domain": "t3.example.edu",
            "inventory_hostname": "ap1",
            "group_names": ["condor_access"],
            "groups": {"notebook": ["nb1"]},
            "__dask_addresses": {"stdout_lines": ["192.0.2.7 STREAM ap1"]},
            **loaded("defaults/main.yml"),
            **options,
            **loaded("vars/main.yml"),
        }
        return Templar(loader=DataLoader(), variables=_trusted(variables))

    return make
