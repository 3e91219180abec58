"""Disks of the lab's machines, as far as they need no kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from casa_install.errors import CasaError
from casa_install.lab import disks
from casa_install.lab.disks import Disk, loop_device, read_disks

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults() -> None:
    assert read_disks("cache", {"data": {"size": "2G"}, "new": {"size": "300M", "filesystem": "none"}}) == (
        Disk("data", 2 * 1024**3, "ext4", "/srv/data"),
        Disk("new", 300 * 1024**2, "none", "/dev/lab-new"),
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["data"], "must be a mapping"),
        ({"Data 1": {"size": "1G"}}, "no name for a disk"),
        ({"../up": {"size": "1G"}}, "no name for a disk"),
        ({"data": "1G"}, "must have `size`"),
        ({"data": {"size": "1G", "sise": 1}}, "must have `size`"),
        ({"data": {"size": "0G"}}, "must be a number with M or G"),
        ({"data": {"size": 1024}}, "must be a number with M or G"),
        ({"data": {"size": "1G", "filesystem": "tmpfs"}}, "one of ext4, xfs, none"),
        ({"data": {"size": "1G", "path": "srv/data"}}, "absolute path"),
        ({"data": {"size": "1G", "path": "/srv/a:/etc"}}, "absolute path"),
    ],
)
def test_refused(given: Any, message: str) -> None:
    with pytest.raises(CasaError, match=message) as refused:
        read_disks("cache", given)
    assert "of the machine cache" in refused.value.message


def test_loop_device_is_found_by_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "LOOPS", tmp_path)
    for name, image in (("loop0", "/lab/a.img"), ("loop7", "/lab/a.img.new")):
        (tmp_path / name / "loop").mkdir(parents=True)
        (tmp_path / name / "loop" / "backing_file").write_text(f"{image}\n", encoding="utf-8")
    (tmp_path / "loop1").mkdir()
    assert loop_device(tmp_path.__class__("/lab/a.img")) == "/dev/loop0"
    assert loop_device(tmp_path.__class__("/lab/b.img")) is None
