"""The command line of a run: as it is kept, and as it is given again."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.engine.outcome import RunResult

HIDDEN = "***"
_ASSIGNMENT = re.compile(r"""(\w+)=('[^']*'|"[^"]*"|\S*)""")
_VARIABLES = ("-e", "--extra-vars")


def without_secrets(words: Sequence[str]) -> list[str]:
    """Return a command line without the values of its extra variables, any of which may be a secret.

    `-e @file` stays as it is; of `-e name=value` the name stays; JSON and YAML are hidden whole.
    """
    shown: list[str] = []
    hide_next = False
    for word in words:
        if hide_next:
            shown.append(_hidden(word))
            hide_next = False
        elif word in _VARIABLES:
            shown.append(word)
            hide_next = True
        elif word.startswith("--extra-vars="):
            shown.append(f"--extra-vars={_hidden(word.partition('=')[2])}")
        elif word.startswith("-e") and not word.startswith("--"):
            shown.append(f"-e{_hidden(word[2:])}")
        else:
            shown.append(word)
    return shown


def again(words: Sequence[str], *, limit: Sequence[str] = ()) -> str:
    """Return the command to give once more, for a shell.

    Args:
        words: What followed `casa-install`.
        limit: Only these hosts; replaces a limit that the command had.
    """
    kept = list(words)
    rest: list[str] = []
    if "--" in kept:
        at = kept.index("--")
        kept, rest = kept[:at], kept[at:]
    if limit:
        kept = [*_without_limit(kept), "-l", ",".join(limit)]
    return shlex.join(["casa-install", *without_secrets([*kept, *rest])])


def go_on_command(words: Sequence[str], result: RunResult) -> str:
    """Return the command that continues a run: on the hosts that it lost, where it did the others."""
    lost = result.with_status("failed", "unreachable")
    some = lost if len(lost) < len(result.hosts) and result.status in ("failed", "unreachable") else []
    return again(words, limit=some)


def with_other_verb(words: Sequence[str], old: str, new: str, *, without: Sequence[str] = ()) -> str:
    """Return a command with another verb, for a shell.

    Args:
        words: What followed `casa-install`.
        old: Its verb.
        new: The verb in its place.
        without: Options without a value that are left out.
    """
    kept = [word for word in words if word not in without]
    if old in kept:
        kept[kept.index(old)] = new
    return again(kept)


def extra_names(values: Sequence[str]) -> set[str]:
    """Return the variables that the values of `-e` set, as far as they can be read.

    Args:
        values: What followed each `-e`: `name=value ...`, JSON or YAML, or `@file`.
    """
    names: set[str] = set()
    for value in values:
        text = value
        if value.startswith("@"):
            path = Path(value[1:]).expanduser()
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        elif not value.lstrip().startswith(("{", "[")):
            names |= {name for name, _ in _ASSIGNMENT.findall(value)}
            continue
        names |= _keys(text)
    return names


def _keys(text: str) -> set[str]:
    try:
        content = YAML(typ="safe").load(text)
    except YAMLError:
        return set()  # Ansible names the fault; a vaulted file has no names to read
    return {str(name) for name in content} if isinstance(content, dict) else set()


def _without_limit(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("-l", "--limit"):
            skip = True
        elif not word.startswith("--limit=") and not re.match(r"-l[^-]", word):
            kept.append(word)
    return kept


def _hidden(value: str) -> str:
    if value.startswith("@"):
        return value
    if value.lstrip().startswith(("{", "[")):
        return HIDDEN
    return _ASSIGNMENT.sub(rf"\1={HIDDEN}", value) if _ASSIGNMENT.search(value) else HIDDEN
