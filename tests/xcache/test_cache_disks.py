"""What the role does with a disk: it takes what is blank, and leaves alone what is not unless it is named."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.template import trust_as_template

from casa_install.cache.disks import Disk, disk_setting_findings, judged_disks, mount_unit
from casa_install.cache.storage import read_look, storage_findings
from tests.xcache.conftest import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "xcache" / "files" / "disks.py"
WANTED = {"device": "/dev/sdb", "path": "/xcache/d1"}
BLANK: dict[str, Any] = {
    **WANTED,
    "state": "block",
    "ext4_tools": True,
    "number": "8:16",
    "ours": False,
    "mounted": "",
    "content": False,
    "elsewhere": [],
    "signatures": [],
    "busy": False,
    "rotational": False,
}
NAMED = ["/dev/sdb"]


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("disks", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(to_format: list[str], filesystem: str = "xfs", **found: Any) -> Disk:
    return judged_disks([{**WANTED, "filesystem": filesystem}], to_format, [{**BLANK, **found}])[0]


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ({}, []),
        ({}, NAMED),
        ({"signatures": ["ext2"]}, NAMED),
        ({"signatures": ["PMBR", "gpt"]}, NAMED),
        ({"signatures": ["ext4", "xfs"]}, NAMED),
    ],
)
def test_what_is_formatted(found: dict[str, Any], named: list[str]) -> None:
    disk = judged(named, **found)
    assert (disk.to_format, disk.finding) == (True, "")
    assert disk.signatures == tuple(found.get("signatures", ()))


@pytest.mark.parametrize("named", [[], NAMED])
@pytest.mark.parametrize(
    "found",
    [
        {"signatures": ["xfs"]},
        {"signatures": ["xfs"], "ours": True, "mounted": "xfs", "busy": True},
        # A signature of long ago that the file system did not overwrite.
        {"signatures": ["dos", "xfs"], "ours": True, "mounted": "xfs", "busy": True},
    ],
)
def test_a_disk_with_the_file_system_is_never_formatted(found: dict[str, Any], named: list[str]) -> None:
    disk = judged(named, **found)
    assert (disk.to_format, disk.finding, disk.ready) == (False, "", True)


@pytest.mark.parametrize("kind", ["ext2", "ext4", "gpt", "dos", "LVM2_member", "linux_raid_member", "swap"])
def test_anything_else_is_refused_with_what_was_found_and_the_way_round(kind: str) -> None:
    disk = judged([], signatures=[kind])
    assert not disk.to_format
    assert f"is not blank and holds no xfs alone, but: {kind}" in disk.finding
    assert "skip: xcache_format_disks: [/dev/sdb]" in disk.finding
    # Another disk's name does not count.
    assert judged(["/dev/sdc"], signatures=[kind]).finding == disk.finding


@pytest.mark.parametrize("named", [[], NAMED])
@pytest.mark.parametrize("signatures", [[], ["ext2"], ["xfs"]])
@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"elsewhere": ["/home"], "busy": True}, "/dev/sdb is mounted at /home"),
        ({"ours": True, "mounted": "ext2", "busy": True}, "/dev/sdb is mounted at /xcache/d1 as ext2"),
        ({"busy": True}, "/dev/sdb is in use (swap, LVM, RAID"),
        ({"mounted": "nfs"}, "another file system (nfs) is mounted at /xcache/d1"),
        ({"content": True}, "/xcache/d1 is no empty directory"),
        ({"state": "no block device"}, "/dev/sdb: no block device"),
        ({"state": "No such file or directory"}, "/dev/sdb: No such file or directory"),
    ],
)
def test_a_disk_in_use_is_refused_even_when_it_is_named(
    found: dict[str, Any], message: str, signatures: list[str], named: list[str]
) -> None:
    disk = judged(named, signatures=signatures, **found)
    assert not disk.to_format
    assert message in disk.finding


@pytest.mark.parametrize("named", [[], NAMED])
def test_a_disk_that_cannot_be_read_counts_as_no_blank_one(named: list[str]) -> None:
    disk = judged(named, signatures=None)
    assert not disk.to_format
    assert "cannot be told" in disk.finding


def test_ext4_needs_tools_that_the_role_does_not_install() -> None:
    assert "install e2fsprogs" in judged([], "ext4", ext4_tools=False).finding
    assert judged([], "ext4").to_format
    assert judged([], "ext4", ext4_tools=False, signatures=["ext4"]).finding == ""


def test_one_disk_under_two_names_is_refused() -> None:
    other = {"device": "/dev/disk/by-id/x", "path": "/xcache/d2"}
    disks = judged_disks([WANTED, other], [], [BLANK, {**BLANK, **other}])
    assert (disks[0].to_format, disks[1].to_format) == (True, False)
    assert "/dev/disk/by-id/x and /dev/sdb are one disk" in disks[1].finding


@pytest.mark.parametrize(
    ("disks", "named", "message"),
    [
        ([{**WANTED, "device": "sdb"}], [], "`sdb` must be a device"),
        ([{**WANTED, "device": "/dev/../etc/passwd"}], [], "must be a device"),
        ([{**WANTED, "path": "/"}], [], "`/` must be an absolute path below /"),
        ([{**WANTED, "path": "/a/../b"}], [], "without `..`"),
        ([{**WANTED, "path": "/a b"}], [], "`/a b` must be an absolute path"),
        ([WANTED, WANTED], [], "/dev/sdb is there twice"),
        ([WANTED, {"device": "/dev/sdc", "path": "/xcache/d1"}], [], "/xcache/d1 is there twice"),
        ([WANTED, {"device": "/dev/sdc", "path": "/xcache/d1/x"}], [], "/xcache/d1/x is below /xcache/d1"),
        ([WANTED], ["/dev/sdc"], "xcache_format_disks: /dev/sdc is no device of xcache_disks"),
    ],
)
def test_settings(disks: list[dict[str, Any]], named: list[str], message: str) -> None:
    assert message in "\n".join(disk_setting_findings(disks, named))


def test_good_settings_have_no_finding() -> None:
    good = [{"device": "/dev/disk/by-id/ata-X_1:2", "path": "/xcache/new-disk"}, WANTED]
    assert disk_setting_findings(good, NAMED) == []


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/xcache/d1", "xcache-d1.mount"),
        ("/xcache/new-disk", "xcache-new\\x2ddisk.mount"),
        ("/srv/a.b_c/.d", "srv-a.b_c-.d.mount"),
        ("/.hidden", "\\x2ehidden.mount"),
    ],
)
def test_names_of_mount_units(path: str, unit: str) -> None:
    assert mount_unit(path) == unit
    if shutil.which("systemd-escape"):
        command = ["systemd-escape", "--path", "--suffix=mount", path]
        assert subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip() == unit


def as_mapping(**changed: Any) -> dict[str, Any]:
    return {
        "device": "/dev/sdb",
        "path": "/srv/xcache",
        "filesystem": "xfs",
        "mounted": False,
        "rotational": False,
        **changed,
    }


def test_a_directory_below_a_disk_to_come_is_judged_as_on_it() -> None:
    lines = [
        "place\troot\t/\t10\text2/ext3\t1",
        "place\tdata\t/srv/xcache/data\t10\tbtrfs\t1",
        "rotational\t1\t/srv/xcache/data",
    ]
    assert len(storage_findings(read_look(lines), shared_device=False)) == 2
    look = read_look(lines, [as_mapping()])
    assert storage_findings(look, shared_device=False) == []
    assert not look.rotational
    assert read_look(lines, [as_mapping(rotational=True)]).rotational
    # Beside it is not below it, and what is mounted is judged as it is.
    assert len(storage_findings(read_look(lines, [as_mapping(path="/srv/xc")]), shared_device=False)) == 2
    assert len(storage_findings(read_look(lines, [as_mapping(mounted=True)]), shared_device=False)) == 2


def test_a_disk_is_not_taken_from_under_the_cache() -> None:
    lines = [*LOOK["stdout_lines"], "on\tdata\t/srv/xcache/data\t/srv/xcache"]
    (finding,) = storage_findings(read_look(lines), shared_device=False)
    assert "is on the disk at /srv/xcache, which is gone from xcache_disks" in finding
    assert storage_findings(read_look(lines, [as_mapping(mounted=True)]), shared_device=False) == []


def test_mounts_are_read_with_their_escaped_paths() -> None:
    text = (
        "36 35 8:16 / /xcache/a\\040b rw,noatime shared:1 - xfs /dev/sdb rw\n"
        "37 35 8:17 / /mnt rw - ext4 /dev/sdb1 rw\n"
    )
    assert program().mounts(text) == [("/xcache/a b", "8:16", "xfs"), ("/mnt", "8:17", "ext4")]


@pytest.mark.skipif(shutil.which("wipefs") is None, reason="wipefs is not on this computer")
def test_signatures_of_real_bytes(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 8 * 1024 * 1024)
    assert program().signatures(str(image)) == []
    swap = bytearray(8 * 1024 * 1024)
    swap[4086:4096] = b"SWAPSPACE2"
    swap[1024:1028] = (1).to_bytes(4, "little")
    swap[1028:1032] = (2047).to_bytes(4, "little")
    image.write_bytes(swap)
    assert program().signatures(str(image)) == ["swap"]
    assert program().signatures(str(tmp_path / "missing")) is None


@pytest.mark.parametrize("verb", ["look", "format"])
def test_what_is_no_block_device_is_left_alone(verb: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"kept")
    words = [str(file), "/xcache/d1"] if verb == "look" else [str(file), "8:16", "xfs"]
    ran = subprocess.run(
        ["/usr/bin/env", "python3", str(PROGRAM), verb, *words], capture_output=True, text=True, check=False
    )
    if verb == "look":
        assert '"state": "no block device"' in ran.stdout
    else:
        assert ran.returncode != 0
        assert "was left alone: it is another disk" in ran.stderr
    assert file.read_bytes() == b"kept"


def test_the_role_starts_nothing_on_a_disk_that_is_not_formatted_yet(templar: Callable[..., Any]) -> None:
    def host(**found: Any) -> Any:
        return templar(
            "Debian",
            xcache_profile="cms",
            xcache_disks=[WANTED],
            __xcache_disks_look={"stdout": json.dumps([{**BLANK, **found}])},
        )

    blank, ready = host(), host(signatures=["xfs"])
    assert blank.template(trust_as_template("{{ __xcache_formatted }}")) == [
        "/dev/sdb was blank: it gets xfs and is mounted at /xcache/d1"
    ]
    assert ready.template(trust_as_template("{{ __xcache_formatted }}")) == []
    assert ready.template(trust_as_template("{{ __xcache_started }}")) == "started"
    for either in (blank, ready):
        assert "xfsprogs" in either.template(trust_as_template("{{ __xcache_all_packages }}"))
        assert either.template(trust_as_template("{{ __xcache_disks[0].unit }}")) == "xcache-d1.mount"
