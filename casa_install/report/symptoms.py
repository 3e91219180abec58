"""Likely causes of failures, from the table beside this module."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Symptom:
    """What a message usually means.

    Args:
        match: Found in the message or in the output of the module, ignoring case.
        cause: One sentence.
        fix: What to do; `{host}` is the host's name.
        look: A command that shows more, or nothing.
    """

    match: re.Pattern[str]
    cause: str
    fix: str
    look: str = ""


@cache
def symptoms() -> tuple[Symptom, ...]:
    """Return the table in its order: the first that matches is the most specific."""
    from ruamel.yaml import YAML

    rows = YAML(typ="safe").load(Path(__file__).with_name("symptoms.yml").read_text(encoding="utf-8"))
    return tuple(
        Symptom(re.compile(row["match"], re.IGNORECASE), row["cause"], row["fix"], row.get("look", ""))
        for row in rows
    )


def likely_cause(text: str) -> Symptom | None:
    """Return what a failure's text usually means, if the table knows."""
    return next((symptom for symptom in symptoms() if symptom.match.search(text)), None)
