"""What the role writes for Dask, as reviewed, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.template import trust_as_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.template import Templar

HERE = Path(__file__).parent
ROLE = HERE.parents[1] / "roles" / "dask"


def rendered(templar: Templar, name: str) -> str:
    text = (ROLE / "templates" / f"{name}.j2").read_text(encoding="utf-8")
    return str(templar.template(trust_as_template(text), overrides={"trim_blocks": True}))


@pytest.mark.parametrize(
    ("golden", "options"),
    [("casa.yaml", {}), ("casa-docker.yaml", {"dask_docker_image": "registry.example.edu/worker:2026.10"})],
)
def test_settings_are_as_reviewed(
    templar: Callable[..., Templar], golden: str, options: dict[str, Any]
) -> None:
    """`CASA_GOLDEN=write` is not offered: whoever changes these reads them."""
    assert rendered(templar(**options), "casa.yaml") == (HERE / "golden" / golden).read_text(encoding="utf-8")


def test_every_section_has_every_key_that_the_first_has(templar: Callable[..., Templar]) -> None:
    """dask-jobqueue has defaults for its own sections only: a key missing in another is a KeyError."""
    sections = yaml.safe_load(rendered(templar(), "casa.yaml"))["jobqueue"]
    wanted = set(sections["htcondor"])
    assert {name: wanted - set(section) for name, section in sections.items()} == {
        name: set() for name in ("htcondor", "localhost", "coffea-casa")
    }


@pytest.mark.parametrize(
    ("ports", "workers", "nannies"),
    [([28000, 28999], "28000:28499", "28500:28999"), ([2000, 2003], "2000:2001", "2002:2003")],
)
def test_ports_are_halved_without_a_gap(
    templar: Callable[..., Templar], ports: list[int], workers: str, nannies: str
) -> None:
    section = yaml.safe_load(rendered(templar(dask_worker_ports=ports), "casa.yaml"))["jobqueue"]["htcondor"]
    arguments = section["worker-extra-args"]
    assert arguments[:4] == ["--worker-port", workers, "--nanny-port", nannies]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dask_worker_ports": [28000]}, "dask_worker_ports must be two ports"),
        ({"dask_worker_ports": [28000, 28002]}, "at least four in all"),
        ({"dask_worker_ports": [32000, 33000]}, "from 1024 to 32767"),
        ({"__dask_addresses": {"stdout_lines": ["127.0.1.1 STREAM ap1"]}}, "leads to 127.0.1.1"),
        ({"__dask_addresses": {"stdout_lines": []}}, "leads to nothing"),
        (
            {"dask_memory_fractions": {"target": 0.6, "spill": 0.5, "pause": 0.8, "terminate": 0.95}},
            "must rise",
        ),
        ({"dask_worker_memory": 0}, "dask_worker_memory must be 1 or more"),
        ({"dask_credentials_days": 0}, "dask_credentials_days must be 1 or more"),
    ],
)
def test_what_cannot_work_is_refused(
    templar: Callable[..., Templar], options: dict[str, Any], said: str
) -> None:
    findings = templar(**options).template(trust_as_template("{{ __dask_findings }}"))
    assert len(findings) == 1
    assert said in findings[0]


def test_defaults_are_not_refused(templar: Callable[..., Templar]) -> None:
    assert templar().template(trust_as_template("{{ __dask_findings }}")) == []


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({}, True),
        ({"groups": {}}, False),
        ({"groups": {}, "dask_enabled": True}, True),
        ({"group_names": ["condor_execute"]}, False),
        ({"group_names": ["notebook"]}, True),
    ],
)
def test_where_it_is(templar: Callable[..., Templar], options: dict[str, Any], there: bool) -> None:
    assert templar(**options).template(trust_as_template("{{ __dask_on }}")) is there


def test_everything_in_the_list_waits_for_the_switch() -> None:
    state = yaml.safe_load((ROLE / "state.yml").read_text(encoding="utf-8"))
    assert [one for one in state["resources"] if "dask" not in str(one.get("when"))] == []
