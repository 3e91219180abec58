"""casa_state inside a real ansible-playbook run, on this computer over the local connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import casa_install

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: owners are set, and receipts are root's"
)

STATE = """\
    vars_files: [["vars/{{ family }}.yml", vars/other.yml]]
    roots: ["{{ root }}"]
    handlers:
      Reload demo: {record: true}
    resources:
      - directory: "{{ root }}/d"
        mode: "0750"
      - file: "{{ root }}/d/conf"
        template: conf.j2
        notify: Reload demo
      - file: "{{ root }}/d/secret"
        content: "{{ secret }}"
        sensitive: true
      - file: "{{ root }}/d/big"
        source: big
      - line: "{{ root }}/foreign"
        text: "token = {{ secret }}"
        prefix: "token ="
        sensitive: true
      - directory: "{{ root }}/{{ item.name }}"
        each: "{{ folders }}"
        mode: "{{ item.mode | default(omit) }}"
        when: item.wanted | default(true)
      - check: joined
        command: [test, -e, "{{ root }}/joined"]
"""
TASKS = """\
    - name: Ensure the desired state of demo
      casa.install.casa_state:
        directory: "{{ casa }}"
      register: demo_state
    - name: Keep what it said
      ansible.builtin.copy:
        content: "{{ demo_state | to_json }}"
        dest: "{{ report }}"
        mode: "0600"
      check_mode: false
      changed_when: false
    - name: Join
      ansible.builtin.file:
        path: "{{ root }}/joined"
        state: touch
        mode: "0600"
      when: "'joined' in demo_state.owed"
    - name: Pass on what the change calls for
      ansible.builtin.debug:
        msg: changed
      changed_when: true
      when: demo_state.notify | length > 0
      notify: "{{ demo_state.notify }}"
"""
HANDLERS = """\
    - name: Reload demo
      ansible.builtin.file:
        path: "{{ root }}/reloaded"
        state: touch
        mode: "0600"
      notify: Settle demo
    - name: Settle demo
      casa.install.casa_state:
        directory: "{{ casa }}"
        settle: true
"""
REMOVE = """\
    - name: Remove demo
      casa.install.casa_state:
        directory: "{{ casa }}"
        remove: true
"""


class Play:
    """A role in a playbook of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "h"
        self.root.mkdir()
        self.role = folder / "roles" / "demo"
        for name, body in (
            ("state.yml", STATE),
            ("tasks/main.yml", TASKS),
            ("tasks/remove.yml", REMOVE),
            ("handlers/main.yml", HANDLERS),
            ("vars/other.yml", 'word: "{{ family }}-word"'),
            ("templates/conf.j2", "{% if true %}\nw={{ word }}\n{% endif %}\nm={{ ansible_managed }}\n"),
        ):
            path = self.role / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(body))
        (self.role / "files").mkdir()
        (self.role / "files" / "big").write_bytes(b"x" * ((1 << 20) + 1))
        (folder / "inventory").write_text(
            f"h1 ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        )
        self.variables: dict[str, Any] = {
            "root": str(self.root),
            "casa": str(folder / "casa"),
            "report": str(folder / "report"),
            "family": "none",
            "secret": "CANARY77",
            "folders": [{"name": "one", "mode": "0711"}, {"name": "two"}],
        }
        (self.root / "foreign").write_text("theirs\n")

    def play(self, tasks: str) -> str:
        variables = json.dumps(self.variables)
        return f"- hosts: all\n  gather_facts: false\n  vars: {variables}\n{textwrap.indent(tasks, '  ')}\n"

    def run(self, *options: str, tasks: str = "roles: [demo]", pipelining: bool = True) -> tuple[int, str]:
        (self.folder / "play.yml").write_text(self.play(tasks))
        collections = Path(casa_install.__file__).parent.parent / ".dev"
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                "-i",
                "inventory",
                "play.yml",
                *options,
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "HOME": str(self.folder / "home"),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "ANSIBLE_PIPELINING": str(pipelining),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_DEPRECATION_WARNINGS": "0",
            },
        )
        return done.returncode, done.stdout.decode()

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report").read_text())
        return found


@pytest.fixture
def play(tmp_path: Path) -> Play:
    (tmp_path / "home").mkdir()
    return Play(tmp_path)


def files_with(folder: Path, text: bytes) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text in path.read_bytes()
    }


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "files"])
def test_apply_again_and_remove(play: Play, pipelining: bool) -> None:
    status, said = play.run("--diff", "-vvv", pipelining=pipelining)
    assert status == 0, said
    assert (play.root / "d" / "conf").read_text() == "w=none-word\nm=Ansible managed\n"
    assert (play.root / "foreign").read_text() == "theirs\ntoken = CANARY77\n"
    assert oct((play.root / "one").stat().st_mode)[-4:] == "0711"
    assert play.report["notify"] == ["Reload demo"]
    assert play.report["owed"] == ["joined"]
    assert (play.root / "reloaded").exists()
    assert (play.root / "joined").exists()
    assert "w=none-word" in said, "the diff was not shown"
    assert "CANARY77" not in said
    assert files_with(play.folder, b"CANARY77") == {"play.yml", "h/d/secret", "h/foreign"}
    for path in (play.root / "reloaded", play.folder / "report"):
        path.unlink()
    receipt = (play.folder / "casa" / "receipts" / "demo.json").stat()

    status, said = play.run(pipelining=pipelining)
    assert status == 0, said
    assert "changed=0" in said
    assert not (play.root / "reloaded").exists()
    again = (play.folder / "casa" / "receipts" / "demo.json").stat()
    assert (again.st_ino, again.st_mtime_ns, again.st_ctime_ns) == (
        receipt.st_ino,
        receipt.st_mtime_ns,
        receipt.st_ctime_ns,
    )

    tasks = "tasks: [{include_role: {name: demo, tasks_from: remove}}]"
    status, said = play.run(tasks=tasks, pipelining=pipelining)
    assert status == 0, said
    assert sorted(path.name for path in play.root.iterdir()) == ["foreign", "joined"]
    assert (play.root / "foreign").read_text() == "theirs\n"
    assert not (play.folder / "casa").exists()


def test_check_mode_foresees_and_changes_nothing(play: Play) -> None:
    status, said = play.run("--check", "--diff")
    assert status == 0, said
    assert f"make directory {play.root}/d" in play.report["done"]
    assert sorted(path.name for path in play.root.iterdir()) == ["foreign"]
    assert not (play.folder / "casa").exists()
    assert "CANARY77" not in said


def test_what_left_the_list_stays_under_limit_and_tags(play: Play) -> None:
    assert play.run()[0] == 0
    play.variables["folders"] = [{"name": "one", "mode": "0711"}]
    for options in (["--limit", "h1"], ["--tags", "all,config"], ["--skip-tags", "nothing"]):
        assert play.run(*options)[0] == 0
        assert (play.root / "two").exists(), options
    assert play.run()[0] == 0
    assert not (play.root / "two").exists()


def test_what_left_the_list_goes_under_the_tags_that_molecule_skips(play: Play) -> None:
    assert play.run()[0] == 0
    play.variables["folders"] = [{"name": "one", "mode": "0711"}]
    assert play.run("--skip-tags", "molecule-notest,notest")[0] == 0
    assert not (play.root / "two").exists()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ("loop: [1]", "casa_state takes no loop: put `each:` on the resources in state.yml"),
        ("with_items: [1]", "casa_state takes no loop"),
        ("delegate_to: localhost", "casa_state takes no delegate_to"),
        ("async: 10\n  poll: 1", "async"),
    ],
)
def test_it_refuses_loop_delegate_to_and_async(play: Play, keywords: str, message: str) -> None:
    task = f"- casa.install.casa_state:\n    role_path: {play.role}\n  {keywords}\n"
    status, said = play.run(tasks=f"tasks:\n{textwrap.indent(task, '  ')}")
    assert status == 2, said
    assert message in said
    assert sorted(path.name for path in play.root.iterdir()) == ["foreign"]


def test_findings_reach_the_admin_without_a_traceback(play: Play) -> None:
    (play.role / "state.yml").write_text(
        "roots: [/a]\nresources:\n  - {absent: '/a/{{ nope }}'}\n  - {fil: /x}\n"
    )
    status, said = play.run()
    assert status == 2
    assert (
        "state.yml:4: the first key of a resource names its kind, and 'fil' is none; did you mean 'file'?"
        in said
    )
    (play.role / "state.yml").write_text("roots: [/a]\nresources:\n  - {absent: '/a/{{ nope }}'}\n")
    status, said = play.run()
    assert "state.yml:3: absent: absent: 'nope' is undefined" in said
    assert "Traceback" not in said


def test_one_failed_file_fails_the_task_with_its_reason_and_a_rescue_works(play: Play) -> None:
    (play.role / "state.yml").write_text(
        "roots: ['{{ root }}']\nresources:\n  - {file: '{{ root }}/a', content: x, validate: 'false %s'}\n"
        "  - {file: '{{ root }}/b', content: x}\n"
    )
    tasks = (
        "tasks:\n  - block: [{include_role: {name: demo}}]\n    rescue:\n"
        "      - debug: {msg: 'rescued {{ ansible_failed_result.failures | length }}'}\n"
    )
    status, said = play.run(tasks=tasks)
    assert status == 0, said
    assert "rescued 1" in said
    assert "a was left as it was: the new file is refused by `false %s`" in said
    assert (play.root / "b").exists()
    assert not (play.root / "a").exists()


def test_values_of_a_host_are_never_templates(play: Play) -> None:
    (play.role / "state.yml").write_text(
        "roots: ['{{ root }}']\nresources:\n  - {file: '{{ root }}/a', content: '{{ evil.stdout }}'}\n"
    )
    tasks = """\
tasks:
  - command: printf '{{ "{{" }} secret }}'
    register: evil
  - include_role: {name: demo}
"""
    status, said = play.run(tasks=tasks)
    assert status == 0, said
    assert (play.root / "a").read_text() == "{{ secret }}"
