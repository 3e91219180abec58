"""Filters on the cluster's kubeconfig. Thin; the work is in `casa_install.cluster.kubeconfig`."""

from __future__ import annotations

from typing import Any

from casa_install.cluster.kubeconfig import authority_digest, client_digest


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "kubeconfig_authority_digest": authority_digest,
            "kubeconfig_client_digest": client_digest,
        }
