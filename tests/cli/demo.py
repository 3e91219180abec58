"""A site with a role of its own that uses casa_state: hosts on this computer, each with its own directory."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: owners are set, and receipts are root's"
)

SECRET = "CANARY-treasure"
INVENTORY = """\
all:
  vars:
    site_name: Test site
    site_domain: example.org
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    demo_root: "{{ inventory_dir }}/hosts/{{ inventory_hostname }}"
    casa_directory: "{{ demo_root }}/casa"
    demo_secret: SECRET
  children:
    condor_manager: {hosts: {cm: {}}}
    condor_execute: {hosts: {ep1: {}, ep2: {}}}
"""
STATE = """\
roots: ["{{ demo_root }}"]
handlers:
  Reload demo: {record: true}
  Restart demo: {record: true, drain: true}
resources:
  - directory: "{{ demo_root }}/etc"
    mode: "0755"
  - file: "{{ demo_root }}/etc/{{ item }}.conf"
    each: [a, b, c]
    content: "value = {{ demo_value | default('one') }}\\n"
    notify: Reload demo
  - file: "{{ demo_root }}/etc/pool"
    content: "{{ demo_pool | default('p') }}"
    notify: Restart demo
  - file: "{{ demo_root }}/etc/secret"
    content: "{{ demo_secret }}"
    sensitive: true
  - line: "{{ demo_root }}/foreign"
    text: "ours = 1"
  - check: joined
    command: [test, -e, "{{ demo_root }}/joined"]
"""
TASKS = """\
- name: Ensure the desired state of demo
  casa.install.casa_state:
    directory: "{{ casa_directory }}"
  register: demo_state
- name: Join
  ansible.builtin.command:
    argv: [touch, "{{ demo_root }}/joined"]
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
  ansible.builtin.copy:
    content: reloaded
    dest: "{{ demo_root }}/reloaded"
    mode: "0600"
  notify: Settle demo
- name: Settle demo
  casa.install.casa_state:
    directory: "{{ casa_directory }}"
    settle: true
"""
REMOVE = """\
- name: Leave
  ansible.builtin.file:
    path: "{{ demo_root }}/{{ item }}"
    state: absent
  loop: [joined, reloaded]
- name: Ensure demo is gone
  casa.install.casa_state:
    directory: "{{ casa_directory }}"
    remove: true
"""
SITE = "[{name: Demo, hosts: all, gather_facts: false, roles: [demo]}]"
UNINSTALL = """\
- name: Remove demo
  hosts: all
  gather_facts: false
  tasks:
    - name: Require the site's name
      ansible.builtin.assert:
        that: casa_uninstall == site_name
        quiet: true
    - name: Ensure demo is gone
      ansible.builtin.include_role: {name: demo, tasks_from: remove.yml}
"""


class Demo:
    """The site, and what its hosts hold."""

    def __init__(self, casa) -> None:
        self.casa = casa
        casa.write("hosts.yml", INVENTORY.replace("SECRET", SECRET))
        for name, text in (
            ("state.yml", STATE),
            ("tasks/main.yml", TASKS),
            ("tasks/remove.yml", REMOVE),
            ("handlers/main.yml", HANDLERS),
        ):
            casa.write(f"roles/demo/{name}", textwrap.dedent(text))
        casa.write("demo.yml", SITE)
        casa.write("off.yml", UNINSTALL)
        for name in ("cm", "ep1", "ep2"):
            casa.write(f"hosts/{name}/foreign", "theirs\n")
        bin_directory = Path(sys.executable).parent
        casa.environment["PATH"] = f"{bin_directory}:{casa.environment['PATH']}"

    def host(self, name: str) -> Path:
        return self.casa.site / "hosts" / name

    def cut_off(self, name: str) -> None:
        """Make a host one that nobody can reach: a local port on which nothing listens."""
        text = (self.casa.site / "hosts.yml").read_text()
        away = f"{name}: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9}}"
        self.casa.write("hosts.yml", text.replace(f"{name}: {{}}", away))

    def tree(self) -> dict[str, object]:
        """Everything on the hosts: each path with its mode, time, and content."""
        return {
            str(path): (
                path.lstat().st_mode,
                path.lstat().st_mtime_ns,
                path.read_bytes() if path.is_file() else "",
            )
            for path in sorted((self.casa.site / "hosts").rglob("*"))
        }

    def apply(self, *words: str) -> None:
        done = self.casa.run("demo.yml", "-i", "hosts.yml", "--yes", *words)
        assert done.returncode == 0, done.stderr

    def json(self, *words: str) -> tuple[int, dict]:
        done = self.casa.run(*words, "-i", "hosts.yml", "--json")
        assert done.stdout.count("\n") == 1, done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)
