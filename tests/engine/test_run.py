"""What a run reports, on real ansible-playbook."""

import json
import os
import re
import socket
import stat

from casa_install.engine.events import Kind
from casa_install.engine.lock import wait_until_free
from casa_install.errors import ExitCode

CHANGES = """
- name: Changes
  hosts: all
  tasks:
    - name: Change with items
      ansible.builtin.command: "true"
      loop: [1, 2]
      changed_when: item == 2
    - name: Change nothing
      ansible.builtin.command: "true"
      changed_when: false
    - name: Fail and be ignored
      ansible.builtin.command: "false"
      ignore_errors: true
      changed_when: false
    - name: Change one
      ansible.builtin.copy: {content: x, dest: "{{ where }}", mode: "0600"}
      when: inventory_hostname == 'one'
"""
PING = "[{name: All, hosts: all, tasks: [{name: Ping, ping: }]}]"


def add_unreachable(site, name="gone"):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    host = f"    {name}: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: {port}}}\n"
    site.inventory.write_text(site.inventory.read_text().replace("  vars:", f"{host}  vars:"))


def test_counts_changes_of_items_and_only_those(site, tmp_path):
    result, _ = site.play(CHANGES, "-e", f"where={tmp_path}/made")
    assert (result.status, result.exit_code) == ("ok", ExitCode.OK)
    assert result.hosts["one"].changed_tasks == ["Change with items", "Change one"]
    assert result.hosts["two"].changed_tasks == ["Change with items"]
    assert (result.hosts["one"].changed, result.hosts["two"].changed) == (2, 1)
    assert result.hosts["two"].skipped == 1


def test_check_mode_counts_what_would_change_and_changes_nothing(site, tmp_path):
    result, _ = site.play(CHANGES, "--check", "-e", f"where={tmp_path}/made")
    assert "Change one" in result.hosts["one"].changed_tasks
    assert not (tmp_path / "made").exists()


def test_unreachable_host_is_named_and_the_others_are_done(site):
    add_unreachable(site)
    result, _ = site.play("[{name: All, hosts: all, tasks: [{name: Ping, ping: }, {name: Again, ping: }]}]")
    assert (result.status, result.exit_code) == ("unreachable", ExitCode.UNREACHABLE)
    assert result.with_status("unreachable") == ["gone"]
    assert "Connection refused" in result.hosts["gone"].failures[-1].fault.message
    assert result.hosts["one"].ok == 2


def test_failed_host_weighs_more_than_an_unreachable_one(site):
    add_unreachable(site)
    gate = "{name: Gate, fail: {msg: no}, when: inventory_hostname == 'one'}"
    result, _ = site.play(PING.replace("[{name: Ping, ping: }]", f"[{{name: Ping, ping: }}, {gate}]"))
    assert result.exit_code == ExitCode.FAILED
    states = {name: host.status for name, host in result.hosts.items()}
    assert states == {"one": "failed", "two": "ok", "gone": "unreachable"}


def test_rescued_failure_is_none_but_one_in_the_rescue_is_with_the_journal_that_was_read(site):
    reader = site.path / "journalctl"
    reader.write_text("#!/bin/sh\necho disk is full\n")
    reader.chmod(0o755)
    result, _ = site.play("""
        - name: Rescue
          hosts: all
          tasks:
            - block:
                - name: Start it
                  ansible.builtin.fail: {msg: it does not start}
              rescue:
                - name: Read the journal
                  ansible.builtin.command: {argv: ["{{ playbook_dir }}/journalctl", -u, thing.service]}
                  changed_when: false
                - name: Give up
                  ansible.builtin.fail: {msg: gave up}
                  when: inventory_hostname == 'two'
    """)
    assert (result.hosts["one"].status, result.hosts["one"].rescued) == ("ok", 1)
    failure = result.hosts["two"].failures[-1]
    assert result.hosts["two"].status == "failed"
    assert (failure.task, failure.fault.message) == ("Give up", "gave up")
    assert (failure.journal.unit, failure.journal.lines) == ("thing.service", ("disk is full",))


def test_broken_playbook_is_an_error_that_did_nothing(site):
    result, _ = site.play("- hosts: all\n  tasks:\n    - no_such_module_at_all: {}\n")
    assert (result.status, result.exit_code) == ("error", ExitCode.USAGE)
    assert "no_such_module_at_all" in result.error


def test_unknown_option_for_ansible_is_an_error_that_did_nothing(site):
    result, _ = site.play(PING, "--no-such-option")
    assert (result.status, result.exit_code) == ("error", ExitCode.USAGE)
    assert "--no-such-option" in result.error


def test_garbage_from_a_host_cannot_break_the_run_or_the_terminal(site):
    result, directory = site.play(r"""
        - name: Garbage
          hosts: one
          tasks:
            - name: Print
              ansible.builtin.command:
                argv: [printf, '\033[2J\033]0;owned\007\033[KAAAA\033[4D\033[K\r{"event"']
              changed_when: false
            - name: Fail
              ansible.builtin.fail: {msg: "\e[31mred\e[0m\abell"}
    """)
    assert result.hosts["one"].failures[-1].fault.message == "redbell"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", directory.log.read_text())


def test_no_log_result_is_in_no_file(site):
    canary = "can4ry-of-no-log"
    result, directory = site.play(
        f"""
        - name: Secret
          hosts: one
          tasks:
            - name: Keep quiet
              ansible.builtin.command: {{argv: [sh, -c, "echo {canary}; exit 3"]}}
              no_log: true
        """
    )
    assert result.hosts["one"].failures[-1].fault.censored
    assert hits(directory.path, canary) == []


def test_secrets_of_prompts_and_environment_are_in_no_file_and_no_argument(site, monkeypatch, tmp_path):
    canary = "can4ry-of-passwords"
    monkeypatch.setenv("SITE_TOKEN", f"{canary}-environment")
    seen = tmp_path / "seen"
    result, directory = site.play(
        f"""
        - name: Look
          hosts: one
          tasks:
            - name: Look at the arguments of all processes and at the run directory
              ansible.builtin.shell: |
                cat /proc/[0-9]*/cmdline | tr '\\0' ' '
                grep -r 'can[4]ry' {site.path.parent}/state && echo FOUND
                true
              register: look
              changed_when: false
            - name: Keep what was seen and what was typed
              ansible.builtin.copy:
                content: "{{{{ look.stdout }}}} {{{{ lookup('env', 'SITE_TOKEN') }}}}"
                dest: {seen}
                mode: "0600"
              no_log: true
        """,
        "--ask-become-pass",
        "--vault-id=default@prompt",
        passwords={
            "BECOME password.*:": f"{canary}-become",
            r"Vault password \(default\):": f"{canary}-vault",
        },
    )
    assert result.status == "ok", result
    text = seen.read_text()
    assert "ansible-playbook" in text
    assert text.count("can4ry") == 1, "only the environment variable reaches the lookup"
    assert f"{canary}-environment" in text
    assert hits(directory.path, canary) == []
    assert hits(site.path.parent / "home", canary) == []


def test_vault_password_typed_at_the_prompt_opens_the_site(site):
    secret = site.path / "pass"
    secret.write_text("open sesame\n")
    vaulted = site.path / "vaulted.yml"
    vaulted.write_text("treasure: gold\n")
    command = f"ansible-vault encrypt --vault-password-file {secret} {vaulted} >/dev/null 2>&1"
    assert os.system(f"PATH={os.path.dirname(os.sys.executable)}:$PATH {command}") == 0  # noqa: S605, PTH120
    book = "[{name: All, hosts: one, tasks: [{name: Show, fail: {msg: '{{ treasure }}'}}]}]"
    arguments = ("-e", f"@{vaulted}", "--vault-id=default@prompt")
    result, _ = site.play(book, *arguments, passwords={r"Vault password \(default\):": "open sesame"})
    assert result.hosts["one"].failures[-1].fault.message == "gold"
    result, _ = site.play(book, *arguments, passwords={r"Vault password \(default\):": "wrong"})
    assert (result.status, result.done_nothing) == ("error", True)
    assert "Decryption failed" in result.error


def test_run_directory_is_private_and_holds_only_log_events_and_journal(site):
    _, directory = site.play(PING)
    assert sorted(path.name for path in directory.path.iterdir()) == ["events.jsonl", "journal.json", "log"]
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.path.iterdir()} == {0o600}
    assert "TASK [Ping]" in directory.log.read_text()
    rows = [json.loads(line) for line in directory.events.read_text().splitlines()]
    assert rows[0]["event"] == "play"
    assert rows[-1]["stats"]["ok"] == {"one": 1, "two": 1}
    assert [event.host for event in site.watcher.events if event.kind is Kind.OK] != []


def test_lock_is_free_the_moment_a_run_has_ended_even_where_ssh_leaves_a_connection_open(site, monkeypatch):
    descriptors = site.path / "descriptors"
    master = site.path / "ssh"
    # Stands for ssh and its persistent connection: a process in a session of its own that stays.
    master.write_text(
        "#!/bin/sh\n"
        f"ls -l /proc/$$/fd >>{descriptors}\n"
        "setsid sleep 60 </dev/null >/dev/null 2>&1 &\n"
        f"echo $! >>{site.path}/pids\n"
        "echo 'Connection refused' >&2\nexit 255\n"
    )
    master.chmod(0o755)
    add_unreachable(site)
    monkeypatch.setenv("ANSIBLE_SSH_EXECUTABLE", str(master))
    try:
        result, _ = site.play(PING)
        assert result.with_status("unreachable") == ["gone"]
        (lock,) = (site.path.parent / "state/casa-install/locks").glob("*.processes")
        assert wait_until_free(lock, 0)
        assert ".processes" not in descriptors.read_text()
    finally:
        for pid in (site.path / "pids").read_text().split():
            os.kill(int(pid), 9)


def hits(directory, text):
    return [
        str(path) for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()
    ]
