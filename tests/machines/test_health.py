"""`status` and `verify` on an installed pool, and on one with a fault."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lab

pytestmark = pytest.mark.machines


def asked(lab: Lab, verb: str, *more: str) -> tuple[int, dict[str, Any], str]:
    """Run a verb on the lab; exit code, the JSON result and what a person would have seen."""
    inventories = ["-i", str(lab.inventory), "-i", str(lab.directory / "inventory")]
    done = lab.casa(verb, *inventories, "--json", *more)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def kept(lab: Lab) -> str:
    """All text that runs have left."""
    files: list[Path] = [path for path in lab.directory.parents[1].rglob("runs/**/*") if path.is_file()]
    assert files
    assert not [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return "\n".join(path.read_text(errors="replace") for path in files)


def test_a_pool_is_well_proves_itself_and_a_stopped_daemon_is_named(lab: Lab) -> None:
    code, _, seen = lab.apply()
    assert code == 0, seen

    code, status, seen = asked(lab, "status")
    assert (code, status["findings"]) == (0, []), seen
    assert {name: host["version"] for name, host in status["hosts"].items()} == dict.fromkeys(
        ("cm1", "ep1", "ep2"), "23.9.6"
    )
    assert [status["hosts"][name]["healthy"] for name in ("ep1", "ep2")] == [True, True]
    assert status["hosts"]["ep1"]["tokens"][0]["days"] > 300

    code, verified, seen = asked(lab, "verify")
    failed = [check for check in verified["checks"] if check["verdict"] == "failed"]
    assert (code, failed) == (0, []), seen
    passed = {(check["name"], check["host"]) for check in verified["checks"] if check["verdict"] == "passed"}
    assert {("least authority", "ep1"), ("no administrator by token", "cm1")} <= passed
    assert {("a job runs as its submitter", f"{name}.casa.test") for name in ("ep1", "ep2")} <= passed
    # A token is three parts in base64, the first of which begins so.
    assert "eyJ" not in kept(lab)

    lab.ssh("ep2", "systemctl stop condor.service")
    code, status, _ = asked(lab, "status")
    assert code == 1
    assert {finding["where"] for finding in status["findings"]} == {"ep2"}
    assert "condor.service is inactive" in [finding["what"] for finding in status["findings"]]
    quiet = lab.casa(
        "status", "-q", "-i", str(lab.inventory), "-i", str(lab.directory / "inventory"), "--plain"
    )
    assert quiet.returncode == 1
    assert "ep2: condor.service is inactive" in quiet.stdout
    assert "Hosts" not in quiet.stdout
    assert quiet.stderr == ""
