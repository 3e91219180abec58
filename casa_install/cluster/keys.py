"""What the keys of k3s' config.yaml mean to the role; the table is `keys.yml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


def owner(key: str) -> str:
    """Return where a site sets a key that the role writes itself; empty for one that is free."""
    return str(keys().get(key.rstrip("+"), {}).get("owner", ""))


@cache
def keys() -> dict[str, dict[str, Any]]:
    """Return `keys.yml`."""
    return dict(yaml.safe_load(Path(__file__).with_name("keys.yml").read_text(encoding="utf-8")))
