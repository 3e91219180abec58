"""`status` and `verify` on an installed pool, and on one with a fault."""

from __future__ import annotations

import base64
import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
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


SEEN = ("machine", "daemons", "slots", "address", "groups", "fault")
"""What of a host the pool itself tells."""


class Reader:
    """Asks the lab's pool from this computer, without SSH, with a token of its own."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.address = lab.ssh("cm1", "hostname -i").split()[0]

    def token(self, name: str, *options: str) -> Path:
        """A directory with a token that the manager has made, good for ten minutes."""
        path = self.directory / name
        path.mkdir(mode=0o700)
        made = self.lab.ssh("cm1", f"condor_token_create -lifetime 600 {' '.join(options)}")
        (path / "token").touch(mode=0o600)
        (path / "token").write_text(made)
        return path

    def ask(self, tokens: Path, *more: str) -> subprocess.CompletedProcess[str]:
        """`status` without SSH; its inventory names hosts that cannot be reached."""
        where = ("--pool", self.address, "--token-directory", str(tokens))
        return self.lab.casa("status", "-i", str(self.lab.inventory), *where, "--json", *more)

    def refused(self, tokens: Path) -> str:
        """How it was refused."""
        done = self.ask(tokens)
        document = json.loads(done.stdout)
        assert (document["exit_code"], "hosts" in document) == (done.returncode, False), done.stdout
        assert done.returncode in (1, 2)
        return str(document["error"])


def without_ssh(lab: Lab, directory: Path, over_ssh: dict[str, Any]) -> None:
    """The pool says the same without SSH to one who has a token, and nothing to anybody else."""
    reader = Reader(lab, directory)
    good = reader.token("good", "-identity", "reader@pool.casa.test", "-authz", "READ")
    done = reader.ask(good)
    direct = json.loads(done.stdout)
    assert (done.returncode, direct["findings"]) == (0, []), done.stderr
    for name, host in direct["hosts"].items():
        assert {key: host[key] for key in SEEN} == {key: over_ssh["hosts"][name][key] for key in SEEN}
        assert [host[key] for key in ("version", "unit", "tokens", "owed", "drift")] == [None] * 5
    for key in ("jobs", "held", "queues", "others", "fault"):
        assert direct[key] == over_ssh[key]
    assert direct["schedds"].keys() == over_ssh["schedds"].keys()
    assert direct["negotiation"].keys() == over_ssh["negotiation"].keys()

    nothing = directory / "nothing"
    nothing.mkdir()
    assert f"There is no token in {nothing}" in reader.refused(nothing)
    # The pool takes no token for an administrator, and none that never ends.
    admin = reader.token("admin", "-identity", "condor@pool.casa.test")
    assert "refuses the token of condor@pool.casa.test: AUTHENTICATE:1003" in reader.refused(admin)
    # The signature of one token under the claims of another.
    forged = reader.token("forged", "-identity", "other@pool.casa.test")
    mine, other = (path.joinpath("token").read_text().strip().split(".") for path in (good, forged))
    (forged / "token").write_text(".".join([*other[:2], mine[2]]))
    assert "refuses the token of other@pool.casa.test: AUTHENTICATE:1003" in reader.refused(forged)
    foreign = reader.token("foreign", "-identity", "reader@casa.test")
    claims = json.loads(base64.urlsafe_b64decode(other[1] + "=" * (-len(other[1]) % 4)))
    claims["iss"] = "other.test"
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    (foreign / "token").write_text(".".join([other[0], body, other[2]]))
    assert "takes tokens of the trust domain pool.casa.test" in reader.refused(foreign)


def test_a_pool_is_well_proves_itself_and_a_stopped_daemon_is_named(lab: Lab, tmp_path: Path) -> None:
    code, _, seen = lab.apply()
    assert code == 0, seen

    code, status, seen = asked(lab, "status")
    assert (code, status["findings"]) == (0, []), seen
    assert {name: host["version"] for name, host in status["hosts"].items()} == dict.fromkeys(
        ("cm1", "ep1", "ep2"), "23.9.6"
    )
    assert {daemon["version"] for host in status["hosts"].values() for daemon in host["daemons"]} == {
        "23.9.6"
    }
    assert [status["hosts"][name]["slots"]["healthy"] for name in ("ep1", "ep2")] == [True, True]
    assert status["hosts"]["ep1"]["tokens"][0]["days"] > 300

    without_ssh(lab, tmp_path, status)

    code, verified, seen = asked(lab, "verify")
    failed = [check for check in verified["checks"] if check["verdict"] == "failed"]
    assert (code, failed) == (0, []), seen
    passed = {(check["name"], check["host"]) for check in verified["checks"] if check["verdict"] == "passed"}
    assert {("least authority", "ep1"), ("no administrator by token", "cm1")} <= passed
    assert {("a job runs as its submitter", name) for name in ("ep1", "ep2")} <= passed
    assert {("a job has its own /tmp", name) for name in ("ep1", "ep2")} <= passed
    assert {
        ("submit from elsewhere with a token", "cm1"),
        ("no submission without a token", "cm1"),
        ("a running job can be watched", "cm1"),
    } <= passed
    # It leaves nothing in the queue; a job that was removed a moment ago may still be on its way out.
    assert lab.ssh("cm1", "condor_q -allusers -constraint 'JobStatus != 3' -af ClusterId") == ""
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
