"""Every imperative task of a role is guarded by a check."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from casa_install.state.document import load_state_file
from casa_install.state.guards import unguarded_tasks

if TYPE_CHECKING:
    from tests.state.conftest import Role


def lint(role: Role, **files: str) -> list[str]:
    (role.directory / "tasks").mkdir(exist_ok=True)
    for name, body in files.items():
        (role.directory / "tasks" / f"{name}.yml").write_text(textwrap.dedent(body))
    role.write("resources: [{check: joined, command: [test, -e, /x]}]")
    state = load_state_file(role.directory / "state.yml")
    return [str(item).removeprefix(f"{role.directory}/tasks/") for item in unguarded_tasks(state)]


def test_an_imperative_task_without_a_check_is_found(role: Role) -> None:
    found = lint(
        role, main="- name: Join\n  ansible.builtin.command: join\n- file: {path: /x, state: touch}\n"
    )
    assert [item.split(",")[0] for item in found] == [
        "main.yml:1: ansible.builtin.command may change the host",
        "main.yml:3: file may change the host",
    ]


def test_a_guard_holds_for_blocks_and_included_files(role: Role) -> None:
    found = lint(
        role,
        main="""\
        - casa.install.casa_state: {}
          register: demo
        - command: join
          when: "'joined' in demo.owed"
        - block:
            - command: join
          rescue:
            - command: undo
          when: ["'joined' in demo.owed", other]
        - include_tasks: join.yml
          when: "'joined' in demo.owed"
        - include_tasks: {file: open.yml}
        - command: look
          changed_when: false
        """,
        join="- command: join\n",
        open="- command: join\n",
    )
    assert [item.split(" ")[0] for item in found] == ["open.yml:1:"]


def test_a_guard_that_names_no_check_is_found_with_the_name_that_was_meant(role: Role) -> None:
    found = lint(role, main="- command: join\n  when: \"'joind' in demo.owed\"\n")
    assert found[0] == "main.yml:1: 'joind' is no check of state.yml; did you mean 'joined'?"
    assert len(found) == 2
