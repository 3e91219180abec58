"""A user's own environments on top of the shared one: makes them, and brings their packages to workers.

An own environment is a virtual environment in the home directory that sees all of the shared one and adds to
it. Workers have the shared one alone, so a client started in an own environment sends them the packages.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(__file__).resolve().parent
VARIABLE = "CASA_OWN_PACKAGES"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")
# Each start of Python takes the version that is current then, and stays with it.
HOOK = '''"""Written by casa-own-packages: shows the shared environment to this one."""
import os, site, sys
root = os.path.realpath({link!r})
packages = os.path.join(root, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
if packages not in sys.path:
    site.addsitedir(packages)
os.environ[{variable!r}] = os.path.dirname(os.path.abspath(__file__))
# Workers have no home directory of the user: they run the shared environment's own interpreter.
for name in ("HTCONDOR", "LOCALHOST", "COFFEA_CASA"):
    os.environ.setdefault("DASK_JOBQUEUE__%s__PYTHON" % name, os.path.join(root, "bin", "python"))
'''
# What a virtual environment has of itself, and what is no use on another computer.
LEFT_OUT = re.compile(r"(pip|_casa_shared|__pycache__|setuptools|distutils-precedence)([-./]|$)|.*\.pyc$")


class OwnPackages(WorkerPlugin):
    """Puts a user's packages on a worker's path, also on workers that come later.

    Args:
        content: A zip archive of them.
    """

    name = "casa-own-packages"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.digest = hashlib.sha256(content).hexdigest()

    def setup(self, worker: Any) -> None:
        """Unpack them into the worker's own directory, which ends with it."""
        target = Path(worker.local_directory) / f"own-packages-{self.digest[:16]}"
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=worker.local_directory) as passing:
                with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
                    archive.extractall(Path(passing) / "new")
                (Path(passing) / "new").rename(target)
        if str(target) not in sys.path:
            sys.path.insert(0, str(target))
        importlib.invalidate_caches()


def packed(directory: Path) -> bytes:
    """The packages of an environment as a zip archive; empty where it has none.

    Args:
        directory: Its `site-packages`.
    """
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    kept = [path for path in files if not LEFT_OUT.match(path.relative_to(directory).as_posix())]
    kept = [path for path in kept if "__pycache__" not in path.parts]
    if not kept:
        return b""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in kept:
            archive.write(path, path.relative_to(directory).as_posix())
    return content.getvalue()


async def dask_setup(client: Any) -> None:
    """What Dask runs when a client has reached its scheduler."""
    directory = os.environ.get(VARIABLE)
    content = packed(Path(directory)) if directory else b""
    if content:
        await client.register_plugin(OwnPackages(content))


def send(client: Any) -> None:
    """Bring packages to workers that were installed after the client started."""
    content = packed(Path(os.environ[VARIABLE]))
    if content:
        client.register_plugin(OwnPackages(content))


def home(name: str) -> Path:
    """Where an own environment is (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
    return Path(base) / "casa/environments" / name


def kernel(name: str) -> Path:
    """Where Jupyter looks for its kernel."""
    base = os.environ.get("JUPYTER_DATA_DIR") or str(Path.home() / ".local/share/jupyter")
    return Path(base) / "kernels" / name


def make(name: str) -> None:
    """Make an environment and its kernel; the packages of an existing one stay."""
    target = home(name)
    python = target / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    packages = next(target.glob(f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"))
    hook = HOOK.format(link=str(ROOT.parent / "current"), variable=VARIABLE)
    (packages / "_casa_shared.py").write_text(hook, encoding="utf-8")
    # Dask reads its settings below the prefix of the environment that it runs in.
    settings = target / "etc/dask"
    settings.parent.mkdir(exist_ok=True)
    if not settings.is_symlink():
        settings.symlink_to(ROOT.parent / "current/etc/dask")
    # A line of a `.pth` file that begins with import is run (module `site`).
    (packages / "_casa_shared.pth").write_text("import _casa_shared\n", encoding="utf-8")
    kernel(name).mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python ({name})",
        "language": "python",
        "metadata": {"debugger": True},
    }
    (kernel(name) / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
    print(f"{target}\nIn JupyterLab it is the kernel `Python ({name})`.")
    print(f"Add packages with: casa-own-packages install {name} PACKAGE")


def install(name: str, packages: list[str]) -> None:
    """Install packages; what the shared environment has keeps its version."""
    python = home(name) / "bin/python"
    if not python.exists():
        raise SystemExit(f"Error: there is no environment {name}. Hint: casa-own-packages make {name}")
    shared = importlib.metadata.distributions(path=[str(SHARED)])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.writelines(
            f"{one.metadata['Name']}=={one.version}\n" for one in shared if one.metadata["Name"] != "pip"
        )
        constraints.flush()
        command = [str(python), "-m", "pip", "install", "-c", constraints.name, *packages]
        raise SystemExit(subprocess.run(command, check=False).returncode)


def remove(name: str) -> None:
    """Remove an environment and its kernel."""
    for path in (home(name), kernel(name)):
        if path.is_dir():
            shutil.rmtree(path)


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="casa-own-packages", description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (("make", make.__doc__), ("install", install.__doc__), ("remove", remove.__doc__)):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("name", metavar="NAME")
        if verb == "install":
            one.add_argument("packages", nargs="+", metavar="PACKAGE", help="as for pip")
    verbs.add_parser("list", help="List your environments.")
    options = parser.parse_args()
    if options.verb == "list":
        print("\n".join(sorted(path.name for path in home("").glob("*"))))
        return
    if not NAME.fullmatch(options.name):
        raise SystemExit("Error: a name has small letters, digits and ._- only.")
    {"make": make, "remove": remove, "install": lambda name: install(name, options.packages)}[options.verb](
        options.name
    )
