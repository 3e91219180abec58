"""The one error type that the command line shows as `Error:` and `Hint:`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process status of casa-install means; scripts rely on it."""

    OK = 0
    FAILED = 1
    """A check or a host failed."""
    USAGE = 2
    """The command line or the configuration is wrong; nothing was done."""
    CHANGES = 3
    """`plan --exit-code`: an apply would change something."""
    UNREACHABLE = 4
    INTERRUPTED = 130


class CasaError(Exception):
    """A fault that a person can act on.

    Args:
        message: What happened and where, in one or two sentences.
        hint: The next step, ideally a command.
        exit_code: The process status.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
