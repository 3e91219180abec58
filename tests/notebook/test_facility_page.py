"""What the landing page says, and that it says when it does not know."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from casa_hub import facility
from casa_hub.facility import Cache, Cores, Facility, Reading, ask_cache, ask_pool, count_cores
from casa_hub.settings import read_settings
from jinja2 import Environment, FileSystemLoader

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATES = Path(facility.__file__).with_name("templates")


@pytest.fixture
def shown(good: dict[str, Any], written: Callable[[dict[str, Any]], Path], tmp_path: Path) -> Facility:
    good["environment_directory"] = str(tmp_path / "none")
    good["help_links"] = [{"title": "Start & <go>", "url": "https://example.edu/?a=1&b=2"}]
    return Facility(read_settings(written(good)))


def page(shown: Facility) -> str:
    loader = FileSystemLoader(TEMPLATES)
    return Environment(loader=loader, autoescape=True).get_template("facility.html").render(facility=shown)


def test_before_the_first_reading_nothing_is_known(shown: Facility) -> None:
    assert page(shown).count("not known") == 3


def test_a_reading_is_shown_with_its_time(shown: Facility) -> None:
    shown._reading = Reading(time.time(), Cores(412, 640), Cache("cache", True, 0.63, 24 * 10**12), 7)
    text = page(shown)
    for said in ("412", "of 640", "63 % full", "of 24.0 TB", ">7<", shown.reading.clock, shown.reading.iso):
        assert said in text
    assert "not known" not in text


def test_an_old_reading_is_not_what_is(shown: Facility) -> None:
    shown._reading = Reading(time.time() - 301, Cores(412, 640))
    assert "412" not in page(shown)


def test_a_cache_that_does_not_answer_is_said(shown: Facility) -> None:
    shown._reading = Reading(time.time(), cache=Cache("cache.example.edu", answers=False))
    assert "does not answer" in page(shown)
    shown._reading = Reading(time.time(), cache=Cache("cache.example.edu", answers=True))
    assert "how full is not known here" in page(shown)


def test_links_are_text_and_nothing_comes_from_elsewhere(shown: Facility) -> None:
    text = page(shown)
    assert "Start &amp; &lt;go&gt;" in text
    for path in TEMPLATES.iterdir():
        said = path.read_text()
        assert "//" not in said.replace("https://www.w3.org", ""), path.name
        assert "@import" not in said


def test_configuration_may_copy_it(shown: Facility) -> None:
    assert copy.deepcopy({"facility": shown})["facility"] is shown


def test_cores_are_counted_once() -> None:
    ads = [
        {"SlotType": "Partitionable", "State": "Unclaimed", "Cpus": 6, "TotalSlotCpus": 8},
        {"SlotType": "Dynamic", "State": "Claimed", "Cpus": 2, "TotalSlotCpus": 2},
        {"SlotType": "Partitionable", "Cpus": 8, "TotalSlotCpus": 8, "CasaHealthy": False},
        {"SlotType": "Partitionable", "Cpus": 8, "TotalSlotCpus": 8, "Draining": True},
        {"SlotType": "Static", "State": "Claimed", "Cpus": 1, "TotalSlotCpus": 1},
        {"SlotType": "Static", "State": "Unclaimed", "Cpus": 1, "TotalSlotCpus": 1},
    ]
    assert count_cores(json.dumps(ads)) == Cores(free=7, all=26)
    assert count_cores("") == Cores(0, 0)


def test_a_pool_that_cannot_be_asked_is_not_known(tmp_path: Path, shown: Facility) -> None:
    program = tmp_path / "condor_status"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert asyncio.run(ask_pool(str(program))) is None
    program.write_text("#!/bin/sh\necho nonsense\n")
    with pytest.raises(ValueError, match="Expecting value"):
        asyncio.run(ask_pool(str(program)))
    # Whatever fails, the others are read: this computer has no pool.
    assert asyncio.run(shown.read()).cache is None


def test_a_pool_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facility, "SECONDS", 0.2)
    program = tmp_path / "condor_status"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    before = time.monotonic()
    assert asyncio.run(ask_pool(str(program))) is None
    assert time.monotonic() - before < 10


def test_a_cache_on_this_host_says_how_full_it_is(tmp_path: Path) -> None:
    watched = tmp_path / "watch.json"
    said = {"time": time.time(), "spaces": [{"bytes": 100, "bytes_free": 40}], "probe": {"fault": ""}}
    watched.write_text(json.dumps(said))
    cache = asyncio.run(ask_cache(tmp_path / "none", watched))
    assert cache is not None
    assert (cache.used, cache.size, cache.answers) == (0.6, 100, True)
    watched.write_text(json.dumps(said | {"time": time.time() - 3600}))
    assert asyncio.run(ask_cache(tmp_path / "none", watched)) is None


def test_a_cache_elsewhere_answers_or_does_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        variables = tmp_path / "xcache.env"
        variables.write_text(f"XCACHE_HOST=127.0.0.1\nXCACHE_PORT={port}\n")
        variables.chmod(0o644)
        found = asyncio.run(ask_cache(tmp_path, tmp_path / "none"))
        assert found == Cache("127.0.0.1", answers=True)
    assert asyncio.run(ask_cache(tmp_path, tmp_path / "none")) == Cache("127.0.0.1", answers=False)
