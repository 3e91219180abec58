"""The phases of a run (Ansible's plays) while they happen, for whoever shows them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from casa_install.engine.events import Event, Kind


@dataclass(slots=True)
class Phase:
    """One play.

    Args:
        name: Its name.
        started: On the monotonic clock, in seconds.
        states: Per host `running`, `ok`, `changed`, `failed` or `unreachable`; the last two stay.
        changed: Tasks that changed something.
        task: The task that started last.
    """

    name: str
    started: float
    states: dict[str, str] = field(default_factory=dict)
    changed: int = 0
    task: str = ""
    touched: set[str] = field(default_factory=set)

    def count(self, state: str) -> int:
        """Return how many hosts are in a state."""
        return sum(1 for value in self.states.values() if value == state)

    @property
    def counters(self) -> str:
        """Hosts, changes and losses in words."""
        hosts = len(self.states)
        words = [f"{hosts} host{'' if hosts == 1 else 's'}", f"{self.changed} changed"]
        words += [f"{n} {state}" for state in ("failed", "unreachable") if (n := self.count(state))]
        return ", ".join(words)


class Phases:
    """Folds events into phases."""

    def __init__(self) -> None:
        self.current: Phase | None = None

    def add(self, event: Event) -> Phase | None:
        """Take an event into account; return the phase that it ended, if it had any host."""
        if event.kind in (Kind.PLAY, Kind.STATS):
            ended, self.current = self.current, None
            if event.kind is Kind.PLAY:
                self.current = Phase(event.play, time.monotonic())
            return ended if ended is not None and ended.states else None
        if self.current is not None:
            self._count(self.current, event)
        return None

    def _count(self, phase: Phase, event: Event) -> None:
        if event.kind is Kind.TASK:
            phase.task = event.task
        elif event.host and phase.states.get(event.host) != "unreachable":
            phase.changed += event.changed
            if event.changed:
                phase.touched.add(event.host)
            if (state := self._state(phase, event)) is not None:
                phase.states[event.host] = state

    def _state(self, phase: Phase, event: Event) -> str | None:
        if event.kind is Kind.START:
            return "running"
        if event.kind is Kind.UNREACHABLE:
            return "unreachable"
        if event.kind is Kind.FAILED and not event.ignored:
            return "failed"
        if event.kind in (Kind.OK, Kind.SKIPPED, Kind.FAILED):
            return "changed" if event.host in phase.touched else "ok"
        return None


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
