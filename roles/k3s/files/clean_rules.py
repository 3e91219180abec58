"""Takes k3s's packet filter rules, address sets and routes off a host, and leaves everybody else's.

What goes: the chains of kube-proxy, the kubelet, the network policy controller (KUBE-), flannel (FLANNEL-)
and the port mappings of k3s's pod network (CNI-); single rules elsewhere that jump to them or are word for
word those which flannel and the policy controller write; sets of the policy controller; the nftables tables
of kube-proxy and flannel; routes to pods of other nodes. Never a flush of what is shared: deletions are
given to `iptables-restore --noflush`, one transaction per table.

Reads one JSON object: data (k3s's directory), networks (of the pods), check (only tell). Prints one:
changed, done, faults. Python 3.9, standard library only.
"""

import ipaddress
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

CHAINS = ("KUBE-", "FLANNEL-")
# Of its network policy controller's sets; kube-proxy's in IPVS mode.
SETS = ("KUBE-", "inet6:KUBE-", "kube-router-", "inet6:kube-router-")
TABLES = ("kube-proxy", "flannel-ipv4", "flannel-ipv6")
# The pod network's name in k3s's CNI configuration, from 1.0 on.
POD_NETWORKS = ("cbr0",)
# Rules outside those chains that carry no jump to one of them. flannel comments its rules from 0.19 on.
COMMENTS = (
    "flanneld masq",
    "flanneld forward",
    "rule to explicitly ACCEPT traffic that comply to network policies",
)
MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


class Table:
    """One table of `iptables-save`: chains with their policies, and rules as words and as text."""

    def __init__(self):
        self.chains, self.rules = {}, []


class Rule:
    """One rule, as words and as text."""

    def __init__(self, text):
        self.text = text
        # Quotes and backslashes are as in a shell (iptables-save writes them so).
        words = shlex.split(text)
        self.chain, self.words = words[1], words[2:]
        self.target = self._after("-j") or self._after("-g")
        self.comment = self._after("--comment")

    def _after(self, option):
        return self.words[self.words.index(option) + 1] if option in self.words[:-1] else ""


def parse_save(text):
    """Table -> chains and rules, from what iptables-save prints."""
    tables, table = {}, None
    for line in text.splitlines():
        if line.startswith("*"):
            table = tables.setdefault(line[1:], Table())
        elif line.startswith(":") and table is not None:
            name, policy = line[1:].split()[:2]
            table.chains[name] = policy
        elif line.startswith("-A ") and table is not None:
            table.rules.append(Rule(line))
    return tables


def network_name(rule):
    """The pod network that a port mapping belongs to, as CNI's plug-ins write it into their comments."""
    match = re.search(r'\bname: "([^"]+)"', rule.comment)
    return match.group(1) if match else ""


def owned_chains(table):
    """The chains that are k3s's alone. What podman and others share with CNI stays while they use it."""
    ours = {name for name in table.chains if name.startswith(CHAINS)}
    # The firewall plug-in of CNI makes these; k3s does not use it.
    cni = {name for name in table.chains if name.startswith("CNI-")} - {"CNI-FORWARD", "CNI-ADMIN"}
    names = {network_name(rule) for rule in table.rules if rule.chain in cni or rule.target in cni} - {""}
    if not names - set(POD_NETWORKS):
        return ours | cni
    leading = {}
    for rule in table.rules:
        if rule.target in cni:
            leading.setdefault(rule.target, set()).add(network_name(rule))
    return ours | {name for name, who in leading.items() if who and who <= set(POD_NETWORKS)}


def is_flannels(rule, table, networks):
    """Whether a rule is word for word one that flannel up to 0.18 writes (network/iptables.go)."""
    words = [word for word in rule.words if word != "--random-fully"]
    for network in networks:
        whole = str(network)
        forward = (["-s", whole, "-j", "ACCEPT"], ["-d", whole, "-j", "ACCEPT"])
        if table == "filter" and rule.chain == "FORWARD" and words in forward:
            return True
        if table != "nat" or rule.chain != "POSTROUTING":
            continue
        if words in (
            ["-s", whole, "-d", whole, "-j", "RETURN"],
            ["-s", whole, "!", "-d", MULTICAST[network.version], "-j", "MASQUERADE"],
            ["!", "-s", whole, "-d", whole, "-j", "MASQUERADE"],
        ):
            return True
        if len(words) == 7 and words[:4] == ["!", "-s", whole, "-d"] and words[5:] == ["-j", "RETURN"]:
            return within(words[4], network)
    return False


def within(text, network):
    """Whether a network is inside another one."""
    try:
        one = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return one.version == network.version and one.subnet_of(network)


def plan(text, networks):
    """What to give to `iptables-restore --noflush`: table -> lines. Empty where nothing of k3s's is left."""
    steps = {}
    for name, table in parse_save(text).items():
        ours = owned_chains(table)
        lines = []
        for rule in table.rules:
            if rule.chain in ours:
                continue
            mapped = rule.chain.startswith("CNI-") and network_name(rule) in POD_NETWORKS
            if rule.target in ours or rule.comment in COMMENTS or mapped or is_flannels(rule, name, networks):
                lines.append("-D" + rule.text[2:])
        lines += ["-F " + chain for chain in sorted(ours)] + ["-X " + chain for chain in sorted(ours)]
        if lines:
            steps[name] = lines
    return steps


def as_restore(steps):
    """The steps as iptables-restore reads them."""
    return "".join("*{}\n{}\nCOMMIT\n".format(table, "\n".join(lines)) for table, lines in steps.items())


def run(*argv, text=None):
    """Run a program; its status is looked at by whoever asked."""
    return subprocess.run(argv, input=text, capture_output=True, text=True, errors="replace", check=False)


def programs(name, data):
    """A program of the host, else the one that k3s brings along."""
    return shutil.which(name) or shutil.which(name, path=data + "/data/current/bin/aux") or ""


def variants(data):
    """The packet filters of this host, each once: what it is, what saves it, what restores it."""
    found = {}
    for base in ("iptables", "ip6tables"):
        for kind in ("legacy", "nft", ""):
            stem = "-".join(filter(None, (base, kind)))
            save, restore = programs(stem + "-save", data), programs(stem + "-restore", data)
            if not save or not restore:
                continue
            shown = kind or ("nft" if "nf_tables" in run(save, "--version").stdout else "legacy")
            if shown == "legacy" and not legacy_tables(base):
                continue
            found.setdefault((base, shown), (base + " (" + shown + ")", save, restore))
    return list(found.values())


def legacy_tables(base):
    """Whether the kernel has any; asking for them with the program would load them."""
    try:
        return bool(Path("/proc/net/{}_tables_names".format(base[: -len("tables")])).read_text().strip())
    except OSError:
        return False


def clean_filters(order, networks, say):
    """Take rules and chains out of every packet filter of the host; what did not work."""
    faults = []
    for what, save, restore in variants(order["data"]):
        shown = run(save)
        if shown.returncode:
            faults.append(f"{what}: {shown.stderr.strip()}")
            continue
        steps = plan(shown.stdout, networks)
        if not steps:
            continue
        lines = [line for some in steps.values() for line in some]
        chains = sum(line.startswith("-X") for line in lines)
        single = sum(line.startswith("-D") for line in lines)
        say(f"{what}: remove {chains} chains and {single} rules")
        if order["check"]:
            continue
        done = run(restore, "--noflush", "-w", "20", text=as_restore(steps))
        if done.returncode:
            faults.append(f"{what}: {done.stderr.strip()}")
        elif plan(run(save).stdout, networks):
            faults.append(f"{what}: rules of k3s come back: something still makes them")
    return faults


def clean_sets(order, say):
    """Remove address sets; what did not work."""
    ipset = programs("ipset", order["data"])
    names = (
        [name for name in run(ipset, "list", "-n").stdout.split() if name.startswith(SETS)] if ipset else []
    )
    if names:
        say(f"remove {len(names)} address sets")
    if order["check"]:
        return []
    # A set of sets holds its members, so those that cannot go yet are tried again after the others.
    stuck = [name for name in names if run(ipset, "destroy", name).returncode]
    ended = [run(ipset, "destroy", name) for name in stuck]
    return ["ipset: " + done.stderr.strip() for done in ended if done.returncode]


def clean_nftables(order, say):
    """Remove nftables' tables of ours; what did not work."""
    nft = programs("nft", order["data"])
    listed = run(nft, "list", "tables").stdout.splitlines() if nft else []
    tables = [line.split()[1:3] for line in listed if len(line.split()) >= 3]
    ours = [(kind, name) for kind, name in tables if name in TABLES]
    faults = []
    for kind, name in ours:
        say(f"remove nftables table {kind} {name}")
        done = None if order["check"] else run(nft, "delete", "table", kind, name)
        if done is not None and done.returncode:
            faults.append("nft: " + done.stderr.strip())
    return faults


def owned_routes(text, networks):
    """Routes to pods through other nodes, as flannel's host-gw makes them: to parts of a pod network."""
    found = []
    for line in text.splitlines():
        words = line.split()
        inside = [one for one in networks if within(words[0], one) and words[0] != str(one)] if words else []
        if inside and "via" in words:
            found.append(words)
    return found


def clean_routes(order, networks, say):
    """Remove routes to pods; what did not work."""
    faults = []
    for version in (4, 6):
        some = [network for network in networks if network.version == version]
        routes = owned_routes(run("ip", f"-{version}", "route", "show").stdout, some) if some else []
        if routes:
            say(f"remove {len(routes)} routes to pods of other nodes")
        for words in routes if not order["check"] else ():
            done = run("ip", f"-{version}", "route", "delete", *words[: words.index("via") + 2])
            if done.returncode:
                faults.append(f"route {words[0]}: {done.stderr.strip()}")
    return faults


def pod_networks(order):
    """As the role has them, and as flannel wrote them down when it ran."""
    texts = [text.strip() for text in order["networks"]]
    try:
        noted = Path("/run/flannel/subnet.env").read_text()
        texts += re.findall(r"^FLANNEL_(?:IPV6_)?NETWORK=(\S+)", noted, re.MULTILINE)
    except OSError:
        pass
    return [ipaddress.ip_network(text) for text in dict.fromkeys(filter(None, texts))]


def main():
    """Read the order, do it, print the answer."""
    order = json.load(sys.stdin)
    os.environ["LC_ALL"] = "C"
    networks = pod_networks(order)
    done = []
    faults = clean_filters(order, networks, done.append)
    # Rules hold the sets that they name.
    if not faults:
        faults += clean_sets(order, done.append)
    faults += clean_nftables(order, done.append)
    faults += clean_routes(order, networks, done.append)
    print(json.dumps({"changed": bool(done), "done": done, "faults": faults}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
