"""The mistakes of a site's files, as people and machines read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.site.findings import Finding


class SiteMistakesError(CasaError):
    """A site's files have mistakes, each of which is named.

    Args:
        findings: All of them, in reading order.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        count = len(findings)
        super().__init__(
            f"The inventory has {count} mistake{'' if count == 1 else 's'}; nothing was done.",
            hint="Mend what is named above; `casa-install validate` checks it again.",
            exit_code=ExitCode.USAGE,
        )
        self.findings = findings


def mistake_lines(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each mistake, and below it what to do, where that is known."""
    lines = []
    for finding in findings:
        lines.append(str(finding))
        if finding.hint:
            lines.append(f"  {finding.hint}")
    return lines


def error_json(error: CasaError) -> dict[str, Any]:
    """Return an error as the one object that `--json` prints."""
    row: dict[str, Any] = {
        "status": "error",
        "exit_code": int(error.exit_code),
        "error": error.message,
        "hint": error.hint,
    }
    if isinstance(error, SiteMistakesError):
        row["findings"] = [finding.as_json() for finding in error.findings]
    return row
