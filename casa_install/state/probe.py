"""The question put to a host: one read-only POSIX shell script for a list of resources.

It runs under dash, bash and busybox, changes nothing, and answers in lines of printable ASCII: names, lines
and targets that could hold any byte travel in hexadecimal. `answer` reads it and accepts nothing else. Of
files that are not ours, only our lines are returned; of ours, only type, attributes and digest.

The script may hold secrets (a sensitive line is compared on the host), so it belongs on standard input or in
a private file, never on a command line. The answer may be logged (`ansible-playbook -vvv` does so), and of
anything sensitive it holds no more than a digest with a key that is in the script and nowhere else.
"""

from __future__ import annotations

import re
import secrets
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.state.probe_words import literal, quote
from casa_install.state.resources import (
    Block,
    Check,
    Directory,
    File,
    Group,
    Line,
    Link,
    Package,
    PathResource,
    Sysctl,
    Unit,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.state.render import Desired
    from casa_install.state.resources import Resource

VERSION = 1
MAX_ENTRIES = 5000
"""A directory with more entries is answered as "too many", which compares as different."""
MAX_LINES = 100
PROC_SYS = "/proc/sys/"
MAX_RECEIPT = 4 << 20
CHECK_SECONDS = 60
UNIT_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "ActiveEnterTimestamp",
)

_PLAIN = re.compile(r"[A-Za-z0-9._/@:+=,~-]+\Z")

_FUNCTIONS = Path(__file__).with_name("probe.sh").read_text(encoding="ascii")


@dataclass(frozen=True)
class Question:
    """What is asked; the numbers in an answer are positions in these lists.

    Attributes:
        nonce: Marks the answer's first and last line.
        paths: Paths of which type and attributes are asked.
        digests: Those of them whose digest is asked, plain names first, as the answer has that order.
        sealed: Sensitive files, of which a digest with the key is asked.
        key: What sensitive contents are digested with.
        links: Those of them whose target is asked.
        folders: Directories whose path without links is asked.
        listings: Directories whose entries are asked.
        script: The shell script.
    """

    nonce: str
    role: str
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    sealed: tuple[str, ...]
    links: tuple[str, ...]
    folders: tuple[str, ...]
    listings: tuple[str, ...]
    lines: tuple[Line, ...]
    blocks: tuple[Block, ...]
    packages: tuple[str, ...]
    users: tuple[str, ...]
    uids: tuple[int, ...]
    groups: tuple[str, ...]
    gids: tuple[int, ...]
    units: tuple[str, ...]
    sysctls: tuple[str, ...]
    checks: tuple[Check, ...]
    stamps: tuple[str, ...]
    key: str = field(repr=False)
    script: str = field(repr=False, default="")


def ask(desired: Desired, *, base: str = "/etc/casa-install") -> Question:
    """Make the question for what a role wants on a host.

    Args:
        desired: The role's resources.
        base: Where receipts are kept.
    """
    every = desired.resources
    path_kinds = [item for item in every if isinstance(item, PathResource)]
    paths = _distinct(item.path for item in path_kinds)
    files = [item for item in every if isinstance(item, File)]
    open_files = _distinct(item.path for item in files if not item.sensitive)
    directories = [item for item in every if isinstance(item, Directory)]
    users = [item for item in every if isinstance(item, User)]
    groups = [item for item in every if isinstance(item, Group)]
    group_names = [*(item.group for item in groups), *_groups_of(users)]
    units = [*(item.unit for item in every if isinstance(item, Unit)), *_handler_units(desired)]
    question = Question(
        nonce=secrets.token_hex(8),
        role=desired.role,
        paths=paths,
        digests=tuple(sorted(open_files, key=lambda path: not _PLAIN.match(path))),
        sealed=_distinct(item.path for item in files if item.sensitive),
        key=secrets.token_hex(32),
        links=_distinct(item.path for item in every if isinstance(item, Link)),
        folders=_distinct(
            [*(path.rpartition("/")[0] or "/" for path in paths), *(item.path for item in directories)]
        ),
        listings=_distinct(item.path for item in directories if item.exclusive or item.shared),
        lines=tuple(item for item in every if isinstance(item, Line)),
        blocks=tuple(item for item in every if isinstance(item, Block)),
        packages=_distinct(item.package for item in every if isinstance(item, Package)),
        users=_distinct(item.user for item in users),
        uids=tuple(sorted({item.uid for item in users if item.uid is not None})),
        groups=_distinct(group_names),
        gids=tuple(sorted({item.gid for item in groups if item.gid is not None})),
        units=_distinct(units),
        sysctls=_distinct(item.setting for item in every if isinstance(item, Sysctl)),
        checks=tuple(item for item in every if isinstance(item, Check)),
        stamps=tuple(handler.name for handler in desired.handlers.values() if handler.stamp),
    )
    stamps = [handler.stamp for handler in desired.handlers.values() if handler.stamp]
    return replace(question, script=_script(question, stamps, base))


def _distinct(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _groups_of(users: Iterable[User]) -> list[str]:
    return [name for user in users for name in ((user.group,) if user.group else ()) + user.groups]


def _handler_units(desired: Desired) -> list[str]:
    return [handler.unit for handler in desired.handlers.values() if handler.unit]


def _script(question: Question, stamps: list[tuple[str, ...]], base: str) -> str:
    body = [
        f"echo 'casa-probe {VERSION} {question.nonce}'",
        'printf "u %s\\n" "$(id -u)"',
        *_receipt(question.role, base),
        *_attributes(question),
        *_digests(question),
        *(f"sealed {number} {quote(path)}" for number, path in enumerate(question.sealed)),
        *(
            f"printf 'T {number} x%s\\n' \"$(readlink -n {quote(path)} | hex)\""
            for number, path in enumerate(question.links)
        ),
        *(f"real {number} {quote(path)}" for number, path in enumerate(question.folders)),
        *(f"list {number} {quote(path)}" for number, path in enumerate(question.listings)),
        *(
            f"{_seal(item)}T={quote(item.text)} P={quote(item.prefix)}; export T P; "
            f"line {number} {quote(item.path)}"
            for number, item in enumerate(question.lines)
        ),
        *(
            f"{_seal(item)}T={quote(item.begin)} P={quote(item.end)}; export T P; "
            f"block {number} {quote(item.path)}"
            for number, item in enumerate(question.blocks)
        ),
        "unset T P",  # a line may be a secret; what comes next need not inherit it
        *_packages(question),
        *_accounts(question),
        *_units(question),
        *(f"setting {number} {quote(sysctl_path(key))}" for number, key in enumerate(question.sysctls)),
        *(
            f"{_seal(item)}try 'C {number}' {_command(item.command)}"
            for number, item in enumerate(question.checks)
        ),
        "SEAL=",
        *(f"try 'S {number}' {_command(stamp)}" for number, stamp in enumerate(stamps)),
        f"echo 'casa-end {question.nonce}'",
    ]
    limits = f"MAX_ENTRIES={MAX_ENTRIES} MAX_LINES={MAX_LINES} CHECK_SECONDS={CHECK_SECONDS}"
    limits += f"\nKEY={question.key} SEAL="
    wrapped = "\n".join(body)
    # In a function, so that a shell that reads the script from its standard input has read all of it before
    # the first command could read from there.
    return f"{_FUNCTIONS}\n{limits}\nmain() {{\n{wrapped}\n}}\nmain 2>/dev/null </dev/null\n"


def _seal(resource: Resource) -> str:
    return f"SEAL={'yes' if resource.sensitive else ''}; "


def sysctl_path(key: str) -> str:
    """Return the file of a kernel setting; a key with a slash in it uses slashes throughout, sysctl.d(5)."""
    return PROC_SYS + (key if "/" in key else key.replace(".", "/"))


def _command(words: tuple[str, ...]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _receipt(role: str, base: str) -> list[str]:
    folder, path = quote(f"{base}/receipts"), quote(f"{base}/receipts/{role}.json")
    return [
        f"if [ -e {folder} ] || [ -L {folder} ]; then stat -c 'z %f %u' {folder}; else echo 'z -'; fi",
        f"if [ -f {path} ] && [ ! -L {path} ] && [ -r {path} ]; then "
        f"printf 'Z x%s\\n' \"$(head -c {MAX_RECEIPT} {path} | hex)\"; "
        f"elif [ -e {path} ] || [ -L {path} ]; then echo 'Z !'; else echo 'Z -'; fi",
    ]


def _attributes(question: Question) -> list[str]:
    """Ask for all attributes with one stat(1); what is missing is told before, by number."""
    commands = ["set --"]
    for number, path in enumerate(question.paths):
        quoted = quote(path)
        commands.append(
            f"if [ -e {quoted} ] || [ -L {quoted} ]; then set -- \"$@\" {quoted}; else echo 'M {number}'; fi"
        )
    commands.append("[ $# -eq 0 ] || stat -c 'A %f %u %g %s %i %d %Y %Z %U:%G' \"$@\"")
    return commands


def _digests(question: Question) -> list[str]:
    """Ask for all digests with one sha256sum(1), and one each for names that it would print escaped."""
    commands = ["set --"]
    odd = []
    for number, path in enumerate(question.digests):
        quoted = quote(path)
        regular = f"[ -f {quoted} ] && [ ! -L {quoted} ]"
        if _PLAIN.match(path):
            commands.append(f"if {regular}; then set -- \"$@\" {quoted}; else echo 'G {number}'; fi")
        else:
            odd.append(
                f"if {regular}; then sha256sum < {quoted} | cut -c1-64 | sed 's/^/D /'; "
                f"else echo 'G {number}'; fi"
            )
    commands.append("[ $# -eq 0 ] || sha256sum \"$@\" | cut -c1-64 | sed 's/^/D /'")
    return commands + odd


def _packages(question: Question) -> list[str]:
    """Ask which package manager there is, and with it for the packages."""
    names = " ".join(map(quote, question.packages))
    dpkg = "K ${Package} ${db:Status-Want} ${db:Status-Status} ${Version}\\n"
    rpm = "K %{NAME} install installed %{VERSION}-%{RELEASE}\\n"
    return [
        "if [ -s /var/lib/dpkg/status ] && command -v dpkg-query > /dev/null; then",
        f"dpkg-query -W -f='{dpkg}' {names}; s=$?" if names else "s=0",
        'interrupted; echo "k dpkg $s $i"',
        "elif command -v rpm > /dev/null; then",
        f"rpm -q --qf '{rpm}' {names} | grep '^K '" if names else ":",
        "echo 'k rpm 0 whole'; else echo 'k none 0 whole'; fi",
    ]


def _accounts(question: Question) -> list[str]:
    commands = []
    for number, user in enumerate(question.users):
        commands.append(f"account P {number} passwd {quote(user)}")
        commands.append(f"local_account p {number} passwd {quote(user)}")
        commands.append(f"printf 'I {number} %s\\n' \"$(id -G {quote(user)} || echo -)\"")
    commands += [f"account Y {number} passwd {uid}" for number, uid in enumerate(question.uids)]
    for number, group in enumerate(question.groups):
        commands.append(f"account E {number} group {quote(group)}")
        commands.append(f"local_account e {number} group {quote(group)}")
    commands += [f"account F {number} group {gid}" for number, gid in enumerate(question.gids)]
    return commands


def _units(question: Question) -> list[str]:
    if not question.units:
        return []
    names = " ".join(map(quote, question.units))
    properties = " ".join(f"-p {name}" for name in UNIT_PROPERTIES)
    show = f"systemctl show --timestamp=unix {properties} {names}"
    checks = [
        f"vendor {number} {quote(unit)} {quote(literal(unit))}" for number, unit in enumerate(question.units)
    ]
    return [f"if o=$({show}); then printf 'U x%s\\n' \"$(hexed \"$o\")\"; else echo 'U -'; fi", *checks]
