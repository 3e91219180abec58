"""A site's own plays before and after ours: `hooks/<verb>/{pre,post}.d/*.yml` beside its inventory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Hooks:
    """Playbooks of a site, in the order in which they run."""

    pre: tuple[Path, ...] = ()
    post: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pre or self.post)

    def around(self, playbook: str) -> str:
        """Return the text of a playbook that runs the hooks around a playbook.

        One playbook rather than several on ansible-playbook's command line: between those it stops at the
        first failed host, and all other hosts would go without the rest.
        """
        entries = [*map(str, self.pre), playbook, *map(str, self.post)]
        return "".join(f"- import_playbook: {_quoted(entry)}\n" for entry in entries)


def find_hooks(inventories: Sequence[str], verb: str) -> Hooks:
    """Return the hooks for a verb.

    They run in the order of their file names. Where two inventories have a hook of the same name, that of the
    later inventory replaces the earlier one; an empty file so switches a hook off.

    Raises:
        CasaError: Hooks that are no playbooks; all of them are named.
    """
    hooks = Hooks(*(_stage(inventories, verb, stage) for stage in ("pre", "post")))
    faults = [fault for path in (*hooks.pre, *hooks.post) if (fault := _fault(path))]
    if faults:
        raise CasaError(
            "\n".join(faults),
            hint="A hook is a playbook: a list of plays, each with `hosts`.",
            exit_code=ExitCode.USAGE,
        )
    return hooks


def _stage(inventories: Sequence[str], verb: str, stage: str) -> tuple[Path, ...]:
    found: dict[str, Path] = {}
    for inventory in inventories:
        path = Path(inventory)
        base = path if path.is_dir() else path.parent
        directory = base / "hooks" / verb / f"{stage}.d"
        if path.exists() and directory.is_dir():
            found |= {
                entry.name: entry.resolve() for entry in directory.iterdir() if entry.suffix in _SUFFIXES
            }
    return tuple(path for _, path in sorted(found.items()) if not path.is_file() or path.stat().st_size)


def _fault(path: Path) -> str:
    try:
        plays = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}."
    except UnicodeDecodeError:
        return f"{path}: is not UTF-8 text."
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        return f"{place}: {getattr(error, 'problem', None) or 'is not YAML'}."
    if not isinstance(plays, list) or not all(_is_play(play) for play in plays):
        return f"{path}: is not a list of plays."
    return ""


def _is_play(entry: object) -> bool:
    return isinstance(entry, dict) and any(
        key in entry for key in ("hosts", "import_playbook", "ansible.builtin.import_playbook")
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
