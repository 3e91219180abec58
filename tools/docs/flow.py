"""A value as it is written on one line of YAML."""

from __future__ import annotations

import sys

import yaml


def flow(value: object) -> str:
    """Return a value as YAML on one line, quoted only where YAML needs it.

    Args:
        value: Anything that YAML's safe types hold.
    """
    text = yaml.safe_dump(
        value, default_flow_style=True, width=sys.maxsize, allow_unicode=True, sort_keys=False
    )
    # A bare scalar is a document of its own, which ends in a line with three dots.
    return text.removesuffix("...\n").rstrip("\n")
