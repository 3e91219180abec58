"""`casa-install validate` finds a rule of a hub by which nobody could log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casa_install.site.check import check_site

if TYPE_CHECKING:
    from pathlib import Path

SITE = """\
all:
  vars:
    site_name: Test
    site_domain: t3.example.org
  children:
    notebook:
      hosts:
        nb.t3.example.org:
      vars:
        notebook_allow: {rule}
"""


def findings(path: Path, rule: str) -> list[str]:
    (path / "hosts.yml").write_text(SITE.replace("{rule}", rule))
    return [finding.message for finding in check_site([path]).findings if "notebook_allow" in finding.message]


@pytest.mark.parametrize("rule", ["{}", "{users: []}", "{users: [], groups: [], all: false}"])
def test_a_rule_that_admits_nobody_is_found(tmp_path: Path, rule: str) -> None:
    assert findings(tmp_path, rule) == ["`notebook_allow` admits nobody, so nobody could log in to the hub"]


@pytest.mark.parametrize(
    "rule", ["{all: true}", "{users: [ada]}", "{groups: [casa]}", '"{{ rule }}"', "{users: '{{ names }}'}"]
)
def test_others_are_not(tmp_path: Path, rule: str) -> None:
    assert findings(tmp_path, rule) == []


def test_a_hub_without_a_rule_is_found(tmp_path: Path) -> None:
    text = "\n".join(
        line for line in SITE.splitlines() if "notebook_allow" not in line and line != "      vars:"
    )
    (tmp_path / "hosts.yml").write_text(text)
    found = [finding.message for finding in check_site([tmp_path]).findings]
    assert any("`notebook_allow` is required by role `notebook`" in message for message in found)
