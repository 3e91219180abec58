"""A run of a verb on a site, from its lock to the last line of its journal."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from casa_install.engine.command import without_secrets
from casa_install.engine.hooks import find_hooks
from casa_install.engine.lock import site_lock
from casa_install.engine.playbook import collections_path
from casa_install.engine.rundir import Journal, RunDirectory, begin_run, make_private
from casa_install.engine.runner import Request, run_playbook
from casa_install.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from casa_install.engine.events import Event
    from casa_install.engine.outcome import RunResult
    from casa_install.engine.passwords import Passwords
    from casa_install.engine.playbook import Playbook
    from casa_install.engine.runner import Watcher
    from casa_install.site.check import SiteReport


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, all questions answered.

    Args:
        verb: Such as `apply`; it names the run.
        command: What followed `casa-install`.
        playbook: The playbook.
        inventories: As Ansible takes them.
        site: The site as its check saw it.
        passwords: Those that were asked for.
        options: Further arguments of ansible-playbook.
        check: Nothing is changed.
        hooks: The verb whose hooks of the site's own run around the playbook; none if empty.
        exclusive: The site's lock is held. A run that only reads may go without.
    """

    verb: str
    command: Sequence[str]
    playbook: Playbook
    inventories: Sequence[str]
    site: SiteReport
    passwords: Passwords = field(repr=False)
    options: Sequence[str] = ()
    check: bool = False
    hooks: str = ""
    exclusive: bool = True


@dataclass(slots=True)
class Run:
    """A run that goes on: one or more playbooks under one lock, with one directory and one journal."""

    job: Job
    directory: RunDirectory
    journal: Journal
    lock: Path
    _playbook: str

    def play(
        self,
        watcher: Watcher,
        *,
        playbook: str = "",
        options: Sequence[str] = (),
        part: str = "",
        listen: Callable[[Event], None] | None = None,
    ) -> RunResult:
        """Run a playbook to its end.

        Args:
            watcher: Shows what happens.
            playbook: Another playbook than the job's.
            options: Arguments of ansible-playbook beside the job's.
            part: The part of the run, whose log and events go into a directory of this name of their own.
            listen: Is told every event too.

        Raises:
            CasaError: It could not be started.
        """
        directory = self.directory
        if part:
            directory = RunDirectory(make_private(self.directory.path / part))
        words = [playbook or self._playbook, *(f"--inventory={path}" for path in self.job.inventories)]
        # Receipts name the run that made them.
        words += [*self.job.passwords.arguments, *self.job.options]
        words += [f"--extra-vars=casa_run={self.journal.id}"]
        request = Request(
            arguments=(*words, *options),
            lock=self.lock,
            collections=collections_path(),
            passwords=self.job.passwords.answers,
            foresight=directory.foresight if self.job.check else None,
        )
        return run_playbook(request, directory, _Listened(watcher, listen) if listen else watcher)

    def close(self, result: RunResult, exit_code: int | None = None) -> None:
        """Write the end of the run into its journal.

        Args:
            result: Of the last playbook.
            exit_code: The process status, where it is not the result's.
        """
        self.journal.hosts = {name: host.as_json() for name, host in sorted(result.hosts.items())}
        code = result.exit_code if exit_code is None else exit_code
        self.journal.close(result.status, code, error=result.error)
        self.directory.write_journal(self.journal)


@contextlib.contextmanager
def begun(job: Job) -> Iterator[Run]:
    """Take the site's lock, begin a run and yield it; whatever is raised inside ends in its journal.

    Raises:
        CasaError: Another run holds the lock, or a hook is no playbook. Nothing was done.
    """
    hooks = find_hooks(job.inventories, job.hooks) if job.hooks else None
    with site_lock(job.inventories, job.verb) if job.exclusive else contextlib.nullcontext() as lock:
        directory, journal = begin_run(job.verb, without_secrets(job.command))
        journal.inventories = list(job.inventories)
        journal.playbook = job.playbook.argument
        journal.check = job.check
        playbook = job.playbook.argument
        if hooks:
            playbook = directory.write_playbook(hooks.around(playbook))
        try:
            yield Run(job, directory, journal, lock or directory.path / "processes", playbook)
        except BaseException as error:
            code = getattr(error, "exit_code", ExitCode.FAILED)
            journal.close("error", code, error=getattr(error, "message", type(error).__name__))
            directory.write_journal(journal)
            raise


class _Listened:
    """A watcher whose events somebody else hears too."""

    def __init__(self, watcher: Watcher, listen: Callable[[Event], None]) -> None:
        self._watcher = watcher
        self._listen = listen

    def event(self, event: Event) -> None:
        self._listen(event)
        self._watcher.event(event)

    def tick(self) -> None:
        self._watcher.tick()

    def stopping(self) -> None:
        self._watcher.stopping()
