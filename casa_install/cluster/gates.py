"""Whether a host can carry k3s: one gate for each thing that k3s would otherwise stumble over later.

A gate's name is what `k3s_skip_gates` takes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.cluster.host_gates import HOST_GATES
from casa_install.cluster.look import read_look
from casa_install.cluster.port_gates import PORT_GATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def failed_gates(lines: Iterable[str], given: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the gates that a host does not pass.

    Args:
        lines: What `look.sh` printed. Nothing is judged by no lines at all.
        given: As `DEFAULTS`.
    """
    lines = list(lines)
    if not lines:
        return []
    look, options = read_look(lines), {**DEFAULTS, **given}
    found = [gate for judge in (*HOST_GATES, *PORT_GATES) for gate in judge(look, options)]
    return [asdict(gate) for gate in found if gate.gate not in options["skip"]]


def gate_report(gates: Iterable[Mapping[str, str]]) -> list[str]:
    """Return a text for each gate, as people read it."""
    return [
        f"{gate['gate']}: {gate['found']}\n  needed: {gate['needed']}\n  fix:    {gate['fix']}\n"
        f"  skip:   k3s_skip_gates: [{gate['gate']}]"
        for gate in gates
    ]


DEFAULTS: Mapping[str, Any] = {
    "kind": "server",
    "version": "",
    "api_port": 6443,
    "embedded": True,
    "flannel_backend": "vxlan",
    "cluster_cidr": "10.42.0.0/16",
    "config": {},
    "kubelet_args": [],
    "disable": [],
    "dask_port": 0,
    "firewall": "auto",
    "node_networks": [],
    "neighbours": {},
    "skip": [],
}
"""What `failed_gates` takes where a caller leaves it out: the role's variables without `k3s_`, and `kind`
(`server` or `agent`), `api_port`, `embedded` (whether servers keep the cluster in etcd), `neighbours` (what
else of the facility is to listen on this host, by port) and `skip` (gates that are not asked about)."""
