"""Ports that the kernel keeps from outgoing connections, in its own notation.

`net.ipv4.ip_local_reserved_ports` takes ports and ranges in any order and prints them sorted and joined
(ip-sysctl in the kernel's documentation); what is wanted must be written as it is printed to be compared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PORTS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")
_LAST = 65535


def reserved_ports(wanted: Iterable[str | int]) -> str:
    """Return ports and ranges as the kernel prints them; those that are none are left out.

    Args:
        wanted: Each a port, or a range such as `30000-32767`.
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(_ranges(wanted)):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in joined)


def port_findings(name: str, wanted: Iterable[str | int]) -> list[str]:
    """Return what is wrong with a variable's ports, a sentence each."""
    return [
        f"{name}: `{text}` is neither a port from 1 to {_LAST} nor a range such as `30000-32767`"
        for text in map(str, wanted)
        if not list(_ranges([text]))
    ]


def _ranges(wanted: Iterable[str | int]) -> Iterator[tuple[int, int]]:
    for text in map(str, wanted):
        if match := _PORTS.fullmatch(text):
            first, last = int(match[1]), int(match[2] or match[1])
            if first <= last <= _LAST:
                yield first, last
