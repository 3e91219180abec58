"""Failure cards: what failed on a host, why probably, and what to do next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from casa_install.engine.outcome import task_title
from casa_install.report.messages import labelled, screen_width
from casa_install.report.symptoms import likely_cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casa_install.engine.outcome import Failure, HostResult

# ansible-core's own words around what ssh said (ansible/plugins/connection/ssh.py, 2.19-2.21).
_WRAPPING = re.compile(
    r"^(?:Task failed: )?(?:Action failed: |Module failed: )?(?:Failed to connect to the host via ssh: )?"
)


def failure_cards(hosts: Mapping[str, HostResult], *, colour: bool = False) -> list[str]:
    """Return a card for each failed or unreachable host, and one for all whose failure is the same."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name in sorted(hosts):
        host = hosts[name]
        if host.status in ("failed", "unreachable"):
            last = host.failures[-1] if host.failures else None
            same = (
                (last.task, last.fault.message.replace(name, "HOST"), str(last.journal))
                if last
                else ("", "", name)
            )
            groups.setdefault((*same[:2], same[2]), []).append(name)
    return [_card(names, hosts[names[0]], colour=colour) for names in groups.values()]


def _card(names: list[str], host: HostResult, *, colour: bool) -> str:
    state = "unreachable" if host.status == "unreachable" else "failed"
    title = f"── {', '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}: {state} "
    title += "─" * max(0, screen_width() - len(title))
    if colour:
        title = f"\x1b[1;31m{title}\x1b[0m"
    body = [labelled(label, text) for label, text in _rows(names[0], host) if text]
    return "\n".join([title, *body])


def _rows(name: str, host: HostResult) -> Iterable[tuple[str, str]]:
    if not host.failures:
        yield "Message", "Ansible counts a failure that it did not describe; the log has what it printed."
        return
    last = host.failures[-1]
    fault = last.fault
    yield "Tried", _tried(last)
    yield "Message", _WRAPPING.sub("", fault.message) or "The module gave no message."
    # A gate (assert, fail) says all there is; of a command its output says more than its message.
    yield "Status", str(fault.status) if fault.status else ""
    yield "Output", fault.stderr or fault.stdout
    first = _rescued(host)
    if first is not None:
        yield "Before", f"{_tried(first)}\n{first.fault.message or first.fault.stderr}"
    if last.journal is not None and last.journal.lines:
        yield "Journal", "\n".join([last.journal.unit, *(f"  {line}" for line in last.journal.lines)])
    texts = [fault.message, fault.stderr, fault.stdout]
    texts += [first.fault.message, first.fault.stderr] if first is not None else []
    cause = likely_cause("\n".join([*texts, *(last.journal.lines if last.journal else ())]))
    if cause is not None:
        yield "Likely", cause.cause
        yield "Fix", cause.fix.replace("{host}", name)
        yield "Look", cause.look.replace("{host}", name)


def _rescued(host: HostResult) -> Failure | None:
    """Return the failure that a role's rescue block answered with the last one."""
    if len(host.failures) < 2:
        return None
    before, last = host.failures[-2], host.failures[-1]
    return before if (before.role, before.play) == (last.role, last.play) and not before.unreachable else None


def _tried(failure: Failure) -> str:
    place = f"\n  {failure.path}" if failure.path else ""
    return f"{task_title(failure.role, failure.task)}{place}"
