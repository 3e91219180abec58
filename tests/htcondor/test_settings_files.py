"""Every settings file for every operating system and kind of host: its form, and that it changes on purpose.

`CASA_GOLDEN=write` writes the golden files anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.template import trust_as_template

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
TEMPLATES = HERE.parents[1] / "roles" / "htcondor" / "templates"
SYSTEMS = [
    ("Debian", "Debian", "12"),
    ("Debian", "Debian", "13"),
    ("Debian", "Ubuntu", "22"),
    ("Debian", "Ubuntu", "24"),
    ("RedHat", "AlmaLinux", "9"),
    ("RedHat", "Rocky", "10"),
]
KINDS = ["manager", "access", "execute"]
FULL: dict[str, Any] = {
    "htcondor_groups": {
        "interactive": {"quota": 0.25},
        "batch": {"quota": 0.25, "surplus": False},
        "cms.other.coffea": {"quota": 0.4},
        "cms.prod": {"quota": 0.1},
        "local": {"quota": 16},
    },
    "htcondor_interactive": "dedicated",
    "htcondor_dedicated": True,
    "htcondor_interactive_accounts": ["alice"],
    "htcondor_fair_share_accounts": ["hub", "cms-jovyan"],
    "htcondor_submit_requirements": {
        "Memory": {"expression": "RequestMemory <= 64000", "reason": 'no "big" machine here'}
    },
    "htcondor_default_request_disk": 1024,
    "htcondor_concurrency_limits": {"XCACHE": 400},
    "htcondor_defrag": True,
    "htcondor_job_retirement": 3600,
    "htcondor_port_range": [20000, 25000],
    "htcondor_file_descriptors": 65536,
    "htcondor_count_hyperthreads": False,
    "htcondor_gpus": True,
    "htcondor_private_network": "t3.example.edu",
    "htcondor_containers": ["docker", "apptainer"],
    "htcondor_container_binds": ["/cvmfs", "/etc/grid-security/certificates"],
    "htcondor_trust_uid_domain": True,
    "htcondor_shared_accounts": False,
    "htcondor_slot_users": 2,
    "htcondor_health_mounts": ["/cvmfs/cms.cern.ch"],
    "htcondor_settings_extra": {"MAX_JOBS_RUNNING": 100, "COLLECTOR.MAX_FILE_DESCRIPTORS": 20480},
}
LINE = re.compile(r"|#.*|if version < [0-9.]+|endif|use \w+ ?: ?[\w, .()]+|[\w.-]+ = \S.*")
MULTI_LINE = re.compile(r"^(\w+) @=end\n.*?^@end$", re.MULTILINE | re.DOTALL)


def rendered(make: Callable[..., Any], kind: str, system: tuple[str, str, str], **options: Any) -> str:
    """The settings of one host, its files one after another as HTCondor reads them."""
    templar = make(kind, *system, **options)
    files = templar.template(trust_as_template("{{ __htcondor_config_files }}"))
    texts = []
    for item in files:
        if item["here"] in (True, "True"):
            source = (TEMPLATES / f"{item['file']}.j2").read_text(encoding="utf-8")
            texts.append(str(templar.template(trust_as_template(source))))
    return "\n".join(texts)


@pytest.mark.parametrize("options", [{}, FULL], ids=["defaults", "full"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: f"{system[1]}{system[2]}")
def test_settings_are_as_reviewed(
    templar: Callable[..., Any], kind: str, system: tuple[str, str, str], options: dict[str, Any]
) -> None:
    text = rendered(templar, kind, system, **options)
    golden = HERE / "golden" / f"{kind}-{'full' if options else 'defaults'}.config"
    if os.environ.get("CASA_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "restart"),
    [
        ("NETWORK_HOSTNAME", True),
        ("num_slots_type_1", True),
        ("SLOT_TYPE_1_PARTITIONABLE", True),
        ("Schedd.MAX_FILE_DESCRIPTORS", True),
        ("SHARED_PORT_MAX_FILE_DESCRIPTORS", True),
        ("LVM_VOLUME_GROUP", True),
        ("START", False),
        ("STARTD_ATTRS", False),
        ("MAX_JOBS_RUNNING", False),
        ("JOB_DEFAULT_REQUESTMEMORY", False),
        ("SLOT1_1_USER", False),
    ],
)
def test_a_setting_of_the_site_goes_where_it_becomes_live(
    templar: Callable[..., Any], name: str, restart: bool
) -> None:
    host = templar("execute", htcondor_settings_extra={name: "1"})
    found = {
        part: [item[0] for item in host.template(trust_as_template(f"{{{{ __htcondor_site_{part} }}}}"))]
        for part in ("live", "restart")
    }
    assert found == ({"live": [], "restart": [name]} if restart else {"live": [name], "restart": []})


def test_no_file_that_is_reconfigured_holds_what_needs_a_restart(templar: Callable[..., Any]) -> None:
    for kind in KINDS:
        host = templar(kind, **FULL)
        pattern = re.compile(str(host.template(trust_as_template("{{ __htcondor_is_restart }}"))))
        for item in host.template(trust_as_template("{{ __htcondor_config_files }}")):
            source = (TEMPLATES / f"{item['file']}.j2").read_text(encoding="utf-8")
            text = str(host.template(trust_as_template(source)))
            names = re.findall(r"^([\w.]+) =", text, re.MULTILINE)
            wrong = [name for name in names if bool(pattern.match(name)) != (item["live_by"][:3] == "Res")]
            assert wrong == [], item["file"]


NODE: dict[str, Any] = {
    "groups": {"condor_execute": ["host1", "host2"], "k3s_agent": ["host1"]},
    "__site_size": {"stdout_lines": ["cpus 32", "cores 16", "memory 131072"]},
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["NUM_CPUS = 23", "RESERVED_MEMORY = 34304"]),
        ({"site_pods_share": 50}, ["NUM_CPUS = 15", "RESERVED_MEMORY = 67072"]),
        ({"htcondor_count_hyperthreads": False}, ["NUM_CPUS = 11", "RESERVED_MEMORY = 34304"]),
        ({"groups": {"condor_execute": ["host1"]}}, ["RESERVED_MEMORY = 1024"]),
        ({"groups": {"condor_execute": ["host1"], "k3s_agent": ["host2"]}}, ["RESERVED_MEMORY = 1024"]),
    ],
)
def test_jobs_get_what_pods_leave(
    templar: Callable[..., Any], options: dict[str, Any], expected: list[str]
) -> None:
    text = rendered(templar, "execute", SYSTEMS[0], **{**NODE, **options})
    assert re.findall(r"^(?:NUM_CPUS|RESERVED_MEMORY) = .*$", text, re.MULTILINE) == expected
    assert wrong_lines(text) == []


def test_more_than_a_host_has_is_refused(templar: Callable[..., Any]) -> None:
    for share, refused in (25, False), (99, True):
        host = templar("execute", **NODE, site_pods_share=share)
        found = host.template(trust_as_template("{{ __htcondor_execute_findings }}"))
        assert any("the host's CPUs do not suffice" in text for text in found) == refused


def test_the_manual_lists_what_needs_a_restart(templar: Callable[..., Any]) -> None:
    groups = templar("execute").template(trust_as_template("{{ __htcondor_restart_settings }}"))
    page = (HERE.parents[1] / "docs" / "htcondor-changes.md").read_text(encoding="utf-8")
    for group, names in groups.items():
        cells = ", ".join(f"`{name}`".replace("|", "\\|") for name in names)
        assert f"| {group} | {cells} |" in page


def wrong_lines(text: str) -> list[str]:
    """Lines that HTCondor would not read as meant: it takes a comment behind a value for a part of it."""
    lines = MULTI_LINE.sub(r"\1 = several lines", text).splitlines()
    return [line for line in lines if not LINE.fullmatch(line) or (not line.startswith("#") and " #" in line)]


@pytest.mark.parametrize("golden", sorted((HERE / "golden").glob("*.config")), ids=lambda path: path.stem)
def test_every_line_is_one_that_htcondor_reads_as_meant(golden: Path) -> None:
    assert wrong_lines(golden.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("line", ["A = 1 # why", "A 1", "use", "{{ a }}", "A ="])
def test_a_wrong_line_is_found(line: str) -> None:
    assert wrong_lines(f"B = 2\n{line}\n") == [line]


@pytest.mark.parametrize("golden", sorted((HERE / "golden").glob("*.config")), ids=lambda path: path.stem)
def test_htcondor_parses_it(golden: Path) -> None:
    program = shutil.which("condor_config_val")
    if program is None:
        pytest.skip("condor_config_val is not on this computer")
    done = subprocess.run(
        [program, "-dump", "CASA_NONE"],
        env={**os.environ, "CONDOR_CONFIG": str(golden)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
