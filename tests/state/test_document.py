"""What a state file may say, and how every fault is told at once with its place."""

from __future__ import annotations

import contextlib
import textwrap
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casa_install.state.document import load_state_file
from casa_install.state.findings import StateFileError

if TYPE_CHECKING:
    from pathlib import Path


def findings(path: Path, body: str) -> list[str]:
    file = path / "state.yml"
    file.write_text(textwrap.dedent(body))
    with pytest.raises(StateFileError) as caught:
        load_state_file(file)
    return [str(item).removeprefix(f"{file}:") for item in caught.value.findings]


def test_all_findings_come_at_once_each_with_its_line(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        """\
        rots: [/etc/demo]
        resources:
          - file: /etc/demo/a
            contents: x
          - file: relative
            content: x
          - packge: condor
          - directory: /etc/demo
            mode: 0644
        """,
    )
    assert found == [
        "1: unknown key 'rots'; did you mean 'roots'?",
        "3: file: needs exactly one of content, template, source; none is there",
        "4: file: unknown key 'contents'; did you mean 'content'?",
        "5: file: file must be an absolute path",
        "7: the first key of a resource names its kind, and 'packge' is none; did you mean 'package'? Kinds: "
        "package, repository, group, user, directory, file, link, absent, line, block, unit, sysctl, check.",
        '9: directory: mode must be a quoted octal number, like "0644", not 420',
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{file: /a/../b, content: x}", "must be a path in its shortest form"),
        ("{file: /a//b, content: x}", "must be a path in its shortest form"),
        ("{file: /a, content: x, template: y}", "needs exactly one of content, template, source"),
        ("{file: /a, content: x, notify: Restart}", "'Restart' is not under `handlers`"),
        ("{file: /a, content: x, sensitive: maybe}", "sensitive must be true or false"),
        ("{line: /a, text: 'x', sensitive: true}", "a sensitive line needs a prefix"),
        ("{line: /a}", "text is missing"),
        ("{unit: condor}", "must be the full name of a unit"),
        ("{sysctl: '../x', value: 1}", "must name a kernel setting"),
        ("{user: '-rf'}", "must be the name of a user or group"),
        ("{package: 'a b'}", "must be the name of a package"),
        ("{check: c, command: []}", "must be a command, it is empty"),
        ('{check: c, command: "\'"}', "cannot be split into words"),
        ("{link: /a, target: !vault x}", "cannot be used here"),
        ("just text", "a resource must be a mapping"),
        ("{file: /a, content: x, content: y}", "'content' is there twice"),
        ("{link: /a, target: x, phase: after}", "phase must be one of before"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_reason(tmp_path: Path, entry: str, message: str) -> None:
    (found, *_) = findings(tmp_path, f"resources:\n  - {entry}\n")
    assert found.startswith("2: ")
    assert message in found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "1: the file is empty"),
        ("- a", "1: the file must be a mapping"),
        ("a: [", "not YAML"),
        ("resources: {}", "resources must be a list"),
        ("handlers: {H: {}}", "needs exactly one of restart, stamp, record"),
        ("handlers: {H: {restart: x}}", "must be the full name of a unit"),
        ("handlers: {H: {record: true, dran: true}}", "unknown key 'dran'; did you mean 'drain'?"),
        ("roots: [1]", "roots: 1 is not a path"),
    ],
)
def test_a_wrong_header_is_refused_with_its_reason(tmp_path: Path, body: str, message: str) -> None:
    assert any(message in found for found in findings(tmp_path, body))


def test_a_secret_value_is_never_part_of_a_finding(tmp_path: Path) -> None:
    found = findings(tmp_path, "resources:\n  - {file: /a, content: [CANARY]}\n")
    assert found == ["2: file: content is not usable"]


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_findings_and_never_another_exception(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "state.yml"
    file.write_bytes(content)
    with contextlib.suppress(StateFileError):
        load_state_file(file)
