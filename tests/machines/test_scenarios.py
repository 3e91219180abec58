"""Every Molecule scenario, as a site runs it in its own CI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from casa_install.artifacts.cached import cached_versions
from casa_install.artifacts.places import cache_home

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
RARE = {
    # What it proves is in `site` too, on the hosts of a whole facility.
    "xcache_client",
    # `k3s` has the same role on fewer machines.
    "k3s_firewall",
    "k3s_ha",
    "k3s_upgrade",
}
"""Left to `make test-all`, and to the workflow that runs each scenario by itself."""
NEED_K3S = {"k3s", "k3s_firewall", "k3s_ha", "k3s_upgrade"}


def what_failed(text: str) -> str:
    """Return the task that ended the run, and the recap, which a log of ten thousand lines hides.

    Earlier failures in the log are refusals that a proof provokes.
    """
    tasks = re.split(r"^(?=TASK \[|RUNNING HANDLER \[|PLAY \[|PLAY RECAP)", text, flags=re.M)
    failed = [
        task
        for task in tasks
        if re.search(r"^(fatal|failed): \[", task, re.M) and "\n...ignoring" not in task
    ]
    last = failed[-1] if failed else ""
    return (
        (last if len(last) < 6000 else f"{last[:2000]}\n[...]\n{last[-4000:]}") + "\n[...]\n" + text[-1500:]
    )


def require_artifacts(scenario: str) -> None:
    """Skip what needs a release that no cache has and no package repository carries."""
    if scenario in NEED_K3S and not cached_versions(cache_home(), "k3s"):
        pytest.skip("not verified here: no k3s artifact")


@pytest.mark.machines
@pytest.mark.parametrize(
    "scenario",
    [pytest.param(name, marks=[pytest.mark.rare] if name in RARE else []) for name in SCENARIOS],
)
def test_scenario(scenario: str, tmp_path: Path) -> None:
    require_artifacts(scenario)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MOLECULE_COMMAND_BORDERS": "false",
        "NO_COLOR": "1",
    }
    log = tmp_path / f"{scenario}.log"
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, "-m", "molecule", "test", "-s", scenario],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = log.read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, f"{log}:\n{what_failed(text)}"
    # A sequence that left a step out would be green too.
    for step in ("create", "prepare", "check", "converge", "idempotence", "verify", "destroy"):
        assert re.search(rf"^{scenario} \S+ {step}: Executed: Successful", text, re.M), f"{step} did not run"
