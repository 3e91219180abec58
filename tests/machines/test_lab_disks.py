"""A lab leaves no mount, loop device or file behind, however far its making came."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import ROOT, Lab

from casa_install.lab.disks import loop_device, mounted
from casa_install.lab.podman import Podman

pytestmark = pytest.mark.machines

INVENTORY = """\
all:
  hosts:
    disks:
      lab_capabilities: [SYS_ADMIN]
      lab_disks:
        data1: {size: 400M}
        data2: {size: 300M, path: /xcache/d2}
        new: {size: 300M, filesystem: none}
"""


def test_disks_are_real_and_leave_nothing_behind() -> None:
    with tempfile.TemporaryDirectory(prefix="casa-") as state:
        inventory = Path(state) / "hosts.yml"
        inventory.write_text(INVENTORY, encoding="utf-8")
        lab = Lab("test-disks", Path(state), inventory)
        up = ("lab", "up", "--name", lab.name, "-i", str(inventory))
        images = [lab.directory / "disks" / "disks" / f"{name}.img" for name in ("data1", "data2", "new")]
        try:
            done = lab.casa(*up)
            assert done.returncode == 0, done.stderr
            seen = lab.ssh(
                "disks", "findmnt -no FSTYPE,TARGET /srv/data1; stat -c %d / /srv/data1 /xcache/d2"
            )
            assert seen.splitlines()[0].split() == ["ext4", "/srv/data1"]
            assert len(set(seen.splitlines()[1:])) == 3
            assert lab.ssh("disks", "blockdev --getsize64 /dev/lab-new").strip() == str(300 * 1024**2)
            # In use when the lab goes.
            lab.ssh("disks", "sleep 1000 3<> /dev/lab-new > /dev/null 2>&1 < /dev/null &")
        finally:
            done = lab.casa("lab", "down", lab.name)
        assert done.returncode == 0, done.stderr
        assert_nothing_left(lab, images)

        command = [sys.executable, "-m", "casa_install", *up]
        killed = subprocess.Popen(command, cwd=ROOT, env=lab.environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while loop_device(images[-1]) is None:
            assert killed.poll() is None, "`lab up` ended before it attached the last disk"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        done = lab.casa("lab", "down", lab.name)
        assert done.returncode == 0, done.stderr
        assert_nothing_left(lab, images)


def assert_nothing_left(lab: Lab, images: list[Path]) -> None:
    assert [image for image in images if loop_device(image)] == []
    podman = Podman(lab.directory.parent)
    assert [path for path in mounted(podman) if path.startswith(str(lab.directory))] == []
    assert not lab.directory.exists()
