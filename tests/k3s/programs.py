"""The programs that the role k3s runs on hosts, as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

FILES = Path(__file__).resolve().parents[2] / "roles" / "k3s" / "files"


def load(name: str) -> Any:
    """Return a program as a module."""
    spec = importlib.util.spec_from_file_location(f"k3s_{name.removesuffix('.py')}", FILES / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
