"""Accounting groups: what a site writes, and what HTCondor must be told about it.

HTCondor ignores the quota of a sub-group whose parents it does not know, and reads a fraction as a part of
the group right above. A site names only the groups that it cares about, each with a part of the nearest group
above that it named too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*")
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Group:
    """One group as the negotiator reads it.

    Attributes:
        name: With a dot between a group and its sub-group.
        quota: Cores if `cores`, else a fraction of the group right above, or of the pool.
        cores: Whether the quota is in cores (``GROUP_QUOTA_``) and not a fraction (``GROUP_QUOTA_DYNAMIC_``).
        surplus: Whether it may use what others leave idle (``GROUP_ACCEPT_SURPLUS_``).
    """

    name: str
    quota: float
    cores: bool
    surplus: bool


def group_tree(
    groups: Mapping[str, Mapping[str, Any]], surplus: bool, reserved_for: str | None = None
) -> list[Group]:
    """Complete a site's groups by those above them.

    Args:
        groups: Name -> ``quota`` (int: cores; float: fraction of the nearest named group above) and, if it
            differs from the rest, ``surplus``.
        surplus: For groups that do not say.
        reserved_for: A group whose quota the others must never use.

    Returns:
        Every group that HTCondor must know, parents before children.
    """
    weights = {name: _weight(name, groups) for name in _with_parents(groups)}
    tree = []
    for name, weight in weights.items():
        above = name.rpartition(".")[0]
        cores = isinstance(weight, int)
        named_above = not above or above in groups
        part = weight if cores or named_above else round(weight / weights[above], 6)
        kept_out = reserved_for is not None and _top(name) != _top(reserved_for)
        accepts = bool(groups.get(name, {}).get("surplus", surplus)) and not kept_out
        tree.append(Group(name, part, cores, accepts))
    return tree


def group_findings(groups: Mapping[str, Any], used: Mapping[str, str]) -> list[str]:
    """Say what is wrong with a site's groups.

    Args:
        groups: As for `group_tree`, unchecked.
        used: Option -> the group that it names, or empty.

    Returns:
        One sentence for each finding, which names the option and the group.
    """
    found = []
    sums: dict[str, float] = {}
    for name, group in groups.items():
        if not _NAME.fullmatch(name):
            found.append(
                f"htcondor_groups: `{name}` is no name for a group: letters, digits, `_`, `-`, "
                "with a dot between a group and its sub-group"
            )
        elif not _is_quota(group):
            found.append(f"htcondor_groups: {name} needs a quota: a fraction from 0.0 to 1.0, or whole cores")
        elif isinstance(group["quota"], float):
            above = _nearest_named(name, groups)
            sums[above] = sums.get(above, 0.0) + group["quota"]
    for above, total in sums.items():
        if total > 1 + _ROUNDING:
            whole = f"below {above}" if above else "of the pool"
            found.append(f"htcondor_groups: the fractions {whole} add up to {round(total, 4)}, more than 1")
    found += [
        f"{option}: `{name}` is not in htcondor_groups"
        for option, name in used.items()
        if name and name not in groups
    ]
    return found


def _is_quota(group: object) -> bool:
    if not isinstance(group, dict):
        return False
    quota = group.get("quota")
    if isinstance(quota, bool) or not isinstance(quota, int | float):
        return False
    return quota >= 0 and (isinstance(quota, int) or quota <= 1)


def _with_parents(groups: Mapping[str, object]) -> list[str]:
    names = set()
    for name in groups:
        parts = name.split(".")
        names |= {".".join(parts[: n + 1]) for n in range(len(parts))}
    return sorted(names)


def _weight(name: str, groups: Mapping[str, Mapping[str, Any]]) -> float:
    """A named group's own quota; for one in between, the sum of the nearest named groups below."""
    quotas: dict[str, float] = {named: group["quota"] for named, group in groups.items()}
    if name in quotas:
        return quotas[name]
    below = [other for other in quotas if other.startswith(f"{name}.")]
    return sum(quotas[other] for other in below if not _nearest_named(other, below))


def _nearest_named(name: str, named: Mapping[str, object] | Sequence[str]) -> str:
    """The nearest group above that is named, or nothing."""
    above = name.rpartition(".")[0]
    while above and above not in named:
        above = above.rpartition(".")[0]
    return above


def _top(name: str) -> str:
    return name.split(".")[0]
