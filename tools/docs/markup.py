"""Ansible's documentation markup, rendered as Markdown.

Source: "Ansible markup" in Ansible's developer guide, section "Module format and documentation".
"""

from __future__ import annotations

import re

# A closing parenthesis inside may be escaped with a backslash.
_CODE = re.compile(r"\b(C|V|O|RV|E|P|M)\(((?:[^)\\]|\\.)*)\)")
_EMPHASIS = re.compile(r"\b(B|I)\(([^)]*)\)")
_LINK = re.compile(r"\bL\(([^,)]+),\s*([^)]+)\)")
_REFERENCE = re.compile(r"\bR\(([^,)]+),\s*[^)]+\)")
_URL = re.compile(r"\bU\(([^)]*)\)")
_ESCAPE = re.compile(r"\\(.)")


def to_markdown(text: str) -> str:
    """Render the markup of one paragraph.

    Args:
        text: A sentence or paragraph of an argument spec; line breaks in it mean nothing.

    Returns:
        One line of Markdown. ``O(name=value)`` becomes `` `name: value` ``, as variables files have it.
    """
    text = " ".join(text.split())
    text = _CODE.sub(_code, text)
    text = _EMPHASIS.sub(lambda m: f"**{m[2]}**" if m[1] == "B" else f"*{m[2]}*", text)
    text = _LINK.sub(r"[\1](\2)", text)
    text = _REFERENCE.sub(r"\1", text)
    return _URL.sub(r"<\1>", text)


def in_table(markdown: str) -> str:
    """Escape what would end a table's cell; GitHub's Markdown asks for it inside code spans too."""
    return markdown.replace("|", r"\|").replace("\n", "<br>")


def _code(match: re.Match[str]) -> str:
    text = _ESCAPE.sub(r"\1", match[2])
    if match[1] in ("O", "RV"):
        name, equals, value = text.partition("=")
        text = f"{name}: {value}" if equals else name
    elif match[1] == "P":
        text = text.partition("#")[0]
    return f"`{text}`"
