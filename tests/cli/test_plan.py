"""`casa-install plan`: what an apply would do, and nothing done."""

import json

from demo import SECRET, needs_root

TASKS = """\
- name: Demo
  hosts: all
  gather_facts: false
  tasks:
    - name: Ensure a file
      ansible.builtin.copy:
        content: "x\\n"
        dest: "{{ playbook_dir }}/made-{{ inventory_hostname }}"
        mode: "0600"
    - name: Ensure a hidden file
      ansible.builtin.copy: {content: CANARY-hidden, dest: "{{ playbook_dir }}/hidden", mode: "0600"}
      no_log: true
      when: inventory_hostname == 'cm'
    - name: Do what only an apply can
      ansible.builtin.command: "true"
      when: inventory_hostname == 'cm'
    - name: Do what nobody wants
      ansible.builtin.command: "true"
      when: false
    - name: Require something
      ansible.builtin.assert: {that: inventory_hostname != refused | default(''), quiet: true}
"""


def kept(casa) -> str:
    """All that runs left behind."""
    return "".join(path.read_text() for run in casa.runs() for path in run.rglob("*") if path.is_file())


def test_imperative_tasks_are_shown_by_name_and_what_cannot_be_known_is_said(casa):
    casa.write("play.yml", TASKS)
    done = casa.run("plan", "play.yml", "-i", "hosts.yml", "--exit-code", "--diff")
    assert done.returncode == 3, done.stderr
    first, second = done.stdout.split("ep: ")
    assert first.startswith("cm: Ensure a file, Ensure a hidden file\n Unknown: Do what only an apply can: ")
    assert second.startswith("Ensure a file\n")
    assert "Unknown" not in second
    assert "Do what nobody wants" not in done.stdout
    assert "    +x\n" in second
    assert "CANARY" not in done.stdout + done.stderr + kept(casa)
    assert not list(casa.site.glob("made-*"))
    assert not (casa.site / "hidden").exists()
    assert "casa-install apply play.yml -i hosts.yml\n" in done.stderr


def test_hosts_with_the_same_plan_share_it(casa):
    casa.write("play.yml", TASKS.replace("inventory_hostname == 'cm'", "false"))
    done = casa.run("plan", "play.yml", "-i", "hosts.yml")
    assert (done.returncode, done.stdout.strip()) == (0, "cm, ep: Ensure a file")


def test_nothing_to_do_is_one_line_and_exit_0(casa):
    casa.write("play.yml", "[{name: Look, hosts: all, tasks: [{name: Look, ping: }]}]")
    done = casa.run("plan", "play.yml", "-i", "hosts.yml", "--exit-code")
    assert (done.returncode, done.stdout.strip()) == (0, "cm, ep: nothing to do")


def test_json_is_one_object_and_is_kept_with_the_run(casa):
    casa.write("play.yml", TASKS)
    done = casa.run("plan", "play.yml", "-i", "hosts.yml", "--json", "-e", "refused=ep")
    row = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (done.returncode, row["exit_code"], row["status"]) == (1, 1, "failed")
    assert row["changes"] is True
    assert row["hosts"]["cm"]["status"] == "changes"
    assert row["hosts"]["cm"]["tasks"] == ["Ensure a file", "Ensure a hidden file"]
    assert row["hosts"]["cm"]["unknown"] == ["Do what only an apply can"]
    assert row["hosts"]["ep"]["status"] == "failed"
    assert json.loads((casa.runs()[0] / "plan.json").read_text()) == row
    assert "── ep: failed" in done.stderr
    assert (casa.runs()[0] / "plan.json").stat().st_mode & 0o777 == 0o600


def test_failed_host_is_said_to_have_an_incomplete_plan(casa):
    casa.write("play.yml", TASKS)
    done = casa.run("plan", "play.yml", "-i", "hosts.yml", "-e", "refused=ep", "--exit-code")
    assert done.returncode == 1
    assert "ep: Ensure a file\n    Note: the plan ends at a failure, told below\n" in done.stdout


def test_unreachable_host_is_named_and_gives_exit_4(casa):
    text = (casa.site / "hosts.yml").read_text()
    away = "ep: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9}"
    casa.write("hosts.yml", text.replace("ep: {}", away))
    casa.write("play.yml", TASKS)
    done = casa.run("plan", "play.yml", "-i", "hosts.yml", "--exit-code")
    assert done.returncode == 4, done.stderr
    assert "ep: not reached, so nothing is known" in done.stdout
    assert "cm: Ensure a file" in done.stdout
    assert "Go on: casa-install plan play.yml -i hosts.yml --exit-code -l ep\n" in done.stderr


def test_hooks_of_apply_belong_to_the_plan(casa):
    casa.write("play.yml", "[{name: Look, hosts: all, tasks: [{name: Look, ping: }]}]")
    casa.write("hooks/apply/pre.d/10.yml", TASKS.replace("hosts: all", "hosts: ep"))
    done = casa.run("plan", "play.yml", "-i", "hosts.yml")
    assert "ep: Ensure a file\n" in done.stdout, done.stderr


def test_plan_is_refused_while_another_run_changes_the_site(casa):
    running = casa.start_slow()
    try:
        casa.write("play.yml", TASKS)
        done = casa.run("plan", "play.yml", "-i", "hosts.yml")
        assert done.returncode == 1
        assert f"pid {running.pid}" in done.stderr
        assert done.stdout == ""
    finally:
        (casa.site / "fast").touch()
        running.terminate()
        running.communicate(timeout=30)


@needs_root
def test_clean_host_is_told_in_its_language_and_left_alone(demo):
    before = demo.tree()
    done = demo.casa.run("plan", "demo.yml", "-i", "hosts.yml", "-l", "cm", "--diff", "--exit-code")
    assert done.returncode == 3, done.stderr
    etc = demo.host("cm") / "etc"
    line = f"add the line 'ours = 1' in {demo.host('cm')}/foreign"
    assert done.stdout.startswith(
        f"cm: make directory {etc}, write 5 files under {etc}, {line}, do the step 'joined'\n"
        "    Then: Reload demo\n"
        " Unknown: demo: Join: can only be run for real"
    )
    assert "   Drain: Restart demo: " in done.stdout
    assert f"    +++ {etc}/a.conf\n    @@ -0,0 +1 @@\n    +value = one\n" in done.stdout
    assert SECRET not in done.stdout + done.stderr + kept(demo.casa)
    assert demo.tree() == before


@needs_root
def test_converged_and_half_converged_hosts(demo):
    demo.apply("-l", "cm,ep1")
    done = demo.casa.run("plan", "demo.yml", "-i", "hosts.yml", "--exit-code", "-l", "cm,ep1")
    assert done.returncode == 0, done.stderr
    # What waits for a drain is no change, and is told all the same.
    assert done.stdout.startswith("cm, ep1: nothing to do\n   Drain: Restart demo")
    (demo.host("ep1") / "etc/a.conf").unlink()
    before = demo.tree()
    status, row = demo.json(
        "plan", "demo.yml", "--exit-code", "-l", "cm,ep1", "-e", "demo_secret=CANARY-other"
    )
    assert status == row["exit_code"] == 3
    etc = demo.host("ep1") / "etc"
    assert row["hosts"]["ep1"]["summary"] == [f"write {etc}/a.conf", f"change {etc}/secret"]
    assert row["hosts"]["cm"]["handlers"] == []
    assert row["hosts"]["ep1"]["handlers"] == ["Reload demo"]
    assert "CANARY" not in json.dumps(row) + kept(demo.casa)
    assert demo.tree() == before
