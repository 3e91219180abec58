"""What `casa-install verify` finds: checks, how they ended, and all of them judged in order.

The tries are in `playbooks/files/try-authority.py` and `try-jobs.py`, which run on the hosts; what they must
find is in `authority_checks` and `job_checks`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.health.status import Status


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_VERIFIED = "not verified here"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is tried.

    Attributes:
        name: For people, and the key in `--json`.
        command: What somebody types on the host to see the same.
        rule: When it passes.
        meaning: What a failure means.
    """

    name: str
    command: str
    rule: str
    meaning: str

    def result(self, host: str, passed: bool, found: str = "") -> Result:
        """How it ended on a host where it could be tried."""
        return Result(self, host, Verdict.PASSED if passed else Verdict.FAILED, found)

    def untried(self, host: str, why: str) -> Result:
        """That it could not be tried, and why."""
        return Result(self, host, Verdict.NOT_VERIFIED, why)


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended on a host, with what was found."""

    check: Check
    host: str
    verdict: Verdict
    found: str


def judge(tried: Mapping[str, Mapping[str, Any]], status: Status) -> list[Result]:
    """Judge what was found, check by check.

    Args:
        tried: Host -> the objects that the programs which try print, as one.
        status: The pool as it says of itself.
    """
    from casa_install.health import authority_checks, job_checks

    checks = (*authority_checks.CHECKS, *job_checks.CHECKS)
    order = {check.name: number for number, check in enumerate(checks)}
    # A job's machine is known by its full name, all else by its name in the inventory.
    names = {host.machine: host.name for host in status.hosts if host.machine}
    results = [
        replace(result, host=names.get(result.host, result.host))
        for result in (*authority_checks.judge(tried, status), *job_checks.judge(tried, status))
    ]
    return sorted(results, key=lambda result: (order[result.check.name], result.host))
