"""The health check of an execution point, run as the startd runs it and by its parts."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.template import trust_as_template

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "htcondor" / "files" / "casa-health.py"
BARE = {"PATH": "/nonexistent"}


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("casa_health", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HEALTH = _module()


def ad(*arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run the check and return its attributes; the text must be one ad with its end."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env=env,
    )
    *lines, end = done.stdout.splitlines()
    assert end == "- update:true"
    return {name: json.loads(value) for name, value in (line.split(" = ", 1) for line in lines)}


def program(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_good_host_is_healthy_and_says_what_was_not_looked_at(tmp_path: Path) -> None:
    found = ad("--scratch", str(tmp_path), "--name", "localhost", "--mount", "/proc", env=BARE)
    assert found.pop("CasaHealthCheckedAt") >= time.time() - 20
    assert found == {
        "CasaHealthy": True,
        "CasaHealthReason": "ok",
        "CasaHealthSkipped": "clock: no time service of this host can be asked",
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--scratch-mib", "999999999"], r"scratch: \d+ MiB are free, 999999999 are needed"),
        (["--scratch-inodes", "9999999999999"], r"scratch: \d+ inodes are free, 9999999999999 are needed"),
        (["--scratch", "/nonexistent/dir"], "scratch: No such file or directory"),
        (["--name", "no-such-host.invalid"], r"name no-such-host\.invalid: .+"),
        (["--mount", "/nonexistent"], "mount /nonexistent: No such file or directory"),
        (
            ["--name", "no-such-host.invalid", "--mount", "/nonexistent"],
            r"name no-such-host\.invalid: [^;]+; mount /nonexistent: .+",
        ),
    ],
)
def test_a_broken_host_says_why(tmp_path: Path, arguments: list[str], reason: str) -> None:
    if "--scratch-inodes" in arguments and os.statvfs(tmp_path).f_files == 0:
        pytest.skip("this file system does not count inodes")
    found = ad("--scratch", str(tmp_path), *arguments, env=BARE)
    assert found["CasaHealthy"] is False
    assert re.fullmatch(reason, found["CasaHealthReason"])


def test_a_directory_with_nothing_mounted_there_is_no_mount() -> None:
    assert HEALTH.mount("/usr/..") == HEALTH.Result()  # the root file system itself is mounted
    if Path("/usr").stat().st_dev != Path("/").stat().st_dev:
        pytest.skip("/usr is a file system of its own here")
    assert HEALTH.mount("/usr").fault == "nothing is mounted there"


def test_a_hanging_check_is_left_behind_and_the_others_still_count(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    checks = [
        HEALTH.Check("mount /dead", lambda: pipe.read_text() and HEALTH.Result()),
        HEALTH.Check("scratch", lambda: HEALTH.Result("full")),
    ]
    began = time.monotonic()
    results = HEALTH.run(checks, 1)
    assert time.monotonic() - began < 3
    assert {name: result.fault for name, result in results.items()} == {
        "mount /dead": "no answer in time",
        "scratch": "full",
    }


def test_a_check_that_dies_is_no_good_check() -> None:
    results = HEALTH.run([HEALTH.Check("odd", lambda: os._exit(0)), HEALTH.Check("bug", lambda: 1 // 0)], 5)
    assert {result.fault for result in results.values()} == {"the check itself failed"}


CHRONY = "A9FEA97B,time,3,1700000000.0,{offset},0.0,0.0,1.0,0.0,0.0,0.0,0.0,64.0,{leap}"


@pytest.mark.parametrize(
    ("programs", "fault", "skipped"),
    [
        ({"chronyc": "echo " + CHRONY.format(offset="-0.002", leap="Normal")}, "", ""),
        (
            {"chronyc": "echo " + CHRONY.format(offset="-4.5", leap="Normal")},
            "chrony sees it off by 4.500 s",
            "",
        ),
        (
            {"chronyc": "echo " + CHRONY.format(offset="0", leap="'Not synchronised'")},
            "chrony is not synchronised",
            "",
        ),
        ({"timedatectl": "echo NTP=yes; echo NTPSynchronized=yes"}, "", ""),
        (
            {"chronyc": "exit 1", "timedatectl": "echo NTP=yes; echo NTPSynchronized=no"},
            "systemd says that it is not synchronised",
            "",
        ),
        (
            {"timedatectl": "echo NTP=no; echo NTPSynchronized=no"},
            "",
            "no time service of this host can be asked",
        ),
        ({}, "", "no time service of this host can be asked"),
    ],
)
def test_the_clock(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: dict[str, str],
    fault: str,
    skipped: str,
) -> None:
    for name, text in programs.items():
        program(tmp_path, name, text)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert HEALTH.clock(1.0) == HEALTH.Result(fault, skipped)


def test_a_point_that_takes_no_jobs_is_left_out_of_the_proof(templar: Callable[..., Any]) -> None:
    lines = [
        "ep1.t3.example.edu\tslot1@ep1\t2\t2000\tUnclaimed\tversion\tmount /nfs: nothing is mounted there",
        "ep2.t3.example.edu\tslot1@ep2\t2\t2000\tUnclaimed\tversion\t",
        "x.example.edu\tslot1@x\t2\t2000\tUnclaimed\tversion\tmount /nfs: gone",
    ]
    host = templar(
        "execute", groups={"condor_execute": ["ep1", "ep2"]}, hostvars={"ep1": {}, "ep2": {}},
        __htcondor_pool={"stdout_lines": lines},
    )  # fmt: skip
    assert host.template(trust_as_template("{{ __htcondor_unhealthy }}")) == {
        "ep1.t3.example.edu": "mount /nfs: nothing is mounted there"
    }
    assert host.template(trust_as_template("{{ __htcondor_healthy }}")) == ["ep2.t3.example.edu"]


def test_a_reason_cannot_break_out_of_its_string() -> None:
    text = HEALTH.attributes({'a "b"': HEALTH.Result("back\\slash\nSTART = true")})
    assert 'CasaHealthReason = "a \\"b\\": back\\\\slash?START = true"' in text.splitlines()
