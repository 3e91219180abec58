"""Filters on a notebook hub's settings. Thin; the work is in `casa_install.hub`."""

from __future__ import annotations

from typing import Any

from casa_install.hub.settings import hub_host_findings, hub_setting_findings


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "notebook_host_findings": hub_host_findings,
            "notebook_setting_findings": hub_setting_findings,
        }
