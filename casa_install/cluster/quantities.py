"""Amounts of CPU and memory in Kubernetes' notation.

Source: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from __future__ import annotations

import re

_CPU = re.compile(r"(\d+(?:\.\d{1,3})?)|(\d+)m")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)")
_UNITS = {
    "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
}  # fmt: skip


def read_cpu(text: str | float) -> int:
    """Return an amount of CPU in thousandths of one: `500m` and `0.5` are 500.

    Raises:
        ValueError: It is none.
    """
    match = _CPU.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"`{text}` is no amount of CPU such as `500m` or `2`")
    return int(match[2]) if match[2] else round(float(match[1]) * 1000)


def read_memory(text: str | int) -> int:
    """Return an amount of memory in MiB, rounded up: `1Gi` is 1024.

    Raises:
        ValueError: It is none, or has no unit, which Kubernetes takes for bytes.
    """
    match = _MEMORY.fullmatch(str(text).strip())
    if not match:
        raise ValueError(f"`{text}` is no amount of memory such as `512Mi` or `2Gi`")
    return -(-int(float(match[1]) * _UNITS[match[2]]) // (1 << 20))


def cpu_text(millis: int) -> str:
    """Return thousandths of a CPU for people: `0.5`, `12`."""
    return f"{millis / 1000:.3f}".rstrip("0").rstrip(".")


def memory_text(mib: int) -> str:
    """Return MiB for people: `512 MiB`, `1.5 GiB`."""
    if mib < 1 << 10:
        return f"{mib} MiB"
    return f"{mib / 1024:.1f}".removesuffix(".0") + " GiB"
