"""Text as words of the probe's shell script."""

from __future__ import annotations

import re


def quote(text: str) -> str:
    """Return `text` as one word of the shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def literal(text: str) -> str:
    """Return an extended regular expression that matches `text` and nothing else."""
    return re.sub(r"([.\\+*?\[\]^$(){}|])", r"\\\1", text)
