"""Programs of the role k3s, started as they are on a host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Path(__file__).resolve().parents[2] / "roles" / "k3s" / "files"


@pytest.fixture
def run_program() -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """Starts a program of the role with an order on its standard input, and returns its answer."""

    def run(name: str, order: dict[str, Any]) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", (FILES / name).read_text(encoding="utf-8")],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return run
