"""Ctrl-C, kill and two runs at once: what is left, and that the same command goes on."""

import fcntl
import json
import os
import signal
import socket
from pathlib import Path

import pytest

SLOW = ("slow.yml", "-i", "hosts.yml", "--yes")


def processes_of(casa):
    """Return the processes that work for a run, by what they were started with."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(casa.path) in text or ("slow.yml" in text and "ansible" in text):
                found.append((entry.name, text))
    return found


def holds_lock(pid):
    """Tell whether a process has the lock of the run's processes open."""
    try:
        return any(".processes" in str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def go_on(casa):
    """Give the same command again, with a task that is quick now."""
    casa.write("fast", "")
    return casa.run(*SLOW)


def test_first_interrupt_ends_cleanly_and_says_how_to_go_on(casa):
    process = casa.start_slow()
    os.kill(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Ending the run" in messages
    assert "ep    unfinished" in messages
    assert "In progress on ep: Sleep unless told otherwise" in messages
    assert "Go on: casa-install slow.yml -i hosts.yml --yes\n" in messages
    assert "Traceback" not in messages
    assert casa.lock_is_free()
    assert not casa.sleeper()
    assert processes_of(casa) == []
    journal = json.loads((casa.runs()[0] / "journal.json").read_text())
    assert (journal["status"], journal["exit_code"]) == ("interrupted", 130)
    assert go_on(casa).returncode == 0


def test_second_interrupt_ends_at_once(casa, wait):
    process = casa.start_slow()
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    _, messages = process.communicate(timeout=10)
    assert process.returncode == 130, messages
    assert "Traceback" not in messages
    wait(lambda: not casa.sleeper() and casa.lock_is_free(), "everything ends", 5)
    assert processes_of(casa) == []
    assert go_on(casa).returncode == 0


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its process group"])
def test_killed_run_leaves_nothing_behind_and_the_same_command_ends_well(casa, wait, group):
    process = casa.start_slow()
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    wait(casa.lock_is_free, "the lock is free", 5)
    assert not casa.sleeper(), "the lock was free before the last process had ended"
    assert processes_of(casa) == []
    assert not (casa.runs()[0] / "runner").exists()
    assert "died" in casa.run("runs", "list").stdout
    assert "died" in casa.run("runs", "show", "last").stdout
    again = go_on(casa)
    assert again.returncode == 0, again.stderr


def test_every_process_of_ansible_holds_the_lock(casa):
    process = casa.start_slow()
    try:
        holders = [text for pid, text in processes_of(casa) if holds_lock(pid)]
        assert sum("ansible-playbook" in text for text in holders) >= 2, "Ansible and its worker"
        assert any("supervisor.py" in text for text in holders)
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=30)


def test_processes_of_a_killed_run_that_still_live_keep_others_out(casa):
    process = casa.start_slow()
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    (lock,) = (casa.path / "state/casa-install/locks").glob("*.processes")
    with lock.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        refused = casa.run(*SLOW)
        assert refused.returncode == 1
        assert "have not ended yet" in refused.stderr
        assert str(process.pid) in refused.stderr
        assert len(casa.runs()) == 1
    assert go_on(casa).returncode == 0


def test_killed_supervisor_does_not_leave_ansible_running(casa, wait):
    process = casa.start_slow()
    (supervisor,) = [int(pid) for pid, text in processes_of(casa) if "supervisor.py" in text]
    os.kill(supervisor, signal.SIGKILL)
    _, messages = process.communicate(timeout=30)
    assert process.returncode == 1, messages
    assert "Traceback" not in messages
    wait(lambda: not casa.sleeper() and casa.lock_is_free(), "everything ends", 10)


def test_second_run_is_refused_and_names_the_holder(casa):
    process = casa.start_slow()
    try:
        refused = casa.run("slow.yml", "-i", str(casa.site / "hosts.yml"), "--yes")
        assert refused.returncode == 1
        text = " ".join(refused.stderr.split())
        assert f"on {socket.gethostname()}, pid {process.pid}, since 20" in text
        assert len(casa.runs()) == 1
        assert casa.sleeper(), "the first run goes on"
        other = casa.path / "other"
        other.mkdir()
        (other / "hosts.yml").write_text((casa.site / "hosts.yml").read_text())
        casa.write("ok.yml", "[{name: Nothing, hosts: all, tasks: []}]")
        assert casa.run("ok.yml", "-i", str(other), "--yes").returncode == 0, "another site is free"
        assert "running" in casa.run("runs", "list").stdout
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
