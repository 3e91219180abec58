"""A manifest that verify tries on a server leaves nothing behind, whatever becomes of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


class Api:
    """Shows what is in the directory while it is watched."""

    def __init__(self, directory: Path, *, appears: bool = True, fault: BaseException | None = None) -> None:
        self.directory, self.appears, self.fault = directory, appears, fault
        self.seen: list[tuple[str, int]] = []
        self.deleted: list[str] = []
        self.maps: list[dict[str, Any]] = []

    def wait(self, _path: str, _name: str, _met: object, _seconds: int) -> bool:
        self.seen += [(path.name, path.stat().st_mode & 0o777) for path in self.directory.iterdir()]
        if self.fault:
            raise self.fault
        return self.appears

    def get(self, _path: str) -> dict[str, Any]:
        return {"items": self.maps}

    def delete(self, path: str) -> None:
        self.deleted.append(path)


@pytest.fixture
def tried(program: Callable[[str], ModuleType], tmp_path: Path) -> ModuleType:
    module = program("try-k3s")
    module.MANIFESTS = tmp_path
    return module


def test_the_file_is_there_while_it_is_tried(tried: ModuleType, tmp_path: Path) -> None:
    api = Api(tmp_path)
    found = tried.manifest(api)
    name, mode = api.seen[0]
    assert found["fault"] == ""
    assert name.startswith("casa-verify-")
    assert name.endswith(".yaml")
    assert mode == 0o600
    stem = name.removesuffix(".yaml")
    assert api.deleted == [f"{tried.MAPS}/{stem}", f"{tried.ADDONS}/{stem}"]
    assert list(tmp_path.iterdir()) == []


def test_no_object_is_a_fault(tried: ModuleType, tmp_path: Path) -> None:
    found = tried.manifest(Api(tmp_path, appears=False))
    assert "no object came of" in found["fault"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [OSError("away"), SystemExit(143)])
def test_nothing_stays_after_a_fault_or_an_end(
    tried: ModuleType, tmp_path: Path, fault: BaseException
) -> None:
    api = Api(tmp_path, fault=fault)
    with pytest.raises(type(fault)):
        tried.manifest(api)
    assert len(api.deleted) == 2
    assert list(tmp_path.iterdir()) == []


def test_only_what_a_killed_run_left_is_swept(tried: ModuleType, tmp_path: Path) -> None:
    names = {"casa-verify-old.yaml": 1000, ".casa-verify-half": 1000, "casa-verify-young.yaml": 10}
    for name, age in (names | {"coredns.yaml": 1000}).items():
        path = tmp_path / name
        path.write_text("{}")
        os.utime(path, (time.time() - age, time.time() - age))
    api = Api(tmp_path)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 100))
    api.maps = [
        {"metadata": {"name": "casa-verify-gone", "creationTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"name": "casa-verify-now", "creationTimestamp": stamp}},
    ]
    tried.sweep(api)
    assert {path.name for path in tmp_path.iterdir()} == {"casa-verify-young.yaml", "coredns.yaml"}
    maps = [path.rpartition("/")[2] for path in api.deleted if path.startswith(tried.MAPS)]
    assert sorted(maps) == ["casa-verify-gone", "casa-verify-half", "casa-verify-old"]


def test_no_connection_is_no_status(tried: ModuleType) -> None:
    assert tried.stranger("https://127.0.0.1:1/pods") == "Connection refused"
