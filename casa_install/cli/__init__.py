"""The command line: one small module per verb, which parses, calls and prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process; the console script `casa-install`.

    Args:
        argv: The words after `casa-install`; those of this process if not given.
    """
    from casa_install.cli.app import run

    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))
