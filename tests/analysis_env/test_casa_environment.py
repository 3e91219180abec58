"""casa-environment: versions side by side, whole or not there at all."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles/analysis_env/files/casa-environment.py"


def casa(*arguments: object, ends: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == ends, done.stderr
    return done


def wheel(directory: Path, name: str, release: str, needs: str = "") -> str:
    """Write a wheel with one module, and return its line of a lock file (the wheel format is PEP 427)."""
    info = f"{name}-{release}.dist-info"
    files = {
        f"{name}.py": f"release = {release!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n"
        + (f"Requires-Dist: {needs}\n" if needs else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    path = directory / f"{name}-{release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return f"{name}=={release} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


class Site:
    """A directory of versions, and what they are made from."""

    def __init__(self, directory: Path) -> None:
        self.versions = directory / "env"
        self.wheels = directory / "wheels"
        self.wheels.mkdir()
        self.lock = directory / "lock.txt"
        self.lock.write_text("# a lock\n" + wheel(self.wheels, "proof", "1.0"), encoding="utf-8")

    def build(self, version: str, *more: object, digest: str = "d1", ends: int = 0) -> str:
        done = casa(
            *("build", "--directory", self.versions, "--python", sys.executable, "--lock", self.lock),
            *("--digest", digest, "--wheels", self.wheels, *more, version),
            ends=ends,
        )
        return done.stderr

    def has(self, version: str, *more: object, ends: int = 0) -> str:
        return casa(
            *("complete", "--directory", self.versions, "--python", sys.executable, *more, version), ends=ends
        ).stderr

    def release(self, version: str, module: str = "proof") -> str:
        command = [self.versions / version / "bin/python", "-c", f"import {module}; print({module}.release)"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def names(self) -> set[str]:
        return {path.name for path in self.versions.iterdir()} - {".lock"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def pretend(directory: Path, *versions: str) -> None:
    """Have complete versions without any content, the oldest first."""
    for age, version in enumerate(reversed(versions)):
        (directory / version).mkdir(parents=True)
        marker = directory / version / ".complete"
        marker.write_text(json.dumps({"version": version, "kind": "any", "digest": ""}), encoding="utf-8")
        then = time.time() - age * 3600
        os.utime(marker, (then, then))


def test_a_version_is_built_from_its_lock_alone(site: Site) -> None:
    wheel(site.wheels, "proof", "2.0")
    site.has("v1", ends=1)
    site.build("v1")
    site.has("v1", "--digest", "d1")
    assert site.release("v1") == "1.0"
    assert site.names() == {"v1"}


def test_a_wheel_that_is_not_the_locked_one_is_refused_and_leaves_nothing(site: Site) -> None:
    wheel(site.wheels, "proof", "1.0", needs="elsewhere")
    assert "DO NOT MATCH THE HASHES" in site.build("v1", ends=1)
    assert site.names() == set()


def test_a_version_never_changes_its_contents(site: Site) -> None:
    site.build("v1")
    before = (site.versions / "v1/.complete").stat()
    site.build("v1")
    assert "other contents" in site.build("v1", digest="d2", ends=1)
    assert "something else" in site.has("v1", "--digest", "d2", ends=1)
    assert (site.versions / "v1/.complete").stat() == before


def test_extra_packages_keep_what_is_locked(site: Site, tmp_path: Path) -> None:
    wheel(site.wheels, "proof", "2.0")
    wheel(site.wheels, "more", "1.0", needs="proof")
    extra = tmp_path / "extra.txt"
    extra.write_text("more==1.0\n", encoding="utf-8")
    site.build("v1", "--extra", extra)
    assert (site.release("v1"), site.release("v1", "more")) == ("1.0", "1.0")
    wheel(site.wheels, "newer", "1.0", needs="proof>=2")
    extra.write_text("newer==1.0\n", encoding="utf-8")
    assert "conflict" in site.build("v2", "--extra", extra, ends=1)
    assert site.names() == {"v1"}


def test_extra_packages_with_digests_need_nothing_else(site: Site, tmp_path: Path) -> None:
    extra = tmp_path / "extra.txt"
    extra.write_text(wheel(site.wheels, "more", "1.0", needs="missing"), encoding="utf-8")
    assert "missing" in site.build("v1", "--extra", extra, ends=1)
    extra.write_text(wheel(site.wheels, "more", "1.0"), encoding="utf-8")
    site.build("v1", "--extra", extra)
    assert site.release("v1", "more") == "1.0"


class Index(BaseHTTPRequestHandler):
    """A package index that has nothing, and remembers who asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("Authorization", ""))
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


def test_a_password_of_the_index_reaches_it_and_nobody_else(site: Site, tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever).start()
        index = f"http://user:canary-7@127.0.0.1:{server.server_port}/simple"
        config.write_text(f"[global]\nindex-url = {index}\n", encoding="utf-8")
        done = casa(
            *("build", "--directory", site.versions, "--python", sys.executable, "--lock", site.lock),
            *("--digest", "d1", "--pip-config", config, "v1"),
            ends=1,
        )
        server.shutdown()
    assert "No matching distribution found for proof==1.0" in done.stderr
    assert "canary-7" not in done.stdout + done.stderr
    assert f"Basic {base64.b64encode(b'user:canary-7').decode()}" in Index.asked


def test_what_a_killed_build_left_is_no_version_and_goes_with_the_next(site: Site) -> None:
    command = [
        sys.executable,
        str(PROGRAM),
        "build",
        "--directory",
        str(site.versions),
        "--python",
        sys.executable,
    ]
    command += ["--lock", str(site.lock), "--digest", "d1", "--wheels", str(site.wheels), "v1"]
    process = subprocess.Popen(command)
    while not (site.versions / "v1/pyvenv.cfg").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    site.has("v1", ends=1)
    site.build("v2")
    assert site.names() == {"v2"}


@pytest.fixture
def packed(site: Site, tmp_path: Path) -> tuple[Site, Path, str]:
    site.build("v1")
    archive = tmp_path / "archive"
    digest = casa("pack", "--directory", site.versions, "--output", archive, "v1").stdout.strip()
    (site.versions / "v1").rename(tmp_path / "elsewhere")
    return site, archive, digest


def unpack(
    site: Site, archive: Path, digest: str, version: str = "v1", python: str = "", ends: int = 0
) -> str:
    return casa(
        *("unpack", "--directory", site.versions, "--python", python or sys.executable),
        *("--archive", archive, "--sha256", digest, version),
        ends=ends,
    ).stderr


def test_an_archive_gives_the_same_version(packed: tuple[Site, Path, str]) -> None:
    site, archive, digest = packed
    assert archive.stat().st_mode & 0o777 == 0o600
    unpack(site, archive, digest)
    site.has("v1", "--digest", "d1")
    assert site.release("v1") == "1.0"
    assert site.names() == {"v1"}


def test_a_damaged_archive_is_refused(packed: tuple[Site, Path, str]) -> None:
    site, archive, digest = packed
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    assert "is not what was packed" in unpack(site, archive, digest, ends=1)
    assert site.names() == set()


def test_an_archive_for_another_python_or_version_is_refused(packed: tuple[Site, Path, str]) -> None:
    site, archive, digest = packed
    assert "this host is" in unpack(site, archive, digest, python="/usr/bin/python3.99", ends=1)
    assert "no part of v2" in unpack(site, archive, digest, version="v2", ends=1)
    assert site.names() == set()


@pytest.mark.parametrize("name", ["../outside", "/outside", "v1/../../outside", "other/file"])
def test_an_archive_that_leads_elsewhere_is_refused(site: Site, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "archive"
    with tarfile.open(archive, "w:gz") as content:
        content.addfile(tarfile.TarInfo(name), io.BytesIO())
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert "no part of v1" in unpack(site, archive, digest, ends=1)
    assert site.names() == set()
    assert not (tmp_path / "outside").exists()


def test_the_link_always_leads_to_a_version(site: Site) -> None:
    pretend(site.versions, "v1", "v2")
    link = site.versions / "current"
    casa("is-current", "--directory", site.versions, "v1", ends=1)
    casa("switch", "--directory", site.versions, "v1")
    seen, faults, done = set(), [], threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                seen.add(json.loads((link / ".complete").read_text(encoding="utf-8"))["version"])
            except OSError as fault:
                faults.append(fault)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(10):
        casa("switch", "--directory", site.versions, "v2")
        casa("switch", "--directory", site.versions, "v1")
    done.set()
    reader.join()
    assert (seen, faults) == ({"v1", "v2"}, [])
    assert casa("switch", "--directory", site.versions, "v1").stdout == ""
    assert "not complete" in casa("switch", "--directory", site.versions, "v3", ends=1).stderr
    casa("is-current", "--directory", site.versions, "v1")


def prune(site: Site, *more: object, ends: int = 0) -> str:
    done = casa("prune", "--directory", site.versions, *more, ends=ends)
    return done.stdout + done.stderr


USES = {
    "as its directory": ("cd {path} && exec sleep 60", {}),
    "in its arguments": ("exec tail -f {path}/.complete", {}),
    "in its environment": ("exec sleep 60", {"VIRTUAL_ENV": "{path}"}),
    "as an open file": ("exec sleep 60 < {path}/.complete", {}),
}


@pytest.mark.parametrize("how", USES)
def test_a_version_in_use_stays_until_nobody_uses_it(site: Site, how: str) -> None:
    pretend(site.versions, "v1", "v2")
    casa("switch", "--directory", site.versions, "v2")
    command, environment = USES[how]
    path = str(site.versions / "v1")
    process = subprocess.Popen(
        ["/bin/sh", "-c", command.format(path=path)],
        env={
            "PATH": "/usr/bin:/bin",
            **{name: value.format(path=path) for name, value in environment.items()},
        },
    )
    try:
        while Path(f"/proc/{process.pid}/comm").read_text() not in ("sleep\n", "tail\n"):
            time.sleep(0.01)
        assert prune(site, "--check") == ""
        assert prune(site) == ""
        assert casa("used", "--directory", site.versions).stdout == "v1\n"
        state = json.loads(casa("state", "--directory", site.versions).stdout)
        assert (state["current"], state["versions"]["v1"]["processes"]) == ("v2", [process.pid])
    finally:
        process.kill()
        process.wait()
    assert "v1 can be removed" in prune(site, "--check", ends=1)
    assert prune(site) == f"removed {path}\n"
    assert site.names() == {"v2", "current"}


def test_a_process_that_maps_a_library_uses_its_version(site: Site) -> None:
    pretend(site.versions, "v1", "v2")
    library = site.versions / "v1/library"
    library.write_bytes(bytes(4096))
    script = site.versions.parent / "script.py"
    script.write_text(
        "import mmap, sys\n"
        f"with open({str(library)!r}, 'rb') as file:\n"
        "    held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "print(flush=True)\nsys.stdin.read()\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            assert prune(site) == f"removed {site.versions / 'v2'}\n"
        finally:
            process.kill()


def test_the_newest_others_are_kept_and_those_that_other_hosts_use(site: Site) -> None:
    pretend(site.versions, "v1", "v2", "v3", "v4", "v5")
    casa("switch", "--directory", site.versions, "v2")
    assert prune(site, "--keep", "1", "--used", "v3") == "\n".join(
        [f"removed {site.versions / name}" for name in ("v1", "v4")] + [""]
    )
    assert site.names() == {"v2", "v3", "v5", "current"}


def test_what_is_no_version_is_left_alone(site: Site) -> None:
    pretend(site.versions, "v1")
    (site.versions / "notes").mkdir()
    prune(site)
    assert site.names() == {"notes"}


@pytest.mark.parametrize("name", ["current", "../v1", "", "a/b", ".hidden"])
def test_a_version_that_is_no_name_is_refused(site: Site, name: str) -> None:
    casa("switch", "--directory", site.versions, name, ends=2)
