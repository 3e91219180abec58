"""A role on a host from the first look to the proof: phases, notifications, tags, refusals."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from casa_install.errors import CasaError
from casa_install.plugins.module_utils.casa_state.platform import PlainPlatform
from casa_install.state.host import RefusalError
from casa_install.state.host_modules import continue_interrupted
from casa_install.state.phases import chosen_tags

if TYPE_CHECKING:
    from pathlib import Path

    from tests.state.conftest import Site

UNIT = (
    "Id={name}\nLoadState=loaded\nActiveState={active}\nUnitFileState=disabled\nFragmentPath={fragment}\n"
    "DropInPaths=\nNeedDaemonReload=no\nActiveEnterTimestamp=@{since}\n"
)


def add_unit(
    site: Site, name: str, *, active: str = "inactive", since: int = 100, fragment: str = "/lib/x"
) -> None:
    path = site.host.fakes / "units" / name
    path.write_text(UNIT.format(name=name, active=active, since=since, fragment=fragment))


def systemctl_log(site: Site) -> list[str]:
    path = site.host.fakes / "systemctl.log"
    return [line.strip() for line in path.read_text().splitlines()] if path.exists() else []


def install(site: Site, *, also: Any = lambda: None) -> None:
    """Let apt put every package it is asked for there, and do what a package's scripts do."""

    def module(name: str, arguments: dict[str, Any]) -> bool:
        if name == "ansible.builtin.apt":
            lines = [f"K {item.split('=')[0]} install installed 1.0" for item in arguments["name"]]
            (site.host.fakes / "packages").write_text("".join(f"{line}\n" for line in lines))
            also()
        return True

    site.host.on_module = module


WHOLE = """\
    roots: ["{{ root }}"]
    handlers: {Reload: {record: true}}
    resources:
      - unit: demo.service
        enabled: true
        state: started
      - file: "{{ root }}/conf/ours"
        content: ours
        notify: Reload
      - package: demo
      - directory: "{{ root }}/before"
        phase: before
      - file: "{{ root }}/before/key"
        content: key
        phase: before
"""


def test_phases_come_in_order_and_the_host_is_looked_at_again_after_packages(site: Site) -> None:
    site.role.write(WHOLE)
    order: list[str] = []

    def scripts() -> None:
        assert (site.root / "before" / "key").exists(), "what a package needs first was not there"
        (site.root / "conf").mkdir()  # a package's scripts make directories and users
        add_unit(site, "demo.service")
        order.append("package")

    install(site, also=scripts)
    probe, engine = site.host.probe, site.host.engine
    site.host.probe = lambda script: order.append("probe") or probe(script)  # type: ignore[method-assign]
    site.host.engine = lambda sent: order.append("batch") or engine(sent)  # type: ignore[method-assign]
    outcome = site.apply()
    assert not outcome.failures
    assert order == ["probe", "batch", "package", "probe", "batch", "probe"]
    assert systemctl_log(site) == ["enable demo.service", "start demo.service"]
    assert outcome.notify == ["Reload"]


def test_on_debian_first_installs_run_with_services_kept_from_starting(site: Site) -> None:
    site.role.write("resources: [{package: demo, version: '1.*'}]")
    install(site)
    site.apply()
    ((name, arguments),) = site.host.calls
    assert name == "ansible.builtin.apt"
    assert arguments["name"] == ["demo=1.*"]
    assert arguments["policy_rc_d"] == 101


def test_dpkg_that_was_killed_goes_on_first(site: Site) -> None:
    site.role.write("resources: [{package: demo}]")
    install(site)
    probe = site.host.probe
    site.host.probe = lambda script: probe(script).replace(b"k dpkg 1 whole", b"k dpkg 1 interrupted")  # type: ignore[method-assign]
    site.apply()
    assert [name for name, _ in site.host.calls] == ["ansible.builtin.command", "ansible.builtin.apt"]
    assert "--configure -a" in " ".join(site.host.calls[0][1]["argv"])


@pytest.mark.parametrize(
    ("said", "status", "calls"),
    [
        ("dpkg: error: dpkg frontend lock was locked by <unknown> process with pid 835", 0, 2),
        ("dpkg: error processing package demo", 1, 1),
    ],
    ids=["locked", "broken"],
)
def test_a_dpkg_that_still_works_is_waited_for(tmp_path: Path, said: str, status: int, calls: int) -> None:
    fake = tmp_path / "dpkg"
    fake.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f"[ $(wc -l < {tmp_path}/calls) -gt 1 ] || {{ echo '{said}' >&2; exit 2; }}\n"
    )
    fake.chmod(0o755)
    _, arguments = continue_interrupted()
    done = subprocess.run(
        arguments["argv"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert (tmp_path / "calls").read_text().count("--configure -a") == calls
    assert (said in done.stderr) is bool(status)


def test_a_dry_run_on_a_clean_host_says_what_cannot_be_known_yet(site: Site) -> None:
    site.role.write(
        """\
        resources:
          - repository: demo
            format: deb
            options: {URIs: "https://example.org", Suites: x}
          - package: demo
            version: "2.*"
        """
    )
    outcome = site.apply(check=True)
    assert outcome.done == [
        "add package repository demo (/etc/apt/sources.list.d/casa-demo.sources)",
        "install demo (version known after the repository is added)",
    ]
    assert outcome.changed
    assert site.host.calls == []
    assert site.host.documents == []


def test_a_package_that_failed_leaves_files_and_units_alone(site: Site) -> None:
    site.role.write(WHOLE)

    def fail(name: str, arguments: dict[str, Any]) -> bool:
        raise CasaError("apt: no network")

    site.host.on_module = fail
    with pytest.raises(CasaError, match="no network"):
        site.apply()
    assert not (site.root / "conf").exists()
    assert systemctl_log(site) == []


def test_a_user_that_a_directory_service_knows_is_never_created_locally(site: Site) -> None:
    (site.host.fakes / "passwd").write_text("ldapuser:x:5000:64::/home/l:/bin/sh\n")
    (site.host.fakes / "ids" / "ldapuser").write_text("64\n")
    site.role.write("resources: [{user: ldapuser}]")
    assert site.apply().differences == []
    assert site.host.calls == []
    site.role.write("resources: [{user: ldapuser, uid: 5001}]")
    with pytest.raises(
        RefusalError, match="is known to the site's directory service with uid 5000, not 5001"
    ):
        site.apply()
    site.role.write("resources: [{user: other, uid: 5000}]")
    with pytest.raises(RefusalError, match="uid 5000 is wanted for other; it is ldapuser's"):
        site.apply()
    assert site.host.calls == []


def test_all_refusals_come_at_once_and_nothing_is_changed(site: Site) -> None:
    site.role.write(
        """\
        roots: ["{{ root }}"]
        resources:
          - {file: "{{ root }}/new", content: x}
          - {file: "{{ root }}/dir", content: x}
          - {directory: "{{ root }}/file"}
          - {directory: "{{ root }}/mine", exclusive: true}
        """
    )
    site.shell("mkdir dir mine; touch file mine/theirs")
    before = site.listing()
    with pytest.raises(RefusalError) as caught:
        site.apply()
    assert caught.value.message.splitlines() == [
        f"{site.root}/dir is a directory, not a file",
        f"{site.root}/file is a file, not a directory",
        f"{site.root}/mine is declared exclusive, but it was there before casa-install",
    ]
    assert "take `exclusive: true` off it" in caught.value.hint
    assert site.listing() == before


def test_a_login_that_is_not_roots_is_refused(site: Site) -> None:
    site.role.write("resources: []")
    (site.host.fakes / "uid").write_text("1000\n")
    with pytest.raises(CasaError, match="must be looked at as root; the login is uid 1000") as caught:
        site.apply()
    assert "become: true" in caught.value.hint


FILES = """\
    roots: ["{{ root }}"]
    handlers:
      Restart: {restart: demo.service}
      Reload: {record: true}
      Stamped: {stamp: [cat, "{{ root }}/../stamp"]}
      Drained: {restart: demo.service, drain: true}
    resources:
      - {file: "{{ root }}/a", content: "{{ content }}", notify: "{{ handler }}"}
      - {unit: demo.service, state: started}
"""


@pytest.fixture
def files(site: Site) -> Site:
    site.role.write(
        FILES.replace("{{ root }}/../stamp", str(site.host.scratch / "stamp")),
        content="one",
        handler="Reload",
    )
    add_unit(site, "demo.service", active="active", since=int(time.time()) + 100)
    return site


def test_what_is_owed_is_written_before_the_change_and_cleared_after(files: Site) -> None:
    assert files.apply().notify == ["Reload"]
    assert files.apply().notify == ["Reload"], "the handler never ran: it is still owed"
    assert files.settle().failures == []
    assert files.apply().notify == []


def test_a_restart_is_proved_by_the_units_start_time(files: Site) -> None:
    files.role.variables["handler"] = "Restart"
    add_unit(files, "demo.service", active="active", since=100)
    assert files.apply().notify == ["Restart"]
    (failure,) = files.settle().failures
    assert failure["message"].startswith("'Restart' has run, but the service does not show it")
    add_unit(files, "demo.service", active="active", since=int(time.time()) + 1)
    assert files.settle().failures == []
    again = files.apply()
    assert (again.notify, again.changed) == ([], False)


def test_a_file_changed_after_the_service_started_calls_for_its_restart(files: Site) -> None:
    """Edited, restarted, put back without a restart: the content is right and the service is not."""
    files.role.variables["handler"] = "Restart"
    files.apply()
    files.settle()
    files.shell("echo edited > a")
    add_unit(files, "demo.service", active="active", since=int(time.time()) - 10)
    files.shell("printf one > a")
    outcome = files.apply()
    assert (outcome.changed, outcome.notify) == (False, ["Restart"])


def test_a_reload_is_proved_by_the_services_own_stamp(files: Site) -> None:
    files.role.variables["handler"] = "Stamped"
    stamp = files.host.scratch / "stamp"
    stamp.write_text("100\n")
    assert files.apply().notify == ["Stamped"]
    assert len(files.settle().failures) == 1
    stamp.write_text(f"{int(time.time()) + 5}\n")
    assert files.settle().failures == []
    assert files.apply().notify == []


def test_a_stamp_that_cannot_be_read_proves_nothing(files: Site) -> None:
    files.role.variables["handler"] = "Stamped"
    files.apply()
    (files.host.scratch / "stamp").write_text("yesterday\n")
    assert files.apply().notify == ["Stamped"]


def test_a_restart_that_needs_a_drain_is_listed_apart_and_never_run_unasked(files: Site) -> None:
    files.role.variables["handler"] = "Drained"
    add_unit(files, "demo.service", active="active", since=100)
    outcome = files.apply()
    assert (outcome.notify, outcome.needs_drain) == ([], ["Drained"])
    assert files.settle().failures == []
    again = files.apply()
    assert (again.changed, again.notify, again.needs_drain) == (False, [], ["Drained"])
    add_unit(files, "demo.service", active="active", since=int(time.time()) + 1)
    assert files.apply().needs_drain == []


def test_a_unit_that_is_started_with_its_new_settings_owes_no_drain(files: Site) -> None:
    files.role.variables["handler"] = "Drained"
    add_unit(files, "demo.service", active="inactive")
    assert files.apply(check=True).needs_drain == []
    add_unit(files, "demo.service", active="active", since=int(time.time()) + 60)
    assert files.apply().needs_drain == []


def test_a_dry_run_tells_that_a_drain_will_be_needed(files: Site) -> None:
    files.role.variables["handler"] = "Drained"
    add_unit(files, "demo.service", active="active", since=100)
    assert files.apply(check=True).needs_drain == ["Drained"]


def test_casa_maintenance_leaves_a_hosts_units_alone(files: Site) -> None:
    add_unit(files, "demo.service", active="inactive")
    outcome = files.apply(maintenance=True)
    assert (files.root / "a").exists()
    assert systemctl_log(files) == []
    assert [item["text"] for item in outcome.differences if item["verdict"] == "report"] == [
        "leave demo.service alone: casa_maintenance is set"
    ]


def test_a_unit_that_we_masked_is_unmasked_and_one_that_somebody_masked_is_not(site: Site) -> None:
    add_unit(site, "demo.service")
    site.role.write(
        "resources: [{unit: demo.service, masked: '{{ masked }}', state: '{{ state }}'}]",
        masked=True,
        state="stopped",
    )
    site.apply()
    site.role.variables.update(masked=False, state="started")
    site.apply()
    assert systemctl_log(site) == ["mask demo.service", "unmask demo.service", "start demo.service"]


def test_a_unit_that_does_not_start_is_a_failure_with_the_command_to_look_further(site: Site) -> None:
    add_unit(site, "demo.service")
    (site.host.fakes / "broken").touch()
    site.role.write("resources: [{unit: demo.service, state: started}]")
    outcome = site.apply()
    (failure,) = outcome.failures
    assert "systemctl start demo.service failed: Job for demo.service failed." in failure["message"]
    assert failure["hint"] == "journalctl -u demo.service -n 50"


def test_a_drop_in_makes_systemd_read_anew_before_the_unit_starts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    import casa_install.state.build as build

    monkeypatch.setattr(build, "SYSTEMD", str(site.root))
    add_unit(site, "demo.service")
    site.role.write("resources: [{unit: demo.service, state: started, drop_ins: {x: '[Service]'}}]")
    outcome = site.apply()
    assert not outcome.failures
    assert (site.root / "demo.service.d" / "casa-demo-x.conf").read_text() == "[Service]"
    assert systemctl_log(site) == ["daemon-reload", "start demo.service"]


def test_without_systemd_a_unit_is_told_as_not_known(site: Site) -> None:
    (site.host.fakes / "no-systemd").touch()
    site.role.write("resources: [{unit: demo.service, state: started}]")
    (difference,) = site.apply().differences
    assert difference["text"] == "demo.service is not known: systemd does not answer"
    assert difference["verdict"] == "report"


def test_a_kernel_setting_is_live_and_outlives_a_boot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    import casa_install.state.build as build
    import casa_install.state.probe as probe

    proc = site.root / "proc"
    (proc / "net" / "core").mkdir(parents=True)
    (proc / "net" / "core" / "somaxconn").write_text("128\n")
    monkeypatch.setattr(build, "SYSCTL", str(site.root))
    monkeypatch.setattr(probe, "PROC_SYS", f"{proc}/")
    site.host.proc_sys = str(proc)
    site.role.write(
        "resources: [{sysctl: net.core.somaxconn, value: 4096}, {sysctl: net.core.none, value: 1}]"
    )
    outcome = site.apply()
    assert (site.root / "60-casa-demo.conf").read_text() == "net.core.somaxconn = 4096\nnet.core.none = 1\n"
    assert (proc / "net" / "core" / "somaxconn").read_text() == "4096\n"
    (failure,) = outcome.failures
    assert failure["message"] == "this kernel has no setting net.core.none (is its module loaded?)"
    site.remove()
    assert (proc / "net" / "core" / "somaxconn").read_text().split() == ["128"]


ALL_TAGS = """\
    roots: ["{{ root }}"]
    resources:
      - {package: demo}
      - {file: "{{ root }}/a", content: x}
      - {unit: demo.service, state: started}
      - {check: joined, command: ["false"]}
"""


@pytest.mark.parametrize(
    ("tag", "kinds"),
    [("packages", {"package"}), ("config", {"file"}), ("service", {"unit"}), ("verify", {"check"})],
)
def test_tags_select_kinds(site: Site, tag: str, kinds: set[str]) -> None:
    add_unit(site, "demo.service")
    site.role.write(ALL_TAGS)
    install(site)
    outcome = site.apply(tags=frozenset({tag}), full=False)
    assert {item["kind"] for item in outcome.differences} == kinds


@pytest.mark.parametrize(
    ("run", "skip", "chosen"),
    [
        (["all"], [], set()),
        (["htcondor"], [], set()),
        (["packages", "x"], [], {"packages"}),
        (["all"], ["service"], {"packages", "config", "verify"}),
        (["config", "service"], ["service"], {"config"}),
    ],
)
def test_tags_of_ours_are_found_among_a_runs(run: list[str], skip: list[str], chosen: set[str]) -> None:
    assert chosen_tags(run, skip) == chosen


TWO = """\
    roots: ["{{ root }}"]
    resources:
      - {file: "{{ root }}/a", content: x}
      - {file: "{{ root }}/b", content: x, when: both}
      - {package: demo, when: both}
"""


def test_an_entry_that_left_the_list_is_removed_on_the_next_full_apply(site: Site) -> None:
    site.role.write(TWO, both=True)
    install(site)
    (site.root / "b").write_text("theirs")
    site.apply()
    site.role.variables["both"] = False
    for limited in ({"full": False}, {"full": False, "tags": frozenset({"config"})}, {"check": True}):
        outcome = site.apply(**limited)
        assert (site.root / "b").read_text() == "x"
    assert outcome.done == [f"remove file {site.root}/b", "remove package demo"]
    site.host.calls.clear()

    def uninstall(name: str, arguments: dict[str, Any]) -> bool:
        (site.host.fakes / "packages").write_text("")
        return True

    site.host.on_module = uninstall
    outcome = site.apply()
    assert not outcome.failures
    assert (site.root / "b").read_text() == "theirs"
    assert site.host.calls == [
        (
            "ansible.builtin.apt",
            {"name": ["demo"], "state": "absent", "purge": True, "allow_change_held_packages": True},
        )
    ]
    assert site.apply().changed is False


def test_a_path_that_only_changed_its_kind_has_not_left(site: Site) -> None:
    site.role.write("roots: ['{{ root }}']\nresources: [{file: '{{ root }}/a', content: x}]")
    site.apply()
    site.role.write("roots: ['{{ root }}']\nresources: [{link: '{{ root }}/a', target: b}]")
    assert not site.apply().failures
    assert os.readlink(site.root / "a") == "b"
    assert site.apply().changed is False
    site.remove()
    assert not os.path.lexists(site.root / "a")


def test_quarantine_never_takes_what_another_role_owns(site: Site) -> None:
    site.role.write("roots: ['{{ root }}']\nresources: [{directory: '{{ root }}/d', exclusive: true}]")
    site.apply()
    other = site.role.directory.parent / "other"
    other.mkdir()
    site.role.directory, first = other, site.role.directory
    site.role.write("roots: ['{{ root }}']\nresources: [{file: '{{ root }}/d/theirs', content: x}]")
    site.apply()
    site.role.directory = first
    (site.root / "d" / "stray").touch()
    outcome = site.apply()
    assert [item["message"] for item in outcome.failures] == [
        f"{site.root}/d/theirs belongs to role other and was not moved away"
    ]
    assert (site.root / "d" / "theirs").exists()


def test_what_is_undone_while_we_work_is_told_by_the_last_probe(site: Site) -> None:
    class Undone(PlainPlatform):
        def move(self, source: str, target: str) -> None:
            super().move(source, target)
            if "/h/" in target:
                os.chmod(target, 0o777)
                os.truncate(target, 0)

    site.role.write("roots: ['{{ root }}']\nresources: [{file: '{{ root }}/a', content: x}]")
    site.host.platform = Undone()
    (failure,) = site.apply().failures
    assert failure["message"] == f"after the change it is still to do: change {site.root}/a (content)"


def test_a_full_disk_stops_the_batch_and_every_file_is_old_or_new(site: Site) -> None:
    class Full(PlainPlatform):
        def move(self, source: str, target: str) -> None:
            if target.endswith("/b"):
                raise OSError(28, "No space left on device")
            super().move(source, target)

    for name in "abc":
        (site.root / name).write_text("old")
    site.role.write(
        "roots: ['{{ root }}']\nresources: [{file: '{{ root }}/{{ item }}', content: new, each: [a, b, c]}]"
    )
    site.host.platform = Full()
    outcome = site.apply()
    assert [(site.root / name).read_text() for name in "abc"] == ["new", "old", "old"]
    assert f"no space left on the file system of {site.root}/b" in outcome.failures[0]["message"]
    assert sorted(path.name for path in site.root.iterdir()) == ["a", "b", "c"]
    site.host.platform = PlainPlatform()
    assert not site.apply().failures
    site.remove()
    assert [(site.root / name).read_text() for name in "abc"] == ["old", "old", "old"]


def test_diff_shows_before_and_after_but_never_of_what_is_sensitive(site: Site) -> None:
    site.role.write(
        """\
        roots: ["{{ root }}"]
        resources:
          - {file: "{{ root }}/a", content: "new\\n"}
          - {file: "{{ root }}/s", content: CANARY, sensitive: true}
          - {line: "{{ root }}/f", text: "token=CANARY", prefix: "token=", sensitive: true}
          - {block: "{{ root }}/f", marker: m, content: CANARY, sensitive: true}
        """
    )
    site.shell("echo old > a; echo OLDCANARY > s; echo token=OLDCANARY > f")
    outcome = site.apply(check=True, diff=True)
    (diff,) = outcome.diff
    assert (diff["before"], diff["after"]) == ("old\n", "new\n")
    assert "CANARY" not in repr(outcome)
    outcome = site.apply(diff=True)
    assert [item["after"] for item in outcome.diff] == ["new\n"]
    assert "CANARY" not in repr(outcome)
    assert (site.root / "f").read_text().startswith("token=CANARY\n")


def test_a_large_file_is_streamed_and_not_part_of_the_batch(site: Site, tmp_path: Path) -> None:
    (site.role.directory / "files").mkdir()
    content = os.urandom((1 << 20) + 1)
    (site.role.directory / "files" / "big").write_bytes(content)
    site.role.write("roots: ['{{ root }}']\nresources: [{file: '{{ root }}/big', source: big}]")
    assert not site.apply().failures
    assert (site.root / "big").read_bytes() == content
    (action,) = site.host.documents[0]["actions"]
    assert "content" not in action
    assert site.apply().changed is False


def test_a_links_arrangement_that_the_site_had_before_us_is_kept(site: Site) -> None:
    site.shell("mkdir data; ln -s data spool")
    site.role.write(
        """\
        roots: ["{{ root }}"]
        resources:
          - {directory: "{{ root }}/spool"}
          - {file: "{{ root }}/spool/f", content: x}
        """
    )
    assert not site.apply().failures
    assert (site.root / "data" / "f").read_text() == "x"
    assert site.apply().differences == []
    site.shell("mkdir other; ln -sfn other spool; cp data/f other/f")
    outcome = site.apply()
    assert not outcome.changed
    assert f"leave {site.root}/spool/f alone" in str(outcome.differences[-1]["text"])
