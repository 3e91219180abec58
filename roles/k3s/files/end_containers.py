"""Ends what k3s leaves behind when its unit stops: containers, mounts, network namespaces.

Only what is this k3s's is touched: containerd's shims that run its programs and answer to its socket, with
what they started; mounts below its own directories; network namespaces of those containers, or of nobody.
Mounts that stand in /etc/fstab are the site's.

Reads one JSON object: data and run (k3s's directories), kubelet, seconds (what a container gets to end by
itself), check (only tell). Prints one: changed, done, faults. Python 3.9, standard library only.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

NAMESPACES = "/run/netns"
# Compiled into containerd and its shims; other containerds have theirs there as well.
RUNTIME = "/run/containerd"
# From SIGKILL to the end of a process the kernel needs little; more means one that hangs in the kernel.
KILL_SECONDS = 15.0
UNMOUNT_SECONDS = 30.0


class Process:
    """One process, by the moment of its start too: its number may be another one's soon."""

    def __init__(self, pid, parent, started, zombie=False, argv=(), program="", root=True):
        self.pid, self.parent, self.started, self.zombie = pid, parent, started, zombie
        self.argv, self.program, self.root = tuple(argv), program, root


def parse_stat(text):
    """Parent, start time and whether only the parent's wait is missing, from /proc/PID/stat."""
    # The program's name, in brackets, may hold blanks and brackets.
    fields = text[text.rindex(")") + 1 :].split()
    return int(fields[1]), int(fields[19]), fields[0] in ("Z", "X")


def read_process(pid):
    """One process; None when it has gone."""
    base = Path("/proc") / str(pid)
    try:
        parent, started, zombie = parse_stat((base / "stat").read_text(errors="replace"))
        argv = [
            word.decode(errors="replace") for word in (base / "cmdline").read_bytes().split(b"\0") if word
        ]
        owner = base.stat().st_uid
    except (OSError, ValueError, IndexError):
        return None
    try:
        program = os.readlink(base / "exe")
    except OSError:
        program = ""
    if program.endswith(" (deleted)"):
        program = program[: -len(" (deleted)")]
    return Process(pid, parent, started, zombie, argv, program, owner == 0)


def processes():
    """Every process of the host that has not ended, by number."""
    found = {}
    for name in os.listdir("/proc"):
        process = read_process(int(name)) if name.isdigit() else None
        if process is not None and not process.zombie:
            found[process.pid] = process
    return found


def is_runtime(process, data, run):
    """Whether it is this k3s's containerd or a shim of it: by its program's place and its socket."""
    name = os.path.basename(process.argv[0]) if process.argv else ""
    if not process.root or not (name == "containerd" or name.startswith("containerd-shim")):
        return False
    socket = run + "/containerd/containerd.sock"
    return process.program.startswith(data + "/data/") and socket in process.argv


def family(found, heads):
    """These processes and all that descend from them, parents first."""
    children = {}
    for process in found.values():
        children.setdefault(process.parent, []).append(process)
    ordered, left = [], list(heads)
    while left:
        process = left.pop(0)
        ordered.append(process)
        left += children.get(process.pid, [])
    return ordered


def send(process, number):
    """Signal exactly this process; nothing if it has gone."""
    try:
        if hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            handle = os.pidfd_open(process.pid)
            try:
                # The handle is of whoever has the number now, so that is looked at after it was opened.
                if alive(process):
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        elif alive(process):
            os.kill(process.pid, number)
    except ProcessLookupError:
        pass


def alive(process):
    """Whether this very process is still there."""
    now = read_process(process.pid)
    return now is not None and now.started == process.started and not now.zombie


def heeds_term(pid):
    """Whether a process has a handler for SIGTERM; the first of a container without one never sees it."""
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
        caught = int(re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE).group(1), 16)
    except (OSError, AttributeError):
        return False
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def wait_for(those, seconds):
    """The processes that are still there in the end."""
    deadline = time.monotonic() + seconds
    left = [process for process in those if alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = [process for process in left if alive(process)]
    return left


def end_processes(order, say):
    """End this k3s's containers; the network namespaces that they had, and what did not end."""
    found = processes()
    runtimes = [process for process in found.values() if is_runtime(process, order["data"], order["run"])]
    tree = {process.pid: process for process in family(found, runtimes)}
    own = network_of(1)
    spaces = {space for space in map(network_of, tree) if space} - {own}
    shims = [one for one in runtimes if os.path.basename(one.argv[0]).startswith("containerd-shim")]
    if tree:
        say(f"end {len(shims)} containers' shims with {len(tree) - len(shims)} processes")
    if order["check"] or not tree:
        return spaces, []
    heads = {shim.pid for shim in shims}
    first = [
        one for one in tree.values() if one.parent in heads and one.pid not in heads and heeds_term(one.pid)
    ]
    for process in first:
        send(process, signal.SIGTERM)
    wait_for(first, order["seconds"])
    # What was started meanwhile is found by looking again; a shim goes last, as it collects its children.
    for _ in range(3):
        found = processes()
        runtimes = [process for process in found.values() if is_runtime(process, order["data"], order["run"])]
        left = family(found, runtimes) + [one for one in tree.values() if alive(one)]
        for process in reversed(left):
            send(process, signal.SIGKILL)
        left = wait_for(left, KILL_SECONDS)
        if not left and not runtimes:
            break
    return spaces, [f"process {one.pid} ({' '.join(one.argv[:2])}) does not end" for one in left]


def network_of(pid):
    """What a process's network namespace is known by; 0 where it cannot be seen."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


def parse_mounts(text):
    """Mount points, first mounted first, from /proc/self/mountinfo (proc_pid_mountinfo(5))."""
    return [unescape(line.split()[4]) for line in text.splitlines() if len(line.split()) > 5]


def unescape(path):
    """A path as it is, from mountinfo or fstab."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), path)


def owned_mounts(mounts, order, kept=()):
    """What k3s mounted, last first. The directories themselves may be the site's own file systems."""
    places = (
        order["run"],
        order["kubelet"] + "/pods",
        order["kubelet"] + "/plugins",
        order["data"] + "/agent",
    )
    below = [path for path in mounts if path.startswith(tuple(place + "/" for place in places))]
    return [path for path in reversed(below) if path not in kept]


def fstab():
    """Mount points that the site's own table names."""
    try:
        lines = Path("/etc/fstab").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {unescape(line.split()[1]) for line in lines if len(line.split()) > 1 and not line.startswith("#")}


def unmount(path):
    """Why it stays mounted; empty when it does not."""
    try:
        done = subprocess.run(
            ["umount", path], capture_output=True, text=True, timeout=UNMOUNT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{path} cannot be unmounted: its server does not answer; umount -f -l {path}"
    # Also where it went with another one.
    return "" if done.returncode == 0 or path not in mount_points() else done.stderr.strip()


def mount_points():
    """Mount points of the host, in the order in which they were mounted."""
    return parse_mounts(Path("/proc/self/mountinfo").read_text(errors="replace"))


def runtime_state(order):
    """Where shims and runc keep what they know of this k3s's containers, outside its directories."""
    found = []
    for task in glob.glob(order["run"] + "/containerd/io.containerd.runtime.v2.task/k8s.io/*"):
        found.append(f"{RUNTIME}/runc/k8s.io/{os.path.basename(task)}")
        try:
            address = Path(task, "address").read_text().strip()
        except OSError:
            continue
        if address.startswith("unix://" + RUNTIME + "/s/"):
            found.append(address[len("unix://") :])
    return found


def end_runtime_state(paths):
    """Remove it, and the directories that it leaves empty."""
    for path in paths:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.exists(path):
            os.unlink(path)
    for path in ("/runc/k8s.io", "/runc", "/s", ""):
        with contextlib.suppress(OSError):
            os.rmdir(RUNTIME + path)


def end_mounts(order, say):
    """Unmount what k3s mounted; what did not work."""
    paths = owned_mounts(mount_points(), order, fstab())
    if paths:
        say(f"unmount {len(paths)} file systems of containers and volumes")
    if order["check"]:
        return []
    faults = [unmount(path) for path in paths]
    return [fault for fault in faults if fault]


def end_namespaces(order, ours, say):
    """Those of our containers, and those that no process is in; another runtime's containers keep theirs."""
    used = (
        {network_of(name) for name in os.listdir("/proc") if name.isdigit()} if not order["check"] else set()
    )
    faults, count = [], 0
    for path in sorted(glob.glob(NAMESPACES + "/cni-*")):
        try:
            space = os.stat(path).st_ino
        except OSError:
            continue
        if space not in ours and (space in used or order["check"]):
            continue
        count += 1
        if order["check"]:
            continue
        fault = unmount(path) if path in mount_points() else ""
        if fault:
            faults.append(fault)
        else:
            os.unlink(path)
    if count:
        say(f"remove {count} network namespaces")
    return faults


def main():
    """Read the order, do it, print the answer."""
    order = json.load(sys.stdin)
    done = []
    state = runtime_state(order)
    spaces, faults = end_processes(order, done.append)
    # A process that did not end holds its mounts; unmounting them one by one would only repeat that.
    if not faults:
        faults += end_mounts(order, done.append)
        faults += end_namespaces(order, spaces, done.append)
        if not order["check"]:
            end_runtime_state(state)
    print(json.dumps({"changed": bool(done), "done": done, "faults": faults}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
