"""The one module that starts ansible-runner."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from casa_install.engine.events import Event, Kind, parse_event
from casa_install.engine.lock import wait_until_free
from casa_install.engine.outcome import RunResult, Tally, conclude
from casa_install.engine.rundir import RunDirectory, make_private, private_file
from casa_install.engine.settings import ansible_environment, ansible_playbook
from casa_install.engine.supervisor import CANNOT_LOCK
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

_PIPE_BYTES = 1 << 20
"""Room in the pipe for the order, whose largest part is the environment; the limit for users without root."""
_PIPE = "orders"
_KILL_SECONDS = 5.0
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE")
"""What the supervisor's own process gets of the environment; ansible-runner writes it to a file."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run.

    Args:
        arguments: The arguments of ansible-playbook, complete.
        lock: The lock that all processes of the run inherit.
        collections: Where our collection lies, if Ansible does not find it by itself.
        passwords: Answers to Ansible's prompts, by a regular expression that the whole line must match.
            They are typed into Ansible's terminal and stand in no file, no environment and no argument.
    """

    arguments: tuple[str, ...]
    lock: Path
    collections: Path | None = None
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    foresight: Path | None = None
    """Where a dry run is to note what its events do not tell."""


class Watcher(Protocol):
    """Whoever looks on while a run goes on; called in the thread that runs, so it may draw on a terminal."""

    def event(self, event: Event) -> None:
        """Take an event, in order."""

    def tick(self) -> None:
        """Know that time has passed; called about twice a second."""

    def stopping(self) -> None:
        """Know that a person asked the run to end; called once."""


class StoppedAtOnceError(BaseException):
    """The second interrupt: leave now. Not an `Exception`, so that nobody's `except` swallows it."""


class _Interrupts:
    """Turns Ctrl-C, SIGTERM and SIGHUP into a clean stop, and a second one into the end.

    ansible-runner's own way, `cancel_callback`, sends SIGKILL to Ansible and leaves its workers running; the
    supervisor instead asks Ansible to end and then sees to it that nothing is left.
    """

    def __init__(self, order: Callable[[bytes], None]) -> None:
        self.seen = False
        self._order = order
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.seen:
            self._order(b"kill\n")
            raise StoppedAtOnceError
        self.seen = True
        self._order(b"stop\n")


def run_playbook(request: Request, directory: RunDirectory, watcher: Watcher) -> RunResult:
    """Run ansible-playbook to its end and return what it did.

    Args:
        request: What to run.
        directory: Gets the log and the events.
        watcher: Is told what happens.

    Raises:
        CasaError: The run could not be started.
    """
    tally = Tally()
    make_private(directory.scratch)
    pipe = directory.scratch / _PIPE
    os.mkfifo(pipe, 0o600)
    # Opened for both directions it needs no reader yet; all writers' ends close when this process dies.
    orders = os.open(pipe, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    status = 1
    try:
        with (
            private_file(directory.log) as log,
            private_file(directory.events) as events,
            _Interrupts(lambda order: _write(orders, order)) as interrupts,
        ):
            announced = False

            def announce() -> None:
                # Not in the signal handler, which may have interrupted a write to the same terminal.
                nonlocal announced
                if interrupts.seen and not announced:
                    announced = True
                    watcher.stopping()

            def tick() -> bool:
                announce()
                watcher.tick()
                return False  # the supervisor ends the run, not ansible-runner

            def handle(raw: dict[str, Any]) -> bool:
                announce()
                event = parse_event(raw)
                _record(event, log, events)
                tally.add(event)
                watcher.event(event)
                return False  # ansible-runner need not keep it

            try:
                status = _run(request, directory.scratch, orders, handle, tick)
            except StoppedAtOnceError:
                # Only then may the exception go: with it goes pexpect's child object, whose end is a
                # SIGKILL to the supervisor, which is still ending the others.
                wait_until_free(request.lock, _KILL_SECONDS)
    finally:
        os.close(orders)
        shutil.rmtree(directory.scratch, ignore_errors=True)
    if status == CANNOT_LOCK and not tally.plays:
        raise CasaError(
            "Processes of an earlier run have not ended yet.", hint="Give the same command again."
        )
    return conclude(tally, status, interrupted=interrupts.seen)


def _run(
    request: Request,
    scratch: Path,
    orders: int,
    handle: Callable[[dict[str, Any]], bool],
    tick: Callable[[], bool],
) -> int:
    import ansible_runner

    supervisor = Path(__file__).with_name("supervisor.py")
    try:
        runner = ansible_runner.interface.init_runner(
            private_data_dir=str(scratch),
            project_dir=str(
                Path.cwd()
            ),  # Ansible's working directory: ansible.cfg and `-e @file` are sought there
            ident="run",
            binary=sys.executable,
            cmdline=shlex.join(["-I", str(supervisor), str(scratch / _PIPE)]),
            envvars=ansible_environment(
                os.environ, collections=request.collections, foresight=request.foresight
            ),
            passwords={rf"^{pattern}\s*$": answer for pattern, answer in request.passwords.items()},
            suppress_env_files=True,
            fact_cache_type="memory",
            quiet=True,
            event_handler=handle,
            cancel_callback=tick,
        )
    except (ansible_runner.exceptions.AnsibleRunnerException, OSError) as error:
        raise CasaError(f"Ansible could not be started: {error}.") from error
    config = runner.config
    # Not by `settings=`: without a settings file in `env/` ansible-runner 2.4 drops what it was given.
    config.suppress_output_file = True
    config.pexpect_timeout = 0.5
    order = {
        "argv": [str(ansible_playbook()), *request.arguments],
        "env": config.env,
        "cwd": str(Path.cwd()),
        "lock": str(request.lock),
        "scratch": str(scratch),
    }
    _send(orders, json.dumps(order).encode() + b"\n")
    config.env = {name: config.env[name] for name in _PASSED_ON if name in config.env}
    runner.run()
    return int(runner.rc) if runner.rc is not None else 1


def _send(orders: int, line: bytes) -> None:
    """Put the order into the pipe, which must hold it whole because nobody reads yet."""
    if len(line) > 1 << 16:
        try:
            fcntl.fcntl(orders, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            _too_large(line)
    if os.write(orders, line) != len(line):
        _too_large(line)


def _too_large(line: bytes) -> NoReturn:
    raise CasaError(
        f"The environment and the command line are too large to hand over ({len(line)} bytes).",
        hint="Unset large environment variables: `env | awk '{print length, $0}' | sort -n | tail`.",
    )


def _write(orders: int, order: bytes) -> None:
    try:
        os.write(orders, order)
    except OSError:
        # Closed or full: the run is over, or so stuck that only closing the pipe helps, which follows.
        return


def _record(event: Event, log: Any, events: Any) -> None:
    if event.text:
        log.write(event.text.rstrip("\n") + "\n")
        log.flush()
    if event.kind not in (Kind.MESSAGE, Kind.OTHER):
        events.write(json.dumps(event.as_json(), ensure_ascii=False) + "\n")
        events.flush()
