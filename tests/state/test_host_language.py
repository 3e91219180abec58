"""What runs on a host runs on the oldest Python there (EL 9 has 3.9), with its standard library alone."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import casa_install

ROOT = Path(casa_install.__file__).parent / "plugins"
FILES = [*sorted((ROOT / "module_utils" / "casa_state").glob("*.py")), ROOT / "modules" / "casa_state.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_hosts_part_is_python_3_9_without_other_libraries(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert imported <= set(sys.stdlib_module_names) | {"ansible"}
    if path.name != "__init__.py":
        assert "from __future__ import annotations" in path.read_text()
    newer = ("slots=True", "kw_only=True", "strict=", "removeprefix_", "TypeAlias", "StrEnum")
    assert [word for word in newer if word in path.read_text()] == []
