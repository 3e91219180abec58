"""Which playbook and which inventories the words of a command line mean."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from casa_install.errors import CasaError, ExitCode
from casa_install.site.collection import collection_root
from casa_install.site.findings import shown_path

_FULL_NAME = re.compile(r"[a-z_]\w*\.[a-z_]\w*\.[a-z_]\w*")
_OURS = "casa.install."


@dataclass(frozen=True, slots=True)
class Playbook:
    """A playbook as ansible-playbook takes it.

    Args:
        argument: A path, or a full name such as `casa.install.site`.
        directory: Where it lies, if that is known; variables may lie beside it.
    """

    argument: str
    directory: Path | None

    def __str__(self) -> str:
        return shown_path(Path(self.argument)) if os.sep in self.argument else self.argument


def names_playbook(word: str) -> bool:
    """Tell whether a word of the command line can only be a playbook."""
    return word.endswith((".yml", ".yaml")) or _FULL_NAME.fullmatch(word) is not None


def resolve_playbook(word: str) -> Playbook:
    """Return the playbook that a word means: an existing file, else ours of that name.

    Raises:
        CasaError: There is neither.
    """
    path = Path(word)
    if path.is_file():
        return Playbook(str(path.resolve()), path.resolve().parent)
    ours = collection_root() / "playbooks"
    stem = word.removeprefix(_OURS) if word.startswith(_OURS) else path.stem if path.name == word else ""
    if stem and (ours / f"{stem}.yml").is_file():
        return Playbook(f"{_OURS}{stem}", ours)
    if _FULL_NAME.fullmatch(word) and not word.startswith(_OURS):
        return Playbook(word, None)
    known = sorted(f"{entry.stem}.yml" for entry in ours.glob("*.yml"))
    close = difflib.get_close_matches(Path(word).name, known, n=1)
    raise CasaError(
        f"There is no playbook {word}, neither here nor among those of casa-install ({', '.join(known)}).",
        hint=f"Did you mean {close[0]}?" if close else f"Try `casa-install site.yml`; here is {Path.cwd()}.",
        exit_code=ExitCode.USAGE,
    )


def resolve_inventory(word: str) -> tuple[str, str]:
    """Return an inventory's path as Ansible takes it, and a note for the user or nothing.

    A name such as `inventories/lab` that does not exist here means the one that comes with casa-install.

    Raises:
        CasaError: There is no such inventory.
    """
    if Path(word).expanduser().exists():
        return str(Path(word).expanduser()), ""
    if "," in word:
        return word, ""
    packaged = collection_root() / word
    if not Path(word).is_absolute() and ".." not in Path(word).parts and packaged.exists():
        return str(packaged), f"{word} is not here; the one that comes with casa-install is used: {packaged}"
    raise CasaError(
        f"There is no inventory {word}.",
        hint=f"Name a file or a directory with -i; this directory is {Path.cwd()}.",
        exit_code=ExitCode.USAGE,
    )


def collections_path() -> Path | None:
    """Return the directory that Ansible must search for our collection, if it is not on `sys.path`.

    An installed package lies on `sys.path`, which ansible-core searches; in a checkout it is `.dev/`.
    """
    root = collection_root()
    if root.parent.parent.name == "ansible_collections":
        return root.parent.parent.parent
    return root / ".dev"
