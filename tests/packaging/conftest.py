"""The built wheel, installed into an empty virtual environment; offline once its dependencies are cached."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _run(argv: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"


def _needed() -> list[str]:
    """What the wheel depends on, and what builds it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return sorted([*project["project"]["dependencies"], *project["build-system"]["requires"]])


@pytest.fixture(scope="session")
def dependencies() -> Path:
    """A folder with the wheels of all dependencies, filled through pip's own index the first time.

    Its name is a digest of what decides its content, so it never has to be looked through or emptied.
    """
    needed = _needed()
    decisive = [needed, sys.version_info[:2], sys.implementation.name, platform.machine()]
    digest = hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "casa-install" / "wheels"
    folder = cache / digest
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Moved into place in one step: a folder that is there is complete.
        partial = Path(tempfile.mkdtemp(dir=cache, prefix=".partial-"))
        try:
            _run([sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(partial), *needed])
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def offline(dependencies: Path) -> dict[str, str]:
    """An environment in which pip has the cached wheels and nothing else."""
    return {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(dependencies)}


@pytest.fixture(scope="session")
def wheel(offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)], offline)
    (built,) = folder.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installation:
    """A virtual environment that holds the wheel, and an empty folder to work in."""

    bin: Path
    home: Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an installed program as a new user would: no settings of Ansible, Python or this checkout."""
        return subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=self.home,
            env={
                "PATH": f"{self.bin}:/usr/bin:/bin",
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="session")
def environment(wheel: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    _run([*pip, "install", "--quiet", "--no-compile", str(wheel)], offline)
    return folder / "bin"


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installation:
    """The installation, in a working directory and a home of this test."""
    return Installation(environment, tmp_path)
