"""What the wheel holds, and that `pip install casa-install` is the whole installation."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import casa_install

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Installation

COLLECTION = "ansible_collections/casa/install"
DISTRIBUTION = f"casa_install-{casa_install.__version__}"


@pytest.fixture(scope="session")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_what_git_has_and_nothing_else(
    names: list[str], request: pytest.FixtureRequest
) -> None:
    root = request.config.rootpath
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]
    expected = {name for name in files if name.startswith("casa_install/")}
    for folder in ("inventories/", "meta/", "playbooks/", "roles/"):
        expected |= {f"{COLLECTION}/{name}" for name in files if name.startswith(folder)}
    plugins = "casa_install/plugins/"
    expected |= {
        f"{COLLECTION}/plugins/{name.removeprefix(plugins)}" for name in files if name.startswith(plugins)
    }
    expected.add(f"{COLLECTION}/galaxy.yml")
    shipped = {name for name in names if not name.startswith(f"{DISTRIBUTION}.dist-info/")}
    assert sorted(shipped) == sorted(expected)


def test_the_wheel_has_no_tests_tools_or_development_links(names: list[str]) -> None:
    folders = {name.partition("/")[0] for name in names}
    assert folders == {"casa_install", "ansible_collections", f"{DISTRIBUTION}.dist-info"}
    assert not [name for name in names if "/tests/" in name or "/molecule/" in name or ".dev" in name]


def test_versions_are_equal(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        galaxy = yaml.safe_load(archive.read(f"{COLLECTION}/galaxy.yml"))
        metadata = archive.read(f"{DISTRIBUTION}.dist-info/METADATA").decode()
        runtime = yaml.safe_load(archive.read(f"{COLLECTION}/meta/runtime.yml"))
    assert galaxy["version"] == casa_install.__version__
    assert f"\nVersion: {casa_install.__version__}\n" in metadata
    wanted = next(line for line in metadata.splitlines() if line.startswith("Requires-Dist: ansible-core"))
    supported = SpecifierSet(wanted.removeprefix("Requires-Dist: ansible-core"))
    assert SpecifierSet(runtime["requires_ansible"]) == supported


@pytest.mark.parametrize(
    "program", [["casa-install"], ["python", "-m", "casa_install"]], ids=["script", "module"]
)
def test_help_and_validate_run_from_anywhere(installed: Installation, program: list[str]) -> None:
    done = installed.run(*program, "--help")
    assert done.returncode == 0, done.stderr
    assert "validate" in done.stdout

    done = installed.run(*program, "validate", "-i", "inventories/lab")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "site is valid: 6 hosts in 6 groups\n"


def test_a_missing_inventory_is_told_from_the_wheel_too(installed: Installation) -> None:
    done = installed.run("casa-install", "validate", "-i", "inventories/none")
    assert done.returncode == 2
    assert "Error:" in done.stderr
    assert "Traceback" not in done.stderr


def test_ansible_finds_the_playbook_without_our_command_line(installed: Installation) -> None:
    inventory = installed.bin.parent / "lib"
    (inventory,) = inventory.glob(f"python*/site-packages/{COLLECTION}/inventories/example")
    done = installed.run("ansible-playbook", "casa.install.site", "-i", str(inventory), "--list-tasks")
    assert done.returncode == 0, done.stderr
    assert "casa.install.base : Require that every gate is passed" in done.stdout
    assert "casa.install.htcondor : " in done.stdout
    assert "[WARNING]" not in done.stderr
    assert not (installed.home / "ansible.cfg").exists()


# Only reads: the dry run ends at a gate that no host can pass, before any task that could change something.
REFUSED = """\
all:
  vars:
    site_name: Refused
    site_domain: t3.example.org
    base_cgroup_versions: []
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    condor_manager: {hosts: {cm.t3.example.org: }}
    condor_execute: {hosts: {cm.t3.example.org: }}
"""


def test_ansible_runs_the_roles_without_our_command_line(installed: Installation) -> None:
    (installed.home / "hosts.yml").write_text(REFUSED)
    done = installed.run("ansible-playbook", "casa.install.site", "-i", "hosts.yml", "--check")
    assert done.returncode == 2, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "Require that every gate is passed" in said
    assert "cgroup: the host uses cgroup v" in said
    assert "base_skip_gates: [cgroup]" in said
    assert "changed=0" in said
    assert "casa.install.htcondor" not in said
