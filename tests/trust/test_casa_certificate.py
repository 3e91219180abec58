"""The program that keeps a host's certificates, run here on a directory of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from casa_install.trust.authority import Authority, make_authority, private_key_pem
from casa_install.trust.leaf import make_request, sign_request

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "trust" / "files" / "casa-certificate.py"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
NAMES = ["a.example.test", "2001:db8::1"]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority(
        "CA", domains=["example.test"], networks=["2001:db8::/32"], lifetime=99 * DAY, now=NOW - 50 * DAY
    )


class Host:
    """A directory as a host has it at /etc/casa-install/tls."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.directory = directory
        self.authority = authority
        self.home = directory / "host"
        self.reloads = directory / "reloads"
        (directory / "authority.pem").write_text(authority.certificate_pem)
        self.write()

    def write(self, **changes: Any) -> None:
        row = {
            "name": "host",
            "source": "ca",
            "names": NAMES,
            "owner": "root",
            "group": "root",
            "mode": "0640",
            "reload": [f"echo x >> {self.reloads}"],
            "certificate": "",
            "key": "",
            **changes,
        }
        (self.directory / "certificates.json").write_text(json.dumps([row]))

    def run(self, command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(PROGRAM), "--table", str(self.directory / "certificates.json"), command]
        return subprocess.run(argv, input=given, capture_output=True, text=True, check=False)

    def sign(
        self, *, life: timedelta = 30 * DAY, now: datetime = NOW, authority: Authority | None = None
    ) -> str:
        request = json.loads(self.run("request").stdout)["host"]
        signed = sign_request(authority or self.authority, request, names=NAMES, lifetime=life, now=now)
        return json.dumps({"host": signed})

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.home.iterdir() if path.name != ".key.new"}


@pytest.fixture
def host(tmp_path: Path, authority: Authority) -> Host:
    return Host(tmp_path, authority)


def reason(host: Host) -> str:
    done = host.run("due")
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout.strip()


def test_from_nothing_to_in_order(host: Host) -> None:
    assert reason(host) == "host: there is none yet"
    signed = host.sign()
    assert host.run("install", signed).returncode == 0
    assert reason(host) == "host: its services have not read it"
    assert host.run("deploy").stdout == "deployed host\n"
    assert reason(host) == ""
    assert host.reloads.read_text() == "x\n"
    assert (host.home / "key.pem").stat().st_mode & 0o777 == 0o640
    assert host.run("request").stdout.strip() == "{}"
    assert host.run("deploy").stdout == ""
    assert host.reloads.read_text() == "x\n"


def installed(host: Host, **arguments: Any) -> None:
    done = host.run("install", host.sign(**arguments))
    assert done.returncode == 0, done.stderr
    host.run("deploy")


def test_due_near_its_end(host: Host) -> None:
    installed(host, life=30 * DAY, now=NOW - 19 * DAY)
    assert reason(host) == ""
    # A third of the life and one hour: where a life is counted from, in `sign_request`.
    (host.home / "cert.pem").unlink()
    installed(host, life=30 * DAY, now=NOW - 21 * DAY)
    assert reason(host).startswith("host: 9 days of 30 are left")


def test_due_for_other_names_another_key_or_another_authority(host: Host, authority: Authority) -> None:
    installed(host)
    host.write(names=["b.example.test"])
    assert reason(host) == "host: it is for other names"
    host.write(names=[name.upper() for name in reversed(NAMES)])
    assert reason(host) == ""
    other = make_authority("CA", domains=["example.test"], lifetime=9 * DAY, now=NOW)
    (host.directory / "authority.pem").write_text(other.certificate_pem)
    assert reason(host) == "host: it is not of the site's authority"
    (host.directory / "authority.pem").write_text(authority.certificate_pem)
    (host.home / "key.pem").write_text(private_key_pem(ec.generate_private_key(ec.SECP256R1())))
    assert reason(host) == "host: its key is not the host's key"


def test_a_certificate_for_another_key_is_refused(host: Host) -> None:
    installed(host)
    before = host.files()
    (host.home / "cert.pem").unlink()
    host.sign()
    key = ec.generate_private_key(ec.SECP256R1())
    signed = sign_request(host.authority, make_request(key, NAMES), names=NAMES, lifetime=DAY, now=NOW)
    done = host.run("install", json.dumps({"host": signed}))
    assert done.returncode == 2
    assert "not for the key that was asked for" in done.stderr
    assert host.files() == {name: text for name, text in before.items() if name != "cert.pem"}


def test_a_certificate_of_another_authority_is_refused(host: Host) -> None:
    networks = ["2001:db8::/32"]
    other = make_authority("CA", domains=["example.test"], networks=networks, lifetime=9 * DAY, now=NOW)
    done = host.run("install", host.sign(authority=other))
    assert done.returncode == 2
    assert "openssl verify" in done.stderr
    assert not (host.home / "cert.pem").exists()


def test_a_service_that_fails_leaves_it_due(host: Host) -> None:
    host.write(reload=["exit 3"])
    host.run("install", host.sign())
    done = host.run("deploy")
    assert done.returncode == 2
    assert "`exit 3` failed" in done.stderr
    assert reason(host) == "host: its services have not read it"


def test_files_that_others_keep_are_copied(host: Host, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    signed = sign_request(host.authority, make_request(key, NAMES), names=NAMES, lifetime=DAY, now=NOW)
    source = {"certificate": str(tmp_path / "given.pem"), "key": str(tmp_path / "given.key")}
    host.write(source="host", **source)
    assert "No such file" in reason(host)
    done = host.run("deploy")
    assert done.returncode == 2
    assert "there is no file" in done.stderr
    (tmp_path / "given.pem").write_text(signed)
    (tmp_path / "given.key").write_text(private_key_pem(ec.generate_private_key(ec.SECP256R1())))
    done = host.run("deploy")
    assert done.returncode == 2
    assert "is not the key of" in done.stderr
    assert not host.home.exists()
    (tmp_path / "given.key").write_text(private_key_pem(key))
    assert host.run("deploy").returncode == 0
    assert reason(host) == ""
    assert (host.home / "cert.pem").read_text() == signed
