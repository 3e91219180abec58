"""Filters on what a host of the cluster needs and has. Thin; the work is in `casa_install.cluster`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from casa_install.cluster.firewall import firewalld_parts, ufw_rules
from casa_install.cluster.gates import failed_gates, gate_report
from casa_install.cluster.host_notes import host_notes
from casa_install.cluster.look import read_look
from casa_install.cluster.ports import openings, pod_interfaces, pod_sources


def _labels(labels: Any) -> list[str]:
    # YAML's true is Kubernetes' "true".
    texts = {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in labels.items()
    }
    return [f"{key}={value}" for key, value in sorted(texts.items())]


def _look(lines: Any) -> dict[str, Any]:
    look = read_look(list(lines))
    return {**asdict(look), "firewall": look.firewall, "networkmanager": look.networkmanager}


def _firewalld(lines: Any, options: Any) -> dict[str, list[dict[str, Any]]]:
    return firewalld_parts(openings(options, read_look(list(lines)).peers))


def _ufw(lines: Any, options: Any, family: int) -> str:
    return ufw_rules(openings(options, read_look(list(lines)).peers), options, family)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "k3s_firewalld": _firewalld,
            "k3s_gates": failed_gates,
            "k3s_gate_report": gate_report,
            "k3s_host_notes": host_notes,
            "k3s_labels": _labels,
            "k3s_look": _look,
            "k3s_pod_interfaces": pod_interfaces,
            "k3s_pod_sources": pod_sources,
            "k3s_ufw": _ufw,
        }
