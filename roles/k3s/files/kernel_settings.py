"""Remembers kernel settings that k3s changes while it runs, and puts them back when it has gone.

k3s, its kubelet and its kube-proxy write these themselves, so no list of ours has them. What the site's own
configuration names is the site's; what lets packets through stays where others still forward.

Reads one JSON object: action (record or restore), file, check (only tell). Prints one: changed, done, notes.
Python 3.9, standard library only.
"""

import glob
import json
import os
import re
import subprocess
import sys
from pathlib import Path

# pkg/agent/syssetup of k3s, pkg/kubelet/cm and pkg/proxy of Kubernetes.
FORWARDING = (
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.default.forwarding",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)
OTHERS = (
    "net.ipv4.conf.all.route_localnet",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)
PLACES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")


def path_of(key):
    """The file of a setting."""
    return "/proc/sys/" + key.replace(".", "/")


def read(key):
    """A setting's value; None where this kernel has none."""
    try:
        return Path(path_of(key)).read_text().strip()
    except OSError:
        return None


def configured():
    """What the host's own files say, the last one first asked (sysctl.d(5))."""
    files = [path for place in PLACES for path in glob.glob(place + "/*.conf")]
    found = {}
    for path in [*sorted(files, key=os.path.basename), "/etc/sysctl.conf"]:
        try:
            lines = Path(path).read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            match = re.match(r"\s*-?\s*([\w./*-]+?)\s*=\s*(.*?)\s*$", line)
            if match and not line.lstrip().startswith(("#", ";")):
                found[match.group(1).replace("/", ".")] = match.group(2)
    return found


def forwarders():
    """Whether somebody else's rules forward packets here: docker's, libvirt's, podman's."""
    for base in ("iptables", "ip6tables"):
        try:
            done = subprocess.run(
                [base + "-save", "-t", "filter"], capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        if re.search(r"^-A FORWARD .*-[jg] ", done.stdout, re.MULTILINE):
            return True
    return False


def record(file):
    """Write down the settings as they are, once."""
    if file.exists():
        return {"changed": False, "done": [], "notes": []}
    found = {key: value for key in FORWARDING + OTHERS for value in [read(key)] if value is not None}
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = file.with_name("." + file.name)
    temporary.write_text(json.dumps(found, indent=1) + "\n")
    temporary.replace(file)
    return {"changed": True, "done": [f"remember {len(found)} kernel settings"], "notes": []}


def restore(file, check):
    """Put them back, and remove the note."""
    try:
        before = json.loads(file.read_text())
    except (OSError, ValueError):
        return {"changed": False, "done": [], "notes": []}
    wanted, forward = configured(), None
    done, notes = [], []
    for key, value in before.items():
        now = read(key)
        if now is None or now == value or key not in FORWARDING + OTHERS:
            continue
        # What a file of the host names was put there for others than k3s.
        if wanted.get(key) == now:
            continue
        if key in FORWARDING:
            forward = forwarders() if forward is None else forward
            if forward:
                notes.append(f"{key} stays {now}: rules of others forward packets here; it was {value}")
                continue
        if not check:
            try:
                Path(path_of(key)).write_text(value + "\n")
            except OSError as error:
                notes.append(f"{key} stays {now}: {error.strerror}; it was {value}")
                continue
        done.append(f"put back {key} = {value}")
    if not check:
        file.unlink()
        done.append(f"remove {file}")
    return {"changed": bool(done), "done": done, "notes": notes}


def main():
    """Read the order, do it, print the answer."""
    order = json.load(sys.stdin)
    file = Path(order["file"])
    answer = record(file) if order["action"] == "record" else restore(file, order["check"])
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
