"""The role's own variables under Ansible's own templates, for any operating system and kind of host."""

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

ROLE = Path(__file__).resolve().parents[2] / "roles" / "htcondor"
SITE_ROLE = ROLE.with_name("site")
SITE = {
    "site_name": "Example T3",
    "site_domain": "t3.example.edu",
    "site_condor_manager": "cm1.t3.example.edu",
    "inventory_hostname": "host1",
}


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return [_trusted(item) for item in value] if isinstance(value, list) else value


def _loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session", autouse=True)
def _plugins() -> None:
    # Tests of another role may have done it in this process.
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROLE.parents[1] / ".dev")])


@pytest.fixture
def templar() -> Callable[..., Templar]:
    """Make the templates of one host from its kind, its operating system and what the site sets."""

    def make(
        kind: str, family: str = "Debian", name: str = "Debian", version: str = "13", **options: Any
    ) -> Templar:
        facts = {"os_family": family, "distribution": name, "distribution_major_version": version}
        variables = {
            **_loaded(ROLE / "defaults" / "main.yml"),
            **_loaded(SITE_ROLE / "defaults" / "main.yml"),
            **_loaded(SITE_ROLE / "vars" / "main.yml"),
            **SITE,
            "ansible_facts": facts,
            "groups": {f"condor_{kind}": ["host1"]},
            **options,
            **_loaded(ROLE / "vars" / "main.yml"),
            **_loaded(ROLE / "vars" / f"{family}.yml"),
        }
        return Templar(loader=DataLoader(), variables=_trusted(variables))

    return make


@pytest.fixture
def findings(templar: Callable[..., Templar]) -> Callable[..., list[str]]:
    """What the preflight of a manager finds wrong with what the site sets."""
    task = _loaded(ROLE / "tasks" / "preflight.yml")[-1]

    def find(**options: Any) -> list[str]:
        expression = trust_as_template(task["vars"]["__htcondor_findings"])
        return list(templar("manager", **options).template(expression))

    return find
