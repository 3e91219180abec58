"""Gates of the host itself: its size, kernel, disk and network, and what else runs on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.cluster.gate import Gate
from casa_install.cluster.ports import applies, gates_table
from casa_install.cluster.versions import found_version, has

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from casa_install.cluster.look import Look

_MB_PER_KIB = 1024 / 1e6
_SNAPSHOTTERS = "native, fuse-overlayfs or zfs"


def _foreign(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    table = gates_table()
    kinds = sorted({what for unit, what in table["foreign"].items() if look.wanted(unit)})
    own = [unit for unit in table["own"] if unit in look.units and not look.ours]
    other = table["own"][0 if options["kind"] == "agent" else 1]
    if kinds:
        yield Gate(
            "foreign",
            f"the host already runs {' and '.join(kinds)}",
            "a host of its own: two kubelets write over each other's network rules",
            "take another host, or remove it in its own way",
        )
    if own:
        yield Gate(
            "foreign",
            f"there is a k3s that casa-install did not install: {', '.join(own)}",
            "its administrators' word: an installation over it would change its settings and tokens",
            "to use it as it is, take this host out of k3s_server and k3s_agent and set "
            "k3s_adopt_kubeconfig; to replace it, run its own /usr/local/bin/k3s-uninstall.sh or "
            "k3s-agent-uninstall.sh first, which deletes what is in the cluster",
        )
    elif look.ours and other in look.units:
        yield Gate(
            "kind",
            f"the host is a node of the other kind: it has {other}",
            f"a host that is no node, to become a k3s {options['kind']}",
            "remove the node first: `casa-install node remove HOST`, with the host in its old group",
        )


def _sizes(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    kind = options["kind"]
    least = gates_table()["sizes"][kind]
    if look.cpus and look.cpus < least["cpus"]:
        yield Gate(
            "cpus",
            f"the host has {look.cpus} CPU",
            f"{least['cpus']} for a k3s {kind}",
            "give it more, or take another host",
        )
    memory = round(look.memory * _MB_PER_KIB)
    if memory and memory < least["memory"] * 0.9:
        yield Gate(
            "memory",
            f"the host has {memory} MB of memory",
            f"{least['memory']} MB for a k3s {kind} alone, without what its pods use",
            "give it more, or take another host",
        )


def _cgroup(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    if look.cgroup == 0:
        return
    version = found_version(options["version"])
    arguments = [*options["config"].get("kubelet-arg", ()), *options["kubelet_args"]]
    allowed = any(str(item).replace("-", "").startswith("failcgroupv1=false") for item in arguments)
    if look.cgroup == 1 and version is not None and has(version, "cgroup_v2_required") and not allowed:
        yield Gate(
            "cgroup",
            "the host uses cgroup v1",
            f"cgroup v2: the kubelet of {version} refuses v1",
            "boot with `systemd.unified_cgroup_hierarchy=1`, or set k3s_version to a release before v1.35",
        )
    missing = [name for name in gates_table()["controllers"] if name not in look.controllers]
    if missing:
        yield Gate(
            "controllers",
            f"the kernel gives no cgroup controller for {', '.join(missing)}",
            f"controllers for {', '.join(gates_table()['controllers'])}; without them no pod starts",
            "take `cgroup_disable=` off the kernel's command line; on a Raspberry Pi add "
            "`cgroup_memory=1 cgroup_enable=memory`",
        )


def _network(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    config = options["config"]
    if not look.routes and not (config.get("node-ip") or config.get("flannel-iface")):
        yield Gate(
            "route",
            "the host has no default route",
            "one, from which k3s takes the node's address",
            "add one, or set node-ip and flannel-iface in k3s_config for this host",
        )
    if ":" not in str(options["cluster_cidr"]):
        return
    for interface, accepts in look.routes.items():
        if accepts == "1":
            yield Gate(
                "router_advertisements",
                f"the host has its IPv6 default route from a router's advertisements on {interface}, and "
                f"net.ipv6.conf.{interface}.accept_ra is 1",
                "2: with IPv6 forwarding, which pods need, the kernel drops the route otherwise",
                f"put `net.ipv6.conf.{interface}.accept_ra = 2` into a file below /etc/sysctl.d and run "
                "`sysctl --system`",
            )


def _cloud(look: Look, _: Mapping[str, Any]) -> Iterator[Gate]:
    wanted = [name for name in ("nm-cloud-setup.service", "nm-cloud-setup.timer") if look.wanted(name)]
    if wanted:
        yield Gate(
            "nm_cloud_setup",
            f"{' and '.join(wanted)} of NetworkManager would rewrite the routes that pods need",
            "both off: https://docs.k3s.io/installation/requirements",
            "`systemctl disable --now nm-cloud-setup.service nm-cloud-setup.timer`, then reboot",
        )


def _iptables(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    numbers = [int(part) for part in look.iptables.split(".") if part.isdecimal()]
    broken = len(numbers) == 3 and [1, 8, 0] <= numbers <= [1, 8, 4]
    if broken and look.iptables_variant == "nf_tables" and not options["config"].get("prefer-bundled-bin"):
        yield Gate(
            "iptables",
            f"the host's iptables is {look.iptables} with nf_tables",
            "1.8.5 or newer: these versions add the same rules again and again, and slow the network down",
            "`k3s_config: {prefer-bundled-bin: true}`, with which k3s uses its own, or a newer iptables",
        )


def _modules(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    missing = [
        row["name"]
        for row in gates_table()["modules"]
        if look.modules.get(row["name"]) == "missing" and applies(row, options)
    ]
    if missing:
        yield Gate(
            "modules",
            f"the kernel has no module {', '.join(missing)}",
            "it, for the containers' file system and the pods' network",
            "on EL 10 `dnf install kernel-modules-extra`, on Ubuntu "
            "`apt install linux-modules-extra-$(uname -r)`; after an upgrade of the kernel, reboot",
        )


def _disk(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    table = gates_table()
    config = options["config"]
    overlays = config.get("snapshotter", "overlayfs") == "overlayfs"
    if overlays and (look.filesystem in table["no_overlay"] or look.ftype == "ftype=0"):
        what = f"{look.filesystem}{f' made with {look.ftype}' if look.ftype else ''}"
        yield Gate(
            "filesystem",
            f"/var/lib/rancher is on {what}",
            "ext4, or xfs made with ftype=1: containers' file systems are overlays on it",
            f"mount one there, or set `snapshotter` in k3s_config to {_SNAPSHOTTERS}",
        )
    if look.installed or not look.disk_size:
        return
    free, size = look.disk_free * _MB_PER_KIB, look.disk_size * _MB_PER_KIB
    needed = max(table["disk_free"], size * table["disk_free_percent"] / 100 + table["disk_free"] / 2)
    if free < needed:
        yield Gate(
            "disk",
            f"{free:.0f} MB are free below /var/lib/rancher",
            f"{needed:.0f} MB: {table['disk_free']} MB for k3s and its images, and more than "
            f"{table['disk_free_percent']} % of the file system free, below which the kubelet ends pods",
            "free or add space, or mount a file system there",
        )


HOST_GATES: tuple[Callable[[Look, Mapping[str, Any]], Iterator[Gate]], ...] = (
    _foreign, _sizes, _cgroup, _network, _cloud, _iptables, _modules, _disk,
)  # fmt: skip
