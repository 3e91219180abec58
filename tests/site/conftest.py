from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casa_install.site.specs import Specs, load_specs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIXTURES = Path(__file__).with_name("fixtures")

HOSTS = """\
condor_manager:
  hosts:
    cm1:
condor_execute:
  hosts:
    ep1:
    ep2:
"""
VARIABLES = "site_name: Example\nsite_domain: example.org\n"


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Path]:
    """Writes a site that is in order, except for the files given."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, text in {"hosts.yml": HOSTS, "group_vars/all/site.yml": VARIABLES, **files}.items():
            path = tmp_path / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "site"

    return write


@pytest.fixture
def small_specs(monkeypatch: pytest.MonkeyPatch) -> Specs:
    """Three roles as they were when the fixtures were written, so that new options change no outcome."""
    specs = load_specs(Path(__file__).with_name("collection"))
    monkeypatch.setattr("casa_install.site.check.load_specs", lambda: specs)
    return specs
