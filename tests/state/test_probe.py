"""The probe under real shells, and the reader of its answer that accepts nothing else."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casa_install.state import answer
from casa_install.state.answer import ProbeError, read_answer
from casa_install.state.findings import Place
from casa_install.state.probe import MAX_ENTRIES, ask
from casa_install.state.render import Desired
from casa_install.state.resources import Block, Check, Directory, File, Line, Link

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.state.observed import Observed
    from casa_install.state.resources import Resource
    from tests.state.conftest import LocalHost, Site

HERE = Place("state.yml", 1)
# A name on Linux is any bytes but slash and NUL; . and .. are no names of their own.
NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
SLOW_IS_FINE = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def look(host: LocalHost, resources: Iterable[Resource]) -> Observed:
    question = ask(Desired("demo", tuple(resources), {}, ()), base=host.base)
    return read_answer(question, host.probe(question.script))


@given(name=NAMES, content=st.binary(max_size=100), target=NAMES)
@SLOW_IS_FINE
def test_any_bytes_in_names_contents_and_targets(
    site: Site, name: bytes, content: bytes, target: bytes
) -> None:
    folder = os.fsencode(site.root) + b"/any"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + b"/" + name + b".d")
    with open(folder + b"/" + name, "wb") as stream:
        stream.write(content)
    os.symlink(target, folder + b"/" + name + b".l")
    path = os.fsdecode(folder + b"/" + name)
    # Through a script as the connection sends it: text that may hold surrogates.
    file = File(place=HERE, path=path, content=content)
    parent = Directory(place=HERE, path=os.fsdecode(folder), shared=True)
    inner = Directory(place=HERE, path=f"{path}.d", shared=True)
    link = Link(place=HERE, path=f"{path}.l", target=os.fsdecode(target))
    try:
        path.encode("utf-8")
        os.fsdecode(target).encode("utf-8")
    except UnicodeEncodeError:
        observed = look(site.host, [parent])
    else:
        observed = look(site.host, [file, parent, inner, link])
        assert observed.paths[path].type == "file"
        assert observed.paths[path].size == len(content)
        assert observed.links[f"{path}.l"] == target
        assert observed.folders[os.fsdecode(folder)] == folder
    listing = observed.listings[os.fsdecode(folder)]
    assert listing is not None
    assert set(listing) == {name, name + b".d", name + b".l"}


TEXT_LINES = st.text(
    st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)


@given(lines=st.lists(TEXT_LINES, max_size=5), wanted=TEXT_LINES)
@SLOW_IS_FINE
def test_only_our_lines_come_back_whatever_is_in_them(site: Site, lines: list[str], wanted: str) -> None:
    path = site.root / "foreign"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    exact = Line(place=HERE, path=str(path), text=wanted)
    prefixed = Line(place=HERE, path=str(path), text=f"{wanted} more", prefix=wanted)
    observed = look(site.host, [exact])
    assert observed.lines[exact.key] == tuple(line.encode() for line in lines if line == wanted)
    observed = look(site.host, [prefixed])
    assert observed.lines[prefixed.key] == tuple(line.encode() for line in lines if line.startswith(wanted))


def test_numbers_that_are_equal_are_not_equal_lines(site: Site) -> None:
    (site.root / "foreign").write_text("1.0\n0x1\n")
    line = Line(place=HERE, path=f"{site.root}/foreign", text="1")
    assert look(site.host, [line]).lines[line.key] == ()


def test_of_a_foreign_file_nothing_but_our_lines_leaves_the_host(site: Site) -> None:
    (site.root / "foreign").write_text("CANARY\nours\n# BEGIN casa-install m\nin\n# END casa-install m\n")
    line = Line(place=HERE, path=f"{site.root}/foreign", text="ours")
    block = Block(place=HERE, path=f"{site.root}/foreign", marker="m", content="in")
    question = ask(Desired("demo", (line, block), {}, ()), base=site.host.base)
    answered = site.host.probe(question.script)
    assert b"CANARY".hex().encode() not in answered
    assert read_answer(question, answered).blocks[block.key].content == b"in\n"


EVERYTHING = """\
    roots: ["{{ root }}", /etc/passwd]
    handlers:
      Restart: {restart: a.service}
      Reload: {stamp: [echo, "12"]}
    resources:
      - package: bash
      - group: root
        gid: 0
      - user: root
        uid: 0
        groups: [root]
      - directory: "{{ root }}/d"
        exclusive: true
      - file: "{{ root }}/d/f"
        content: x
      - file: "{{ root }}/d/f g"
        content: x
      - link: "{{ root }}/d/l"
        target: f
      - absent: "{{ root }}/d/gone"
      - line: /etc/passwd
        text: CANARY
      - block: /etc/passwd
        marker: m
        content: x
      - unit: a.service
        state: started
      - sysctl: kernel.ostype
        value: Linux
      - check: done
        command: [sh, -c, "echo no; exit 1"]
"""


@pytest.fixture
def everything(site: Site) -> Site:
    site.role.write(EVERYTHING)
    site.shell("mkdir d; echo x > d/f; echo x > 'd/f g'; ln -s f d/l; touch d/gone")
    fakes = site.host.fakes
    (fakes / "packages").write_text("K bash install installed 5.2\n")
    (fakes / "group").write_text("root:x:0:\n")
    (fakes / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (fakes / "ids" / "root").write_text("0\n")
    (fakes / "units" / "a.service").write_text(
        "Id=a.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nFragmentPath=/x\n"
        "DropInPaths=\nNeedDaemonReload=no\nActiveEnterTimestamp=@100\n"
    )
    return site


SHELLS = [("/bin/sh", "-s"), ("bash", "--posix", "-s"), ("busybox", "sh", "-s")]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_every_kind_is_observed_under_every_shell_here(everything: Site, shell: tuple[str, ...]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    everything.host.shell = shell
    desired = everything.role.desired()
    question = ask(desired, base=everything.host.base)
    observed = read_answer(question, everything.host.probe(question.script))
    root = everything.root
    assert observed.uid == 0
    assert set(observed.paths) == {str(root / "d" / name) for name in ("f", "f g", "l", "gone")} | {
        str(root / "d"),
        "/etc/passwd",
    }
    assert set(observed.digests) == {f"{root}/d/f", f"{root}/d/f g"}
    assert observed.links == {f"{root}/d/l": b"f"}
    assert observed.listings == {f"{root}/d": (b"f", b"f g", b"gone", b"l")}
    assert observed.packages["bash"].version == "5.2"
    assert observed.users["root"].group_ids == (0,)
    assert observed.groups["root"].local
    assert observed.user_of_uid == {0: "root"}
    assert observed.group_of_gid == {0: "root"}
    assert observed.units is not None
    assert observed.units["a.service"]["ActiveEnterTimestamp"] == "@100"
    assert observed.sysctls == {"kernel.ostype": "Linux"}
    assert (observed.checks["done"].status, observed.checks["done"].output) == (1, "no")
    assert observed.stamps["Reload"].output == "12"


def test_the_probe_is_read_only(everything: Site) -> None:
    before = everything.listing()
    question = ask(everything.role.desired(), base=everything.host.base)
    everything.host.probe(question.script)
    assert everything.listing() == before


def test_a_terminal_in_between_changes_nothing(everything: Site) -> None:
    question = ask(everything.role.desired(), base=everything.host.base)
    answered = everything.host.probe(question.script)
    assert read_answer(question, answered.replace(b"\n", b"\r\n")) == read_answer(question, answered)


def test_dpkg_that_was_killed_in_the_middle_is_noticed(everything: Site) -> None:
    question = ask(everything.role.desired(), base=everything.host.base)
    answered = everything.host.probe(question.script)
    assert read_answer(question, answered).packages_interrupted is False
    cut = answered.replace(b"k dpkg 0 whole", b"k dpkg 0 interrupted")
    assert read_answer(question, cut).packages_interrupted is True


# Fail closed: whatever is not the answer is an error, never "nothing differs".


@pytest.fixture
def asked(everything: Site) -> tuple[object, bytes]:
    question = ask(everything.role.desired(), base=everything.host.base)
    return question, everything.host.probe(question.script)


def test_every_answer_that_lacks_a_line_is_refused(asked: tuple) -> None:
    question, good = asked
    lines = good.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(b"K "):
            continue  # a package that is not there has no line either; the line of the manager has the rest
        with pytest.raises(ProbeError):
            read_answer(question, b"".join(lines[:number] + lines[number + 1 :]))


def test_every_answer_with_a_line_twice_is_refused(asked: tuple) -> None:
    question, good = asked
    lines = good.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(b"K "):
            continue  # one package may be there for two architectures
        with pytest.raises(ProbeError):
            read_answer(question, b"".join(lines[: number + 1] + lines[number:]))


def test_an_answer_that_is_cut_anywhere_is_refused(asked: tuple) -> None:
    question, good = asked
    for end in range(len(good) - 1):
        with pytest.raises(ProbeError):
            read_answer(question, good[:end])


def test_an_oversized_answer_is_refused(asked: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    question, good = asked
    monkeypatch.setattr(answer, "MAX_ANSWER", len(good) - 1)
    with pytest.raises(ProbeError, match="oversized"):
        read_answer(question, good)


def test_an_answer_to_another_question_is_refused(everything: Site, asked: tuple) -> None:
    _, good = asked
    other = ask(everything.role.desired(), base=everything.host.base)
    with pytest.raises(ProbeError):
        read_answer(other, good)


def test_what_a_login_shell_prints_is_named_and_refused(asked: tuple) -> None:
    question, good = asked
    with pytest.raises(ProbeError, match="printed something else before its answer: 'Welcome!'") as caught:
        read_answer(question, b"Welcome!\n" + good)
    assert "start-up files" in caught.value.hint


@given(garbage=st.binary(max_size=300))
@SLOW_IS_FINE
def test_garbage_from_a_host_is_refused_with_one_kind_of_error(asked: tuple, garbage: bytes) -> None:
    question, _ = asked
    with pytest.raises(ProbeError):
        read_answer(question, garbage)


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_answer_is_refused_or_read_as_something_else(asked: tuple, seed: int) -> None:
    """No flipped byte may raise anything but ProbeError."""
    question, good = asked
    rng = random.Random(seed)
    damaged = bytearray(good)
    for _ in range(rng.randint(1, 3)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    try:
        observed = read_answer(question, bytes(damaged))
    except ProbeError:
        return
    assert observed.uid >= 0


def test_a_directory_with_too_many_entries_is_not_listed_in_part(site: Site) -> None:
    folder = site.root / "many"
    folder.mkdir()
    for number in range(MAX_ENTRIES + 1):
        (folder / str(number)).touch()
    assert look(site.host, [Directory(place=HERE, path=str(folder), shared=True)]).listings == {
        str(folder): None
    }


def test_secrets_in_the_script_never_become_arguments_of_a_process(site: Site) -> None:
    line = Line(place=HERE, path="/etc/hosts", text="CANARY", prefix="token=", sensitive=True)
    script = ask(Desired("demo", (line,), {}, ()), base=site.host.base).script
    (using,) = [text for text in script.splitlines() if "CANARY" in text]
    # An assignment is the shell's own, and `line` is a function: no program gets the text as an argument.
    assert using == "SEAL=yes; T='CANARY' P='token='; export T P; line 0 '/etc/hosts'"
    assert "unset T P" in script.split("CANARY")[1]


def test_an_answer_that_is_logged_tells_nothing_of_what_is_sensitive(site: Site) -> None:
    (site.root / "f").write_text("CANARY\n")
    block = "# BEGIN casa-install m\nCANARY\n# END casa-install m\n"
    (site.root / "g").write_text(f"token=CANARY\n{block}")
    f, g = f"{site.root}/f", f"{site.root}/g"
    common: dict[str, Any] = {"place": HERE, "sensitive": True}
    resources = (
        File(path=f, content=b"CANARY\n", **common),
        Line(path=g, text="token=CANARY", prefix="token=", **common),
        Block(path=g, marker="m", content="CANARY\n", **common),
        Check(check="c", command=("cat", f), **common),
    )
    question = ask(Desired("demo", resources, {}, ()), base=site.host.base)
    raw = site.host.probe(question.script)
    told = raw.decode("ascii")
    for content in (b"CANARY", b"CANARY\n", b"token=CANARY", b"token=CANARY\n"):
        assert content.hex() not in told
        for name in ("md5", "sha1", "sha256"):
            assert hashlib.new(name, content).hexdigest() not in told
    assert question.key not in told
    again = ask(Desired("demo", resources, {}, ()), base=site.host.base)
    first, second = read_answer(question, raw), read_answer(again, site.host.probe(again.script))
    assert first.sealed[f] != second.sealed[f], "equal secrets look equal in two logs"
