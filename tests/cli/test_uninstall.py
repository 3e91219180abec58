"""`casa-install uninstall` and `explain`: from the receipts, after a question, and nothing else touched."""

import json
import os
import pty
import subprocess

import pytest
import yaml
from demo import SECRET, needs_root

from casa_install.site.collection import collection_root

OFF = ("uninstall", "off.yml", "-i", "hosts.yml")


def on_a_terminal(demo, answer: str, *words: str) -> tuple[int, str]:
    """Run with a terminal on standard input and give an answer; returns status and messages."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        demo.casa.command(*words),
        cwd=demo.casa.site,
        env=demo.casa.environment,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    _, messages = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, messages


@needs_root
def test_wrong_or_missing_name_is_refused_and_nothing_changed(demo):
    demo.apply("-l", "cm,ep1")
    before = demo.tree()
    wrong = demo.casa.run(*OFF, "--yes", "Test")
    assert wrong.returncode == 2
    assert "'Test' is not the site's name; nothing was done." in wrong.stderr
    assert "'Test site'" in wrong.stderr
    silent = demo.casa.run(*OFF, "--json")
    assert (silent.returncode, json.loads(silent.stdout)["exit_code"]) == (2, 2)
    assert '--yes "Test site"' in silent.stderr
    status, messages = on_a_terminal(demo, "yes", *OFF)
    assert (status, "Type the site's name, Test site, to take this off 2 hosts: " in messages) == (2, True)
    assert "'yes' is not the site's name" in messages
    look = demo.casa.run(*OFF, "--check", "-l", "cm")
    assert look.returncode == 0, look.stderr
    etc = demo.host("cm") / "etc"
    assert f"Would go:\ncm:\n  demo\n    remove our line in {demo.host('cm')}/foreign\n" in look.stderr
    assert f"    remove {etc}/secret\n" in look.stderr
    assert f"    remove {etc} if it is empty\n" in look.stderr
    assert demo.tree() == before


@needs_root
def test_hosts_of_two_sites_are_refused_and_a_limit_chooses_one(demo):
    demo.apply("-l", "cm,ep1")
    inventory = (demo.casa.site / "hosts.yml").read_text()
    demo.casa.write("hosts.yml", inventory.replace("cm: {}", "cm: {site_name: Other}"))
    before = demo.tree()
    two = demo.casa.run(*OFF, "--yes", "Other")
    assert two.returncode == 2
    assert "'Other', 'Test site'" in two.stderr
    assert demo.tree() == before
    one = demo.casa.run(*OFF, "--yes", "Other", "-l", "cm")
    assert one.returncode == 0, one.stderr
    assert not (demo.host("cm") / "etc").exists()
    assert (demo.host("ep1") / "etc").exists()


@needs_root
def test_typed_name_takes_off_what_is_ours_and_nothing_else_and_names_who_did_not_answer(demo):
    before = {path: row[0::2] for path, row in demo.tree().items()}
    demo.apply("-l", "cm,ep1")
    (demo.host("ep1") / "etc/theirs").write_text("not ours\n")
    (demo.host("ep1") / "etc/a.conf").write_text("edited\n")
    demo.cut_off("ep2")
    status, messages = on_a_terminal(demo, "Test site", *OFF)
    assert status == 4, messages
    assert "── ep2: unreachable" in messages
    after = {path: row[0::2] for path, row in demo.tree().items()}
    assert {path for path in after if "/cm/" in path} == {path for path in before if "/cm/" in path}
    rest = {path.rpartition("/hosts/")[2] for path in set(after) - set(before)}
    assert rest == {"ep1/etc", "ep1/etc/theirs", "ep1/etc/a.conf.casa-save"}
    assert {path: after[path] for path in before if path.endswith("foreign")} == {
        path: row for path, row in before.items() if path.endswith("foreign")
    }
    # Notes are wrapped where the screen ends.
    assert "was changed by somebody; kept as" in " ".join(messages.split())
    again = demo.casa.run(*OFF, "-l", "cm,ep1")
    assert again.returncode == 0
    assert "no host has anything of casa-install" in again.stderr


@needs_root
def test_hosts_whose_receipts_are_unknown_or_not_roots_alone_are_named_and_left(demo):
    demo.apply("-l", "cm,ep1")
    receipts = demo.host("ep1") / "casa/receipts"
    receipt = json.loads((receipts / "demo.json").read_text())
    (receipts / "novel.json").write_text(json.dumps(receipt | {"role": "novel"}))
    (demo.host("ep2") / "casa/receipts").mkdir(parents=True)
    (demo.host("ep2") / "casa/receipts").chmod(0o777)
    before = {path: row for path, row in demo.tree().items() if "/cm" not in path}
    status, row = demo.json(*OFF[:2], "--yes", "Test site")
    assert status == row["exit_code"] == 1
    open_directory = f"{demo.host('ep2')}/casa/receipts must be a directory of root with mode 0700"
    assert row["left"] == {"ep1": "it has a receipt of role novel", "ep2": open_directory}
    assert list(row["preview"]) == ["cm"]
    assert not (demo.host("cm") / "etc").exists()
    assert {path: found for path, found in demo.tree().items() if "/cm" not in path} == before


@needs_root
def test_explain_tells_what_since_which_run_and_what_then(demo):
    (demo.host("cm") / "etc").mkdir(mode=0o755)
    (demo.host("cm") / "etc/a.conf").write_text("earlier\n")
    demo.apply("-l", "cm")
    before = demo.tree()
    done = demo.casa.run("explain", "cm", "-i", "hosts.yml")
    assert done.returncode == 0, done.stderr
    run = next(path.name for path in demo.casa.runs() if path.name.endswith("-apply"))
    rows = [line.split() for line in done.stdout.splitlines()]
    etc = demo.host("cm") / "etc"
    assert ["file", f"{etc}/b.conf", run, "nothing", "remove", f"{etc}/b.conf"] in rows
    assert next(row for row in rows if f"{etc}/a.conf" in row)[3:5] == ["file,", "mode"]
    assert f"put back {etc}/a.conf" in done.stdout
    assert "Owed: Restart demo" in done.stdout
    status, row = demo.json("explain", "cm")
    assert status == row["exit_code"] == 0
    assert {item["run"] for item in row["roles"]["demo"]["owned"]} == {run}
    assert "sha256" not in json.dumps(row) + done.stdout
    assert SECRET not in json.dumps(row) + done.stdout
    assert demo.tree() == before


@needs_root
def test_explain_says_that_a_host_has_nothing_of_ours(demo):
    done = demo.casa.run("explain", "ep1", "-i", "hosts.yml")
    assert (done.returncode, done.stdout) == (0, "ep1: casa-install owns nothing here\n")


def test_explain_of_an_unknown_host_is_refused_with_the_closest(casa):
    done = casa.run("explain", "epp", "-i", "hosts.yml")
    assert done.returncode == 2
    assert "Did you mean ep?" in done.stderr
    assert casa.runs() == []


def test_explain_of_an_unreachable_host_gives_exit_4(casa):
    text = (casa.site / "hosts.yml").read_text()
    away = "ep: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 9}"
    casa.write("hosts.yml", text.replace("ep: {}", away))
    done = casa.run("explain", "ep", "-i", "hosts.yml", "--json")
    assert done.returncode == json.loads(done.stdout)["exit_code"] == 4


def test_playbook_alone_refuses_without_the_sites_name(casa):
    """The gate comes before any play that changes something, also without our command line."""
    for words in ((), ("-e", "casa_uninstall=Tes")):
        done = casa.run("apply", "casa.install.uninstall", "-i", "hosts.yml", "--yes", *words)
        assert done.returncode == 1
        assert "Start it with `casa-install uninstall`" in " ".join(done.stderr.split())
        assert "Remove HTCondor" not in done.stderr


def test_what_takes_work_goes_before_what_hands_it_out_and_base_last():
    plays = yaml.safe_load((collection_root() / "playbooks/uninstall.yml").read_text())
    order = [(play["hosts"], play.get("vars", {}).get("casa_role")) for play in plays]
    assert order == [
        ("all", None),
        ("all", "notebook"),
        ("all", "dask"),
        ("all:!k3s_server", "k3s"),
        ("k3s_server:!k3s_server[0]", "k3s"),
        ("k3s_server[0]", "k3s"),
        ("all", "xcache_client"),
        ("all", "xcache"),
        ("all:!condor_access:!condor_manager", "htcondor"),
        ("condor_access:!condor_manager", "htcondor"),
        ("condor_manager", "htcondor"),
        ("all", "analysis_env"),
        ("all", "trust"),
        ("all", "base"),
    ]


@pytest.mark.parametrize("verb", ["plan", "uninstall", "explain"])
def test_missing_inventory_is_refused(casa, verb):
    done = casa.run(verb, *({"plan": ["site.yml"], "explain": ["cm"]}.get(verb, [])), "-i", "nowhere")
    assert done.returncode == 2
    assert "There is no inventory nowhere." in done.stderr
    assert casa.runs() == []
