"""Desired state on a real machine that dies, or is full, in the middle of a run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, Lab

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.machines

SCENARIO = ROOT / "molecule" / "state"
HOLDS = ("package", "batch", "unit")
FILES = ("content", "validated", "small/one", "small/two", "small/three")


@pytest.fixture(scope="module")
def machine() -> Iterator[Lab]:
    """The machine of the scenario `state`, as its prepare.yml leaves it."""
    with tempfile.TemporaryDirectory(prefix="casa-") as state:
        made = Lab("demo", Path(state), SCENARIO / "inventory", str(SCENARIO / "converge.yml"))
        made.casa("lab", "down", made.name)
        done = made.casa("lab", "up", "--name", made.name, "-i", str(made.inventory))
        assert done.returncode == 0, done.stderr
        prepared = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                f"--inventory={made.inventory}",
                f"--inventory={made.directory / 'inventory'}",
                str(SCENARIO / "prepare.yml"),
            ],
            env={**made.environment, "MOLECULE_EPHEMERAL_DIRECTORY": state},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert prepared.returncode == 0, prepared.stdout
        yield made
        done = made.casa("lab", "down", made.name)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def demo(machine: Lab) -> Lab:
    """The machine with the role on it, in its first generation, and nothing on hold."""
    machine.podman_exec("demo", "rm", "-f", *(f"/run/state-demo-hold-{name}" for name in HOLDS))
    code, _, seen = machine.apply(*generation("first"))
    assert code == 0, seen
    return machine


def generation(name: str) -> tuple[str, str]:
    """The words that choose what stands in the role's files."""
    return ("-e", f"state_demo_generation={name}")


def contents(lab: Lab) -> dict[str, str]:
    """What the files hold: the generation, where it is a whole file of it."""
    sizes = {"small/one": 1000, "small/two": 30000, "small/three": 10}
    found = {}
    for name in FILES:
        text = lab.podman_exec("demo", "cat", f"/srv/state-demo/{name}")
        for word in ("first", "second"):
            whole = f"generation {word}\n" if name not in sizes else f"{word}\n" * sizes[name]
            if text == whole:
                found[name] = word
    return found


def await_on(lab: Lab, question: str, run: subprocess.Popen[str]) -> None:
    """Wait until a command succeeds on the machine, while the run goes on."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before the state that was waited for"
        try:
            lab.podman_exec("demo", "sh", "-c", question)
        except CasaError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"`{question}` was never true")


def kill_everything(lab: Lab, run: subprocess.Popen[str]) -> None:
    """Kill the run and all its children here, and every process of a login on the machine."""
    for pid in descendants(run.pid):
        # A child may have ended with the parent that was killed before it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.wait(timeout=30)
    lab.podman_exec("demo", "systemctl", "kill", "--signal=KILL", "session-*.scope")


def descendants(pid: int) -> list[int]:
    """A process and all that came of it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def require_finished(lab: Lab, name: str) -> None:
    """The next run finishes, the one after it has nothing to do, and nothing is left over."""
    code, result, seen = lab.apply(*generation(name))
    assert code == 0, seen
    code, result, seen = lab.apply(*generation(name))
    assert code == 0, seen
    assert result["changed"] == 0, result["hosts"]
    assert contents(lab) == dict.fromkeys(FILES, name)
    left = "find / -xdev -name '.casa-tmp-*'; ls /etc/casa-install/saved | grep packages-before; dpkg --audit"
    assert lab.podman_exec("demo", "sh", "-c", f"{left}; true") == ""
    running = "systemctl is-active state-demo.service casademo-packaged.service"
    assert lab.podman_exec("demo", "sh", "-c", running).split() == ["active", "active"]


def test_killed_while_packages_are_installed(demo: Lab) -> None:
    demo.podman_exec("demo", "dpkg", "--purge", "casademo-services", "casademo-library")
    demo.podman_exec("demo", "touch", "/run/state-demo-hold-package")
    run = demo.start_apply(*generation("second"))
    await_on(demo, "pgrep -f '[c]asademo-services.postinst'", run)
    kill_everything(demo, run)
    status = demo.podman_exec("demo", "dpkg-query", "-W", "-f", "${db:Status-Status}", "casademo-services")
    assert status == "half-configured"
    assert contents(demo) == dict.fromkeys(FILES, "first"), "files come after packages"
    demo.podman_exec("demo", "rm", "/run/state-demo-hold-package")
    require_finished(demo, "second")


def test_killed_while_the_batch_writes(demo: Lab) -> None:
    demo.podman_exec("demo", "touch", "/run/state-demo-hold-batch")
    run = demo.start_apply(*generation("second"))
    await_on(demo, "ls /srv/state-demo/.casa-tmp-*", run)
    kill_everything(demo, run)
    assert contents(demo) == {**dict.fromkeys(FILES, "first"), "content": "second"}
    demo.podman_exec("demo", "sh", "-c", "ls /srv/state-demo/.casa-tmp-*")
    demo.podman_exec("demo", "rm", "/run/state-demo-hold-batch")
    require_finished(demo, "second")


def test_killed_while_a_unit_starts(demo: Lab) -> None:
    demo.podman_exec("demo", "systemctl", "stop", "state-demo.service")
    demo.podman_exec("demo", "touch", "/run/state-demo-hold-unit")
    run = demo.start_apply(*generation("second"))
    await_on(demo, "systemctl show -p ActiveState state-demo.service | grep -q activating", run)
    kill_everything(demo, run)
    assert contents(demo) == dict.fromkeys(FILES, "second"), "units come after files"
    demo.podman_exec("demo", "rm", "/run/state-demo-hold-unit")
    require_finished(demo, "second")


def test_full_disk_leaves_every_file_old_or_new_and_names_host_and_path(demo: Lab) -> None:
    small = "/srv/state-demo/small"
    demo.podman_exec("demo", "mount", "-t", "tmpfs", "-o", "size=700k,mode=755", "tmpfs", small)
    try:
        code, _, seen = demo.apply(*generation("first"))
        assert code == 0, seen
        fill = f"cat /dev/zero > {small}/filler; truncate -s -40K {small}/filler"
        demo.podman_exec("demo", "sh", "-c", fill)
        done = demo.casa(*demo.apply_arguments, *generation("second"))
        assert done.returncode == 1
        said = done.stdout + done.stderr
        assert "demo" in said
        assert f"no space left on the file system of {small}/two; it was left as it was" in said
        assert f"df {small}" in said
        assert contents(demo) == {
            **dict.fromkeys(FILES, "second"), "small/two": "first", "small/three": "first",
        }  # fmt: skip
        demo.podman_exec("demo", "rm", f"{small}/filler")
        require_finished(demo, "second")
    finally:
        demo.podman_exec("demo", "umount", small)


def test_full_disk_below_the_receipts_changes_nothing(demo: Lab) -> None:
    base = "/etc/casa-install"
    fill = (
        f"cp -a {base} /run/kept; mount -t tmpfs -o size=256k,mode=755 tmpfs {base}; "
        f"cp -a /run/kept/. {base}; cat /dev/zero > {base}/filler; true"
    )
    demo.podman_exec("demo", "sh", "-c", fill)
    try:
        done = demo.casa(*demo.apply_arguments, *generation("second"))
        assert done.returncode == 1
        said = done.stdout + done.stderr
        assert f"no space left on the file system of {base}/receipts/state_demo.json" in said
        assert contents(demo) == dict.fromkeys(FILES, "first")
        demo.podman_exec("demo", "rm", f"{base}/filler")
        require_finished(demo, "second")
    finally:
        demo.podman_exec("demo", "umount", base)
