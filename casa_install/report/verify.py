"""What was tried, as people and programs read it."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.health.checks import Verdict
from casa_install.report.messages import labelled, screen_width
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from casa_install.health.checks import Check, Result


def verify_text(results: Sequence[Result], lost: Mapping[str, str], *, colour: bool) -> str:
    """Return a line per check that was tried, what was not and why, then failures and what they mean."""
    rows = tuple(row for check in _checks(results) for row in _rows(check, results))
    parts = [table_text(Table("What was tried", ("check", "result", "where"), rows))]
    cards = []
    for result in results:
        if result.verdict is Verdict.FAILED:
            found = f": {result.found}" if result.found else ""
            cards += [
                labelled("Failed", f"{result.check.name} on {result.host}{found}", colour=colour),
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
    if reasons:
        lines = [
            f"{what}{'' if hosts in (['pool'], ['cluster']) else ' (' + ', '.join(hosts) + ')'}"
            for what, hosts in reasons.items()
        ]
        parts.append("\n".join(["Not verified here", *(_listed(line) for line in lines)]))
    if cards:
        parts.append("\n".join(cards))
    return "\n\n".join([*parts, _summary(results, lost)])


def _listed(text: str) -> str:
    return textwrap.fill(text, screen_width(), initial_indent="  ", subsequent_indent="    ")


def _summary(results: Sequence[Result], lost: Mapping[str, str]) -> str:
    """How many checks passed, failed and were not tried; one with a failure anywhere has failed."""
    worst = [_worst(check, results) for check in _checks(results)]
    counts = [f"{worst.count(verdict)} {verdict}" for verdict in Verdict if worst.count(verdict)]
    hosts = f", {len(lost)} host{'' if len(lost) == 1 else 's'} not asked" if lost else ""
    return f"{len(worst)} checks: {', '.join(counts)}{hosts}."


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


def _worst(check: Check, results: Sequence[Result]) -> Verdict:
    mine = {result.verdict for result in results if result.check == check}
    return next(each for each in (Verdict.FAILED, Verdict.PASSED, Verdict.NOT_VERIFIED) if each in mine)


def _rows(check: Check, results: Sequence[Result]) -> Iterator[tuple[str, str, str]]:
    for verdict, sign in ((Verdict.FAILED, "FAILED"), (Verdict.PASSED, "passed")):
        hosts = [result.host for result in results if result.check == check and result.verdict is verdict]
        if hosts:
            yield (check.name, sign, _some(hosts))


def _some(hosts: Sequence[str]) -> str:
    """The hosts, or how many: a large site has a line, too."""
    return ", ".join(hosts) if len(hosts) <= 4 else f"{len(hosts)} hosts"
