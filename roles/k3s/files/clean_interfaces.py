"""Removes k3s's network interfaces, and the control groups of pods that are empty.

Interfaces that hang on its bridge, and those with flannel's and kube-proxy's names; not another runtime's.

Reads one JSON object: check (only tell). Prints one: changed, done, faults. Python 3.9, standard library
only.
"""

import contextlib
import glob
import json
import os
import subprocess
import sys

BRIDGE = "cni0"
INTERFACES = (BRIDGE, "flannel.1", "flannel-v6.1", "flannel-wg", "flannel-wg-v6", "kube-ipvs0")


def interfaces():
    """Names of interfaces -> the bridge that each is part of."""
    found = {}
    for name in os.listdir("/sys/class/net"):
        master = f"/sys/class/net/{name}/master"
        found[name] = os.path.basename(os.readlink(master)) if os.path.islink(master) else ""
    return found


def owned_interfaces(found):
    """Ours, those on the bridge before the bridge."""
    on_bridge = sorted(name for name, master in found.items() if master == BRIDGE)
    return on_bridge + [name for name in INTERFACES if name in found]


def remove_interfaces(order, say):
    """Remove k3s's interfaces; what did not work."""
    names = owned_interfaces(interfaces())
    if names:
        say(f"remove interfaces {', '.join(names)}")
    if order["check"]:
        return []
    faults = []
    for name in names:
        done = subprocess.run(
            ["ip", "link", "delete", "dev", name], capture_output=True, text=True, check=False
        )
        # The end of a namespace takes an interface away as well, in its own time.
        if done.returncode and name in interfaces():
            faults.append(f"interface {name}: {done.stderr.strip()}")
    return faults


def remove_control_groups(order):
    """Empty ones only: rmdir refuses others."""
    if order["check"]:
        return
    for top in glob.glob("/sys/fs/cgroup/kubepods*") + glob.glob("/sys/fs/cgroup/*/kubepods*"):
        for directory, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def main():
    """Read the order, do it, print the answer."""
    order = json.load(sys.stdin)
    done = []
    faults = remove_interfaces(order, done.append)
    remove_control_groups(order)
    print(json.dumps({"changed": bool(done), "done": done, "faults": faults}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
