"""Filters on ports. Thin; the work is in `casa_install.pool.ports`."""

from __future__ import annotations

from typing import Any

from casa_install.pool.ports import port_findings, reserved_ports


def _findings(wanted: list[str | int], name: str) -> list[str]:
    return port_findings(name, wanted)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"reserved_ports": reserved_ports, "reserved_port_findings": _findings}
