"""What was tried, as people and programs read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.health.checks import Verdict
from casa_install.report.messages import labelled
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casa_install.health.checks import Check, Result

_SIGNS = {Verdict.PASSED: "passed", Verdict.FAILED: "FAILED", Verdict.NOT_VERIFIED: "not verified here"}


def verify_text(results: Sequence[Result], lost: Mapping[str, str], *, colour: bool) -> str:
    """Return a line per check, then each failure and what it means, then what could not be tried, and why."""
    rows = tuple(_row(check, results) for check in _checks(results))
    parts = [table_text(Table("What was tried", ("check", "result", "where"), rows))]
    cards = []
    for result in results:
        if result.verdict is Verdict.FAILED:
            cards += [
                labelled("Failed", f"{result.check.name} on {result.host}: {result.found}", colour=colour),
                labelled("Means", result.check.meaning),
                labelled("Look", result.check.command),
            ]
    cards += [
        labelled("Failed", f"{host} could not be asked: {why}", colour=colour) for host, why in lost.items()
    ]
    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.verdict is Verdict.NOT_VERIFIED:
            reasons.setdefault(f"{result.check.name}: {result.found}", []).append(result.host)
    if cards:
        parts.append("\n".join(cards))
    if reasons:
        lines = [f"  {what} ({', '.join(hosts)})" for what, hosts in reasons.items()]
        parts.append("\n".join(["Not verified here", *lines]))
    return "\n\n".join(parts)


def verify_json(results: Sequence[Result], lost: Mapping[str, str]) -> dict[str, Any]:
    """Return all results for programs."""
    return {
        "checks": [
            {
                **asdict(result.check),
                "host": result.host,
                "verdict": str(result.verdict),
                "found": result.found,
            }
            for result in results
        ],
        "not_asked": dict(lost),
    }


def _checks(results: Sequence[Result]) -> list[Check]:
    return list(dict.fromkeys(result.check for result in results))


def _row(check: Check, results: Sequence[Result]) -> tuple[str, str, str]:
    mine = [result for result in results if result.check == check]
    worst = next(
        verdict
        for verdict in (Verdict.FAILED, Verdict.PASSED, Verdict.NOT_VERIFIED)
        if any(result.verdict is verdict for result in mine)
    )
    return (check.name, _SIGNS[worst], ", ".join(result.host for result in mine if result.verdict is worst))
