"""One role on one host, from the first look to the proof, on a host that the caller lends."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from casa_install.state.answer import read_answer
from casa_install.state.batch import Sender, make_batch
from casa_install.state.compare import compare
from casa_install.state.differences import View
from casa_install.state.diffs import diff_of
from casa_install.state.host import Options, Outcome, RefusalError, require_root
from casa_install.state.host_modules import (
    account_calls,
    continue_interrupted,
    package_calls,
    package_removal,
    removal_calls,
)
from casa_install.state.owed import last_read
from casa_install.state.phases import BEFORE_THE_SECOND_PROBE
from casa_install.state.probe import ask
from casa_install.state.receipts import PHASES, read_receipt
from casa_install.state.resources import File, LocalFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.state.compare import Comparison
    from casa_install.state.differences import Difference
    from casa_install.state.host import Host
    from casa_install.state.receipts import Entry
    from casa_install.state.render import Desired
    from casa_install.state.resources import Handler


def apply(desired: Desired, host: Host, options: Options) -> Outcome:
    """Make a host match what a role wants.

    Args:
        desired: What the role wants on this host.
        host: The host.
        options: How the run was asked for.

    Returns:
        What was done; single things that failed are in `failures`.

    Raises:
        CasaError: Nothing was changed, or a package or account could not be.
    """
    return Apply(desired, host, options).run()


class Apply:
    """The run of one role on one host."""

    def __init__(self, desired: Desired, host: Host, options: Options) -> None:
        self.desired = desired
        self.host = host
        self.options = options
        self.outcome = Outcome()
        self.notified: dict[str, None] = {}

    def run(self) -> Outcome:
        """Look, change by phases, and look again as proof."""
        first = self.look()
        self._tell(first)
        if self.options.check:
            self._foresee(first)
            return self._close(first)
        if first.clean:
            return self._close(first)
        sender = Sender(self.options.run, self.options.holder, first.view.observed)
        second = self._before_files(first, sender)
        self._files_and_units(second, sender)
        self._remove_what_left(first)
        return self._close(self._prove())

    def look(self) -> Comparison:
        """Probe the host and compare.

        Raises:
            ProbeError: The answer cannot be used.
            CasaError: The receipt cannot be trusted, or the login is not root's.
            RefusalError: Something must not be changed.
        """
        question = ask(self.desired, base=self.options.base)
        observed = read_answer(question, self.host.probe(question.script))
        require_root(observed)
        receipt = read_receipt(self.desired.role, observed, base=self.options.base)
        view = View(self.desired, observed, receipt, maintenance=self.options.maintenance)
        comparison = compare(view, tags=self.options.tags, full=self.options.full)
        refused = comparison.of("refuse")
        if refused:
            raise RefusalError(refused)
        return comparison

    def _tell(self, comparison: Comparison) -> None:
        told = {(item["kind"], item["name"]) for item in self.outcome.differences}
        for item in comparison.differences:
            if item.resource.key not in told:
                self.outcome.differences.append(item.as_dict())
        for item in comparison.of("change"):
            self.notified.update(dict.fromkeys(item.resource.notify))
        if self.options.diff:
            shown = {item["after_header"] for item in self.outcome.diff}
            fresh = [item for item in comparison.of("change") if item.resource.name not in shown]
            self.outcome.diff.extend(self._diffs(fresh, comparison.view))

    def _diffs(self, differences: list[Difference], view: View) -> list[dict[str, str]]:
        paths = [
            item.resource.path
            for item in differences
            if isinstance(item.resource, File)
            and not item.resource.sensitive
            and "content" in item.aspects
            and item.resource.path in view.observed.digests
        ]
        contents: dict[str, bytes | None] = {}
        if paths:
            answer = self._engine({"do": "show", "paths": paths})["contents"]
            contents = {
                path: None if text is None else base64.b64decode(text) for path, text in answer.items()
            }
        made = (diff_of(item, contents) for item in differences)
        return [diff for diff in made if diff is not None]

    def _foresee(self, comparison: Comparison) -> None:
        changes = comparison.of("change")
        left = [f"remove {entry.kind} {entry.name}" for entry in comparison.left]
        self.outcome.done = [item.text for item in changes] + left
        self.outcome.changed = bool(self.outcome.done)

    def _engine(self, document: dict[str, Any]) -> dict[str, Any]:
        return self.host.engine({"do": "apply", "base": self.options.base, **document})

    def _take(self, result: dict[str, Any]) -> None:
        self.outcome.done += result["done"]
        self.outcome.notes += result["notes"]
        self.outcome.failures += result["failures"]
        self.outcome.changed = self.outcome.changed or bool(result["done"])

    def _before_files(self, first: Comparison, sender: Sender) -> Comparison:
        changes = first.of("change", *BEFORE_THE_SECOND_PROBE)
        if not changes:
            return first
        staged = self._staged(first, ("repositories",), sender)
        batch = make_batch(first, staged, ("repositories",), record=False, intend=("packages", "accounts"))
        self._take(self._engine(batch))
        if self.outcome.failures:
            return first
        self._packages(first)
        accounts = first.of("change", "accounts")
        for name, arguments in account_calls(accounts):
            self._module(name, arguments)
        self.outcome.done += [item.text for item in first.of("change", "packages", "accounts")]
        second = self.look()
        self._tell(second)
        return second

    def _packages(self, comparison: Comparison) -> None:
        packages = comparison.of("change", "packages")
        observed = comparison.view.observed
        if packages and observed.packages_interrupted:
            self._module(*continue_interrupted())
        fresh = any(
            isinstance(item.resource, File) and item.resource.repository
            for item in comparison.of("change", "repositories")
        )
        for name, arguments in package_calls(packages, observed.manager, fresh_index=fresh):
            self._module(name, arguments)

    def _module(self, name: str, arguments: dict[str, Any]) -> None:
        if self.host.module(name, arguments):
            self.outcome.changed = True

    def _staged(self, comparison: Comparison, phases: tuple[str, ...], sender: Sender) -> Sender:
        staged = {
            item.resource.path: self.host.stage(item.resource.content.path)
            for item in comparison.of("change", *phases)
            if isinstance(item.resource, File)
            and isinstance(item.resource.content, LocalFile)
            and item.aspects & {"content", "missing", "type"}
        }
        return Sender(sender.run, sender.holder, sender.first, staged)

    def _files_and_units(self, comparison: Comparison, sender: Sender) -> None:
        if self.outcome.failures:
            return
        batch = make_batch(
            comparison, self._staged(comparison, ("files",), sender), ("files", "units"), record=True
        )
        if batch["actions"] or batch["record"] or batch["settle"] or batch["owe"]:
            self._take(self._engine(batch))

    def _remove_what_left(self, first: Comparison) -> None:
        if first.left and not self.outcome.failures:
            self.take_away(first.left, first.view.observed.manager)

    def take_away(self, entries: Iterable[Entry], manager: str, settle: Iterable[str] = ()) -> None:
        """Undo entries of the receipt: on the host what is the host's, the rest through Ansible's modules.

        Args:
            entries: What goes.
            manager: The host's package manager, `dpkg` or `rpm`.
            settle: Handlers that are owed no longer.
        """
        entries = list(entries)
        keys = [list(entry.key) for entry in entries]
        undo = {
            "do": "remove",
            "role": self.desired.role,
            "holder": self.options.holder,
            "maintenance": self.options.maintenance,
            "only": keys,
        }
        self._take(self._engine({**undo, "phases": ["units", "files"]}))
        accounts = [entry for entry in entries if entry.kind in ("package", "user", "group")]
        for name, arguments in removal_calls(accounts, manager):
            self._module(name, arguments)
        self.outcome.done += [f"remove {item.kind} {item.name}" for item in accounts if item.added]
        self._take_away_what_came_along([item for item in accounts if item.added], manager)
        self._take(self._engine({**undo, "phases": list(PHASES)}))
        settle = list(settle)
        if accounts or settle:
            drop = {
                "schema": 1,
                "role": self.desired.role,
                "run": self.options.run,
                "holder": self.options.holder,
                "drop": [list(entry.key) for entry in accounts],
                "settle": settle,
            }
            self._take(self._engine(drop))

    def _take_away_what_came_along(self, entries: Iterable[Entry], manager: str) -> None:
        packages = [entry for entry in entries if entry.kind == "package"]
        if packages and manager == "rpm":
            self.outcome.notes.append("packages that came along were left; `dnf autoremove` lists them")
        if not packages or manager != "dpkg":
            return
        came = sorted({name for entry in packages for name in entry.ours.get("came", ())})
        question = {"do": "orphans", "role": self.desired.role, "names": came}
        orphans = self._engine(question)["names"]
        if orphans:
            self._module(*package_removal(orphans, manager))
            self.outcome.done += [f"remove package {name}, which came along" for name in orphans]

    def _prove(self) -> Comparison:
        last = self.look()
        failed = {item["name"] for item in self.outcome.failures}
        for item in last.of("change"):
            if item.resource.name not in failed:
                self.outcome.failures.append(
                    {
                        "name": item.resource.name,
                        "message": f"after the change it is still to do: {item.text}"
                        + (f" ({'; '.join(item.details)})" if item.details else ""),
                        "hint": "something on the host undoes it; run again with --diff",
                    }
                )
        return last

    def _close(self, last: Comparison) -> Outcome:
        self.outcome.owed = [item.resource.name for item in last.of("step")]
        owed = [debt.handler.name for debt in last.owed]
        for name in dict.fromkeys([*self.notified, *owed]):
            handler = self.desired.handlers[name]
            if not handler.drain:
                self.outcome.notify.append(name)
            # A unit that is started with its new settings, now or by the run to come, owes nothing.
            elif name in owed or (self.options.check and not _starts(handler, last.view)):
                self.outcome.needs_drain.append(name)
        return self.outcome


def _starts(handler: Handler, view: View) -> bool:
    """Whether the handler's unit does not run yet, so that it starts with what is written."""
    return handler.proof == "restart" and last_read(handler, view) is None
