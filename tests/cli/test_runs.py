"""`casa-install runs`: what is kept and how it is shown."""

import json

from casa_install.engine.rundir import KEPT_RUNS

CHANGE = (
    "[{name: Change, hosts: cm, tasks: [{name: Ensure x, copy: {content: x, dest: '{{ playbook_dir }}/x'}}]}]"
)


def test_run_is_listed_and_shown_with_its_changes_and_its_log(casa):
    casa.write("change.yml", CHANGE)
    assert casa.run("change.yml", "-i", "hosts.yml", "--yes", "-e", "word=s3cret").returncode == 0
    (directory,) = casa.runs()
    listed = casa.run("runs", "list").stdout
    assert directory.name in listed
    assert "ok" in listed
    page = casa.run("runs", "show").stdout
    assert "Ensure x" in page
    assert "cm  changed" in page
    assert "Command: casa-install change.yml -i hosts.yml --yes -e 'word=***'" in page
    row = json.loads(casa.run("runs", "show", "last", "--json").stdout)
    assert row["hosts"]["cm"]["changed_tasks"] == ["Ensure x"]
    assert row["exit_code"] == 0
    assert "TASK [Ensure x]" in casa.run("runs", "show", directory.name, "--log").stdout
    assert json.loads(casa.run("runs", "list", "--json").stdout)["runs"][0]["id"] == directory.name
    assert "s3cret" not in "".join(path.read_text() for path in directory.iterdir())


def test_no_run_yet(casa):
    assert "no run yet" in casa.run("runs", "list").stdout
    done = casa.run("runs", "show")
    assert done.returncode == 2
    assert "no run yet" in done.stderr


def test_damaged_journal_is_told_and_spoils_nothing(casa):
    broken = casa.path / "state/casa-install/runs/20200101T000000Z-apply"
    broken.mkdir(parents=True)
    (broken / "journal.json").write_text("{\x00")
    assert casa.run("runs", "list").returncode == 0
    done = casa.run("runs", "show", "last")
    assert done.returncode == 1
    assert "no readable journal" in done.stderr


def test_oldest_runs_are_removed(casa):
    parent = casa.path / "state/casa-install/runs"
    for number in range(KEPT_RUNS + 3):
        (parent / f"20200101T0000{number:02}Z-apply").mkdir(parents=True)
    casa.write("ok.yml", "[{name: Nothing, hosts: all, tasks: []}]")
    assert casa.run("ok.yml", "-i", "hosts.yml", "--yes").returncode == 0
    names = [path.name for path in casa.runs()]
    assert len(names) == KEPT_RUNS
    assert names[0] == "20200101T000004Z-apply"


def test_state_directory_that_cannot_be_used_is_told(casa):
    casa.write("ok.yml", "[{name: Nothing, hosts: all, tasks: []}]")
    (casa.path / "state").write_text("a file")
    done = casa.run("ok.yml", "-i", "hosts.yml", "--yes")
    assert done.returncode == 2
    assert "XDG_STATE_HOME" in done.stderr
    assert "Traceback" not in done.stderr
