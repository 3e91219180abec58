"""The hub's own package, and settings as the role writes them."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

FILES = Path(__file__).resolve().parents[2] / "roles" / "notebook" / "files"
sys.path.insert(0, str(FILES))

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD: dict[str, Any] = {
    "name": "Example Tier-3",
    "url": "https://hub.example.edu/",
    "hub_host": "hub.example.edu",
    "login": {"kind": "keycloak", "issuer": "https://sso.example.edu/realms/t3", "client_id": "casa"},
    "allow": {"groups": ["physics"]},
}


@pytest.fixture
def good() -> dict[str, Any]:
    """Settings that are enough, to be changed."""
    return copy.deepcopy(GOOD)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Write settings and secrets as the role does; returns the path of the settings."""

    def write(settings: dict[str, Any]) -> Path:
        settings.setdefault("state_directory", str(tmp_path / "state"))
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(settings))
        (tmp_path / "secrets").mkdir(exist_ok=True)
        for number, name in enumerate(("cookie_secret", "crypt_key", "proxy_token", "client_secret")):
            secret = tmp_path / "secrets" / name
            secret.touch(0o600)
            secret.write_text(f"{number}{number}" * 32)
        return path

    return write
