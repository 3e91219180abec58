"""A cluster's tokens made and written into a site's inventory, encrypted."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode
from casa_install.site.variable_folder import variable_folder, write_new

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN_FILE = "k3s_tokens.yml"  # noqa: S105 - a file's name
VARIABLES = ("k3s_token", "k3s_agent_token")
_BYTES = 32


def write_tokens(base: Path, encrypt: Callable[[bytes], bytes]) -> Path:
    """Make both tokens and write them below `group_vars/all/`; each has 256 bits.

    Args:
        base: The directory of the inventory.
        encrypt: Encrypts the file's content.

    Returns:
        The file.

    Raises:
        CasaError: The file is there already, or Ansible would read it at the cost of another. Nothing was
            written.
    """
    path = variable_folder(base) / TOKEN_FILE
    if path.exists():
        raise CasaError(
            f"{path} is there already: the cluster has its tokens.",
            hint="A cluster keeps the token with which it was made; `k3s token rotate` on a server changes "
            f"it. For another cluster, move {path} away and try again.",
            exit_code=ExitCode.USAGE,
        )
    text = "".join(f"{name}: {secrets.token_hex(_BYTES)}\n" for name in VARIABLES)
    write_new(path, encrypt(text.encode("ascii")).decode("ascii"), 0o600)
    return path
