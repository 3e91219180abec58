"""`casa-install PLAYBOOK`: result, exit status and output."""

import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest

OK = "[{name: Greet, hosts: all, tasks: [{name: Ensure nothing, assert: {that: true, quiet: true}}]}]"
GATE = """\
- name: Check hosts
  hosts: all
  tasks:
    - name: Require a fully qualified name
      ansible.builtin.fail:
        msg: |-
          The hostname is `{{ inventory_hostname }}`.
          Needed: a fully qualified name. Set it:
            hostnamectl hostname {{ inventory_hostname }}.example.org
      when: inventory_hostname == 'ep'
"""


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_playbook_means_apply_and_a_good_run_is_quiet_on_stdout(casa):
    casa.write("ok.yml", OK)
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Done: 2 hosts, no change" in done.stderr
    assert "condor_manager" in done.stderr
    assert "Greet: 2 hosts, 0 changed" in done.stderr


def test_options_may_come_first(casa):
    casa.write("ok.yml", OK)
    assert casa.run("-i", "hosts.yml", "--yes", "ok.yml").returncode == 0


def test_failed_gate_is_a_card_with_its_message_as_written_and_exit_1(casa):
    casa.write("gate.yml", GATE)
    done = casa.run("gate.yml", "-i", "hosts.yml", "--yes", "-e", "token=s3cret")
    assert done.returncode == 1
    assert "── ep: failed" in done.stderr
    assert "Tried: Require a fully qualified name\n            /" in done.stderr
    assert (
        "          Needed: a fully qualified name. Set it:\n            hostnamectl hostname ep.example.org\n"
        in done.stderr
    )
    assert "Go on: casa-install gate.yml -i hosts.yml --yes -e 'token=***' -l ep\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_unreachable_host_gives_exit_4_a_card_and_the_likely_cause(casa):
    inventory = (casa.site / "hosts.yml").read_text()
    host = f"{{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: {closed_port()}}}"
    casa.write("hosts.yml", inventory.replace("ep: {}", f"ep: {host}"))
    casa.write("ok.yml", OK.replace("assert: {that: true, quiet: true}", "ping: "))
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes")
    assert done.returncode == 4, done.stderr
    assert "── ep: unreachable" in done.stderr
    assert "Likely: The machine answers, but no SSH server listens there" in done.stderr
    assert "-l ep\n" in done.stderr
    assert "cm    ok" in done.stderr


@pytest.mark.parametrize(("playbook", "status"), [(OK, "ok"), (GATE, "failed")])
def test_json_is_the_only_thing_on_stdout(casa, playbook, status):
    casa.write("play.yml", playbook)
    done = casa.run("play.yml", "-i", "hosts.yml", "--yes", "--json")
    row = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (row["verb"], row["status"], row["exit_code"]) == ("apply", status, done.returncode)
    assert row["hosts"]["cm"]["status"] == "ok"
    assert row["run"] == casa.runs()[0].name


def test_json_of_a_refusal_has_error_and_hint(casa):
    casa.write("ok.yml", OK)
    done = casa.run("ok.yml", "-i", "hosts.yml", "--json")
    row = json.loads(done.stdout)
    assert (row["exit_code"], done.returncode) == (2, 2)
    assert "--yes" in row["hint"]


def test_mistakes_in_the_inventory_are_all_named_and_nothing_is_run(casa):
    casa.write("ok.yml", OK.replace("assert: {that: true, quiet: true}", "command: touch made"))
    casa.write("group_vars/all.yml", "htcondor_uid_domian: x\nsite_domain: CHANGEME\n")
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes", "--json")
    assert done.returncode == 2
    assert len(json.loads(done.stdout)["findings"]) == 2
    assert "group_vars/all.yml:1:1" in done.stderr
    assert "2 mistakes" in done.stderr
    assert casa.runs() == []
    assert not (casa.site / "made").exists()


def test_without_a_terminal_a_question_is_a_refusal_that_names_yes(casa):
    casa.write("ok.yml", OK)
    done = casa.run("ok.yml", "-i", "hosts.yml")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert casa.runs() == []


def test_check_needs_no_confirmation(casa):
    casa.write("ok.yml", OK)
    done = casa.run("ok.yml", "-i", "hosts.yml", "--check")
    assert done.returncode == 0, done.stderr
    assert "Would change" in done.stderr


@pytest.mark.parametrize(("answer", "status", "runs"), [("y\n", 0, 1), ("\n", 1, 0)])
def test_terminal_is_asked_and_only_yes_goes_on(casa, answer, status, runs):
    casa.write("ok.yml", OK)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        casa.command("ok.yml", "-i", "hosts.yml"),
        cwd=casa.site,
        env=casa.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    _, messages = process.communicate(timeout=60)
    os.close(ours)
    assert "Go on? [y/N]" in messages
    assert (process.returncode, len(casa.runs())) == (status, runs), messages


def test_asked_password_without_a_terminal_is_refused(casa):
    casa.write("ok.yml", OK)
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes", "-K")
    assert done.returncode == 2
    assert "no terminal" in done.stderr
    assert casa.runs() == []


def test_words_after_two_dashes_go_to_ansible(casa):
    casa.write("ok.yml", OK)
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes", "--", "--list-hosts")
    assert done.returncode == 0, done.stderr
    assert "hosts (2):" in (casa.runs()[0] / "log").read_text()


def test_hooks_run_around_the_playbook_in_order_and_a_later_inventory_overrides(casa):
    hook = "[{{name: Hook, hosts: cm, tasks: [{{name: Say, debug: {{msg: said {0}}}}}]}}]"
    for name in ("common/hooks/apply/pre.d/20-b.yml", "common/hooks/apply/pre.d/10-a.yml"):
        casa.write(name, hook.format(name.replace("/", "-")))
    casa.write("hooks/apply/pre.d/20-b.yml", hook.format("own-b"))
    casa.write("hooks/apply/post.d/10-z.yml", hook.format("own-z"))
    casa.write("hooks/validate/pre.d/10-no.yml", hook.format("never"))
    casa.write("common/hosts.yml", "all: {vars: {own_thing: 1}}\n")
    casa.write("ok.yml", OK.replace("Ensure nothing", "said ours"))
    done = casa.run("ok.yml", "-i", "common", "-i", "hosts.yml", "--yes")
    assert done.returncode == 0, done.stderr
    log = (casa.runs()[0] / "log").read_text()
    order = [
        word
        for line in log.splitlines()
        if "said" in line
        for word in line.split()
        if "-" in word or word.startswith("ours")
    ]
    assert [word.strip('"],') for word in order if "*" not in word] == [
        "common-hooks-apply-pre.d-10-a.yml",
        "own-b",
        "ours",
        "own-z",
    ]


def test_hook_that_is_no_playbook_is_refused_before_anything_runs(casa):
    casa.write("ok.yml", OK)
    casa.write("hooks/apply/pre.d/10-a.yml", "just: text\n")
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes")
    assert done.returncode == 2
    assert "10-a.yml" in done.stderr
    assert casa.runs() == []


def test_failed_host_does_not_keep_others_from_the_hooks_after(casa):
    casa.write("gate.yml", GATE)
    casa.write(
        "hooks/apply/post.d/10.yml", "[{name: After, hosts: all, tasks: [{name: Say, debug: {msg: after}}]}]"
    )
    done = casa.run("gate.yml", "-i", "hosts.yml", "--yes")
    assert done.returncode == 1
    assert "After: 1 host, 0 changed" in done.stderr


def test_vault_password_of_a_script_opens_the_site_and_is_nowhere_afterwards(casa):
    script = casa.write("password-script", "#!/bin/sh\necho asked >>asked; echo open-s3same\n")
    script.chmod(0o700)
    secrets = casa.write("group_vars/all/vault.yml", "own_treasure: gold\n")
    program = Path(sys.executable).parent / "ansible-vault"
    encrypt = [program, "encrypt", "--vault-password-file", script, secrets]
    subprocess.run(encrypt, cwd=casa.site, env=casa.environment, check=True, capture_output=True)
    (casa.site / "asked").unlink()
    casa.write(
        "show.yml", "[{name: Show, hosts: cm, tasks: [{name: Show, fail: {msg: '{{ own_treasure }}'}}]}]"
    )
    done = casa.run("show.yml", "-i", "hosts.yml", "--yes", "--vault-password-file", "./password-script")
    assert "Message: gold" in done.stderr, done.stderr
    assert (casa.site / "asked").read_text() == "asked\n", "a script may ask a person; it is run once"
    assert "open-s3same" not in "".join(path.read_text() for path in casa.runs()[0].iterdir())


def test_packaged_playbook_is_found_from_another_directory(casa):
    done = casa.run("site.yml", "-i", "hosts.yml", "--yes", "--", "--list-hosts")
    assert done.returncode == 0, done.stderr
    assert "playbook: " in (casa.runs()[0] / "log").read_text()
    assert "with casa.install.site:" in done.stderr
