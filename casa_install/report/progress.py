"""Progress of a run: plain lines, or one live line per phase on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from casa_install.engine.events import Event, Kind
from casa_install.engine.outcome import task_title
from casa_install.report.messages import colours_wanted, labelled, say
from casa_install.report.phases import Phase, Phases, clock

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType

_SIGNS = {"running": ("▸", "cyan"), "ok": ("■", "green"), "changed": ("■", "yellow")}
_SIGNS |= {"failed": ("✗", "bold red"), "unreachable": ("!", "bold magenta")}

_FRAME = 0.1
"""Seconds between two drawings."""


class Progress(Protocol):
    """Shows a run while it goes on; used as a context manager around it."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def event(self, event: Event) -> None:
        """Show what an event tells."""

    def tick(self) -> None:
        """Draw the passing of time."""

    def stopping(self) -> None:
        """Say that the run ends on request."""


def progress_on(stream: TextIO, *, plain: bool) -> Progress:
    """Return live progress for a terminal, plain lines for everything else or on request."""
    return PlainProgress(stream) if plain or not stream.isatty() else LiveProgress(stream)


STOPPING = (
    "Ending the run; tasks that are in progress on hosts may finish there. Ctrl-C again ends it at once."
)


class PlainProgress:
    """One line when a phase starts and one when it ends, and each failure when it happens."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._phases = Phases()

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._print_end(self._phases.current)

    def event(self, event: Event) -> None:
        """Print what an event tells."""
        self._print_end(self._phases.add(event))
        if event.kind is Kind.PLAY:
            self._print(f"{event.play} ...")
        elif event.kind is Kind.UNREACHABLE:
            self._print(f"  {event.host}: unreachable")
        elif event.kind is Kind.FAILED and not event.ignored:
            self._print(f"  {event.host}: failed: {task_title(event.role, event.task)}")
        if event.notice:
            say("Note", event.notice, stream=self._stream)

    def tick(self) -> None:
        """Print nothing: a log is no clock."""

    def stopping(self) -> None:
        """Say that the run ends on request."""
        say("Note", STOPPING, stream=self._stream)

    def _print_end(self, phase: Phase | None) -> None:
        if phase is not None and phase.states:
            self._print(f"{phase.name}: {phase.counters}, {clock(time.monotonic() - phase.started)}")

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """A line for each phase that has ended; the current one with its hosts, its task and its time."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._phases = Phases()
        self._console = Console(file=stream, no_color=not colours_wanted(stream), highlight=False)
        # Without a thread of its own: ansible-runner forks while this is on the screen.
        self._live = Live(
            console=self._console, get_renderable=self._current, auto_refresh=False, transient=True
        )
        self._drawn = 0.0

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        phase, self._phases.current = self._phases.current, None
        self._live.stop()
        if phase is not None and phase.states:
            self._print_end(phase, complete=False)

    def event(self, event: Event) -> None:
        """Fold an event in and draw, at most every tenth of a second."""
        from rich.text import Text

        if (ended := self._phases.add(event)) is not None:
            self._live.refresh()
            self._print_end(ended, complete=True)
        if event.notice:
            self._console.print(Text.from_ansi(labelled("Note", event.notice, colour=True)), soft_wrap=True)
        if time.monotonic() - self._drawn > _FRAME:
            self.tick()

    def tick(self) -> None:
        """Draw the current phase."""
        self._drawn = time.monotonic()
        self._live.refresh()

    def stopping(self) -> None:
        """Say that the run ends on request."""
        from rich.text import Text

        self._console.print(Text(STOPPING, style="yellow"))

    def _print_end(self, phase: Phase, *, complete: bool) -> None:
        from rich.text import Text

        lost = phase.count("failed") + phase.count("unreachable")
        sign, style = ("✗", "bold red") if lost else ("✓", "green") if complete else ("▸", "yellow")
        line = Text.assemble((f"{sign} ", style), f"{phase.name:<48} ")
        line.append(f"{clock(time.monotonic() - phase.started):>7}  {phase.counters}", style="dim")
        self._console.print(line, soft_wrap=True)

    def _current(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        phase = self._phases.current
        if phase is None:
            return Text("")
        head = Text.assemble(("▸ ", "cyan"), f"{phase.name:<48} ")
        head.append(f"{clock(time.monotonic() - phase.started):>7}  {phase.counters}", style="dim")
        strip = Text("  ")
        for host in sorted(phase.states):
            strip.append(*_SIGNS[phase.states[host]])
        task = Text(f"  {phase.task}", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(head, strip, task)
