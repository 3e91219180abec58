"""The program that makes a session's files, run as its user."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles/dask/files/casa-session-credentials.py"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    path = tmp_path / "runtime"
    path.mkdir(mode=0o700)
    return path


def call(runtime: Path, *words: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(runtime), "HOME": str(runtime)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )


def test_files_are_the_users_alone_and_stay_for_another_login(runtime: Path) -> None:
    assert call(runtime, "make", umask=0).returncode == 0
    files = runtime / "casa-session" / "dask"
    assert files.parent.stat().st_mode & 0o777 == 0o700
    assert {
        path.name: path.stat().st_mode & 0o777 for path in files.iterdir() if not path.is_symlink()
    } == dict.fromkeys(("ca.pem", "cert.pem", "key.pem", "expires"), 0o600)
    before = (files / "key.pem").read_bytes()
    assert call(runtime, "login").returncode == 0
    assert (files / "key.pem").read_bytes() == before


def test_files_that_soon_end_are_made_anew(runtime: Path) -> None:
    call(runtime, "make")
    files = runtime / "casa-session" / "dask"
    before = (files / "ca.pem").read_bytes()
    (files / "expires").write_text("1\n")
    assert call(runtime, "make").returncode == 0
    assert (files / "ca.pem").read_bytes() != before


def test_no_key_of_the_authority_is_kept(runtime: Path) -> None:
    call(runtime, "make")
    keys = [path for path in (runtime / "casa-session").rglob("*") if b"PRIVATE" in _bytes(path)]
    assert {path.resolve().name for path in keys} == {"key.pem"}


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_python_takes_the_certificates_under_strict_rules(runtime: Path) -> None:
    call(runtime, "make")
    files = runtime / "casa-session" / "dask"
    sides = []
    pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
    for purpose in (ssl.Purpose.SERVER_AUTH, ssl.Purpose.CLIENT_AUTH):
        context = ssl.create_default_context(purpose, cafile=files / "ca.pem")
        context.load_cert_chain(files / "cert.pem", files / "key.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        server = purpose is ssl.Purpose.CLIENT_AUTH
        incoming, outgoing = pipes[::-1] if server else pipes
        name = None if server else "localhost"
        sides.append(context.wrap_bio(incoming, outgoing, server_side=server, server_hostname=name))
    done = set()
    for _ in range(10):
        for side in sides:
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    assert done == set(sides)


def test_environment_names_what_is_there(runtime: Path) -> None:
    call(runtime, "make")
    told = dict(line.split("=", 1) for line in call(runtime, "environment").stdout.splitlines())
    assert "BEARER_TOKEN_FILE" not in told
    files = [Path(path) for path in told["CASA_WORKER_FILES"].split(",")]
    assert files[0] == Path("/usr/local/libexec/casa-dask-worker.sh")
    assert all(path.is_file() for path in files[1:])
    assert all(Path(path).is_file() for path in told["CASA_DOCKER_FILES"].split(","))
    assert told["DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"] == str(runtime / "casa-session/dask/key.pem")


def test_a_shell_takes_what_login_prints(runtime: Path) -> None:
    printed = call(runtime, "login").stdout
    done = subprocess.run(
        ["/bin/sh", "-euc", printed + 'echo "$CASA_WORKER_FILES"'], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("/usr/local/libexec/casa-dask-worker.sh,")


def test_nothing_is_left_after_remove(runtime: Path) -> None:
    call(runtime, "make")
    assert call(runtime, "remove").returncode == 0
    assert list(runtime.glob("casa-session")) == []


def test_a_directory_of_others_is_refused(runtime: Path) -> None:
    (runtime / "casa-session").mkdir(mode=0o755)
    said = call(runtime, "make")
    assert said.returncode == 1
    assert "is not a directory that only" in said.stderr
    assert list((runtime / "casa-session").iterdir()) == []


@pytest.mark.parametrize("words", [["make", "no-such-account"], ["frobnicate"], [], ["login", "root"]])
def test_other_words_are_refused(runtime: Path, words: list[str]) -> None:
    assert call(runtime, *words).returncode in (1, 2)
    assert list(runtime.iterdir()) == []
