"""The workflows are ones that GitHub accepts, and test what the checkout has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
IMAGES = sorted((ROOT / ".github" / "images").glob("*.Containerfile"))
ACTIONLINT = shutil.which("actionlint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def jobs(name: str) -> dict[str, Any]:
    return dict(load(ROOT / ".github" / "workflows" / f"{name}.yml")["jobs"])


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    assert ACTIONLINT
    argv = [ACTIONLINT, "-no-color", *map(str, paths)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


needs_actionlint = pytest.mark.skipif(
    ACTIONLINT is None, reason="actionlint is not installed; the lint workflow runs it"
)


@needs_actionlint
def test_actionlint_finds_nothing() -> None:
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_actionlint
def test_actionlint_would_find_a_mistake(tmp_path: Path) -> None:
    text = WORKFLOWS[0].read_text(encoding="utf-8")
    (tmp_path / "spoilt.yml").write_text(text.replace("runs-on:", "run-on:"))
    assert "run-on" in actionlint(tmp_path / "spoilt.yml").stdout


def test_there_is_one_for_each_kind_of_test() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"lint", "unit", "molecule"}


@each_workflow
def test_jobs_may_only_read(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert not [name for name, job in workflow["jobs"].items() if "permissions" in job]


@each_workflow
def test_jobs_end_and_steps_are_pinned(path: Path) -> None:
    for name, job in load(path)["jobs"].items():
        assert isinstance(job.get("timeout-minutes"), int), name
        assert not str(job["runs-on"]).endswith("latest"), name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            if "uses" in step:
                assert re.search(r"(@v\d+(\.\d+)*|@[0-9a-f]{40}|:\d+(\.\d+)+)$", step["uses"]), step["uses"]
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@each_workflow
def test_no_expression_is_pasted_into_a_shell(path: Path) -> None:
    """Values reach a script through its environment, where nothing in them is a command."""
    for job in load(path)["jobs"].values():
        assert not [step for step in job["steps"] if "${{" in step.get("run", "")]


@each_workflow
def test_make_targets_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    wanted = set(re.findall(r"\bmake ([a-z][a-z-]*)", path.read_text(encoding="utf-8")))
    assert wanted <= targets


def test_unit_tests_run_on_every_supported_python() -> None:
    versions = jobs("unit")["unit"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13", "3.14"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={versions[0]}"


def test_every_scenario_runs_on_every_operating_system() -> None:
    matrix = jobs("molecule")["scenario"]["strategy"]["matrix"]
    assert sorted(matrix["scenario"]) == sorted(
        path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")
    )
    # Whatever is left out still runs somewhere.
    assert {entry["scenario"] for entry in matrix["exclude"]} == {
        "join",
        "k3s_firewall",
        "xcache",
        "xcache_client",
    }
    assert {entry["system"] for entry in matrix["exclude"]} == set(matrix["system"]) - {"debian-13"}
    assert [entry["system"] for entry in matrix["include"]] == matrix["system"]
    for entry in matrix["include"]:
        assert (ROOT / ".github" / "images" / f"{entry['family']}.Containerfile").is_file()


def test_the_operating_systems_are_those_that_the_gate_accepts() -> None:
    accepted = load(ROOT / "roles" / "base" / "vars" / "main.yml")["__base_supported_systems"]
    accepted = {(name.lower(), major) for name, majors in accepted.items() for major in majors}
    for system in jobs("molecule")["scenario"]["strategy"]["matrix"]["system"]:
        name, _, version = system.partition("-")
        assert (name, version.partition(".")[0]) in accepted


def test_machines_create_reads_the_image_that_the_workflow_names() -> None:
    assert "CASA_LAB_IMAGE" in jobs("molecule")["scenario"]["env"]
    assert "CASA_LAB_IMAGE" in (ROOT / "molecule" / "shared" / "create.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_images_are_like_those_made_here(path: Path) -> None:
    recipe = load(ROOT / "casa_install" / "lab" / "systems.yml")["common"]
    text = path.read_text(encoding="utf-8")
    assert not [unit for unit in recipe["masked_units"] if f" {unit} " not in text.replace("\n", " ")]
    if path.stem == "debian":
        assert not [name for name in recipe["packages"] if f" {name} " not in text.replace("\n", " ")]
