"""Filters on accounting groups. Thin; the work is in `casa_install.pool.groups`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from casa_install.pool.groups import group_findings, group_tree


def _tree(groups: Any, surplus: bool, reserved_for: str | None = None) -> list[dict[str, Any]]:
    return [asdict(group) for group in group_tree(groups, surplus, reserved_for)]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"condor_group_tree": _tree, "condor_group_findings": group_findings}
