"""A host's answer to the probe, read strictly: what is not exactly as asked for is refused.

An answer that is cut, repeated, oversized or holds anything unknown never counts as "nothing differs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from casa_install.errors import CasaError
from casa_install.state.answer_records import Records
from casa_install.state.observed import Account
from casa_install.state.probe import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.state.observed import Observed
    from casa_install.state.probe import Question

T = TypeVar("T")

MAX_ANSWER = 32 << 20
"""Bytes; a receipt of its greatest size in hexadecimal and 100 full directories fit."""


class ProbeError(CasaError):
    """The host's answer cannot be used, so nothing is known about the host."""


def read_answer(question: Question, answer: bytes) -> Observed:
    """Read what the probe printed.

    Args:
        question: What was asked.
        answer: Its standard output, all of it.

    Raises:
        ProbeError: The answer is not exactly an answer to this question.
    """
    if len(answer) > MAX_ANSWER:
        raise ProbeError(f"the host's answer is oversized ({len(answer)} bytes)")
    lines = answer.replace(b"\r\n", b"\n").split(
        b"\n"
    )  # a terminal in between (sudo with requiretty) adds \r
    first, last = f"casa-probe {VERSION} {question.nonce}".encode(), f"casa-end {question.nonce}".encode()
    if lines[0] != first:
        begun = lines[0][:80].decode("ascii", "backslashreplace")
        raise ProbeError(
            f"the host printed something else before its answer: {begun!r}",
            hint="look for `echo` in the start-up files of the shell of the user that Ansible logs in as",
        )
    if len(lines) < 3 or lines[-1] != b"" or lines[-2] != last:
        raise ProbeError("the host's answer is cut short", hint="run the same command again with -vvv")
    records = Records(question)
    for raw in lines[1:-2]:
        try:
            records.take(raw)
        except (KeyError, ValueError, IndexError, OverflowError) as fault:
            shown = raw[:60].decode("ascii", "backslashreplace")
            raise ProbeError(
                f"the host's answer holds something that was not asked for: {shown!r}"
            ) from fault
    return _complete(records)


def _complete(records: Records) -> Observed:
    """Put batched records to their names, and refuse an answer that lacks something."""
    question = records.question
    expected = [
        ("u", 1),
        ("z", 1),
        ("Z", 1),
        ("W", len(question.sealed)),
        ("T", len(question.links)),
        ("R", len(question.folders)),
        ("n", len(question.listings)),
        ("l", len(question.lines)),
        ("B", len(question.blocks)),
        ("Q", len(question.sysctls)),
        ("C", len(question.checks)),
        ("S", len(question.stamps)),
        ("P", len(question.users)),
        ("p", len(question.users)),
        ("I", len(question.users)),
        ("Y", len(question.uids)),
        ("E", len(question.groups)),
        ("e", len(question.groups)),
        ("F", len(question.gids)),
        ("U", bool(question.units)),
        ("V", len(question.units)),
    ]
    for tag, count in expected:
        if sum(1 for seen, _ in records.seen if seen == tag) != count:
            raise ProbeError(f"the host's answer is incomplete ({tag})")
    if not records.packages_done or records.entries or records.lines:
        raise ProbeError("the host's answer is incomplete (packages or lists)")
    records.observed.paths = dict(_paired(question.paths, records.missing, records.attributes, "attributes"))
    records.observed.digests = dict(
        _paired(question.digests, records.not_regular, records.digests, "digests")
    )
    _complete_accounts(records)
    return records.observed


def _complete_accounts(records: Records) -> None:
    question, observed = records.question, records.observed
    for index, name in enumerate(question.users):
        fields = records.accounts[("P", index)]
        if fields is not None:
            observed.users[name] = Account(fields, records.local[("p", index)], records.group_ids[index])
    for index, name in enumerate(question.groups):
        fields = records.accounts[("E", index)]
        if fields is not None:
            observed.groups[name] = Account(fields, records.local[("e", index)])
    for index, uid in enumerate(question.uids):
        fields = records.accounts[("Y", index)]
        if fields is not None:
            observed.user_of_uid[uid] = fields[0]
    for index, gid in enumerate(question.gids):
        fields = records.accounts[("F", index)]
        if fields is not None:
            observed.group_of_gid[gid] = fields[0]


def _paired(names: tuple[str, ...], without: set[int], values: list[T], what: str) -> Iterator[tuple[str, T]]:
    """Put values, which came in order without numbers, to the names that were not said to lack one."""
    named = [name for index, name in enumerate(names) if index not in without]
    if len(named) != len(values):
        raise ProbeError(f"the host's answer is incomplete ({what})")
    return zip(named, values, strict=True)
