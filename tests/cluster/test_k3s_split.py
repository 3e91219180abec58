"""One split of a host: what pods and jobs get adds up to the host, and both sides are told the same."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from casa_install.cluster.quantities import cpu_text, memory_text, read_cpu, read_memory
from casa_install.cluster.split import (
    COLUMNS,
    DEFAULT_SHARE,
    SYSTEM,
    Amount,
    Wanted,
    read_size,
    read_wanted,
    split_host,
)


def test_a_host_of_pods_and_jobs() -> None:
    found = split_host(32, 128 * 1024, Wanted(kind="agent", jobs=True))
    assert found.findings == ()
    assert found.pods == Amount(8000, 32 * 1024)
    assert found.jobs == Amount(23000, 128 * 1024 - 32 * 1024 - 1024 - 512)
    assert found.kubelet == (
        "kube-reserved=cpu=100m,memory=512Mi",
        "system-reserved=cpu=23900m,memory=97792Mi",
    )
    assert found.startd == {"NUM_CPUS": 23, "RESERVED_MEMORY": 32 * 1024 + 1024 + 512}
    assert found.row("ep1") == [
        "ep1",
        "32 CPU, 128 GiB",
        "0.9 CPU, 1 GiB",
        "0.1 CPU, 512 MiB",
        "8 CPU, 32 GiB",
        "23 CPU, 94.5 GiB",
    ]
    assert len(COLUMNS) == len(found.row("ep1"))


def test_a_host_without_jobs_is_the_pods() -> None:
    found = split_host(8, 16 * 1024, Wanted(kind="server"))
    assert found.jobs == Amount()
    assert found.startd == {}
    assert found.pods == Amount(7600, 16 * 1024 - 1024 - 2048)
    assert found.kubelet == ("kube-reserved=cpu=200m,memory=2048Mi", "system-reserved=cpu=200m,memory=1024Mi")


def test_two_cpus_suffice_for_everything_on_one_machine() -> None:
    found = split_host(2, 8 * 1024, Wanted(kind="server", jobs=True))
    assert found.findings == ()
    assert found.startd["NUM_CPUS"] == 1


def test_a_small_node_is_no_mistake() -> None:
    found = split_host(1, 1024, Wanted(kind="agent"))
    assert found.findings == ()
    assert found.pods.memory >= 600
    assert found.pods.cpu >= 600


def test_the_share_is_of_hosts_with_jobs_only() -> None:
    assert split_host(8, 16 * 1024, Wanted(share=50)) == split_host(8, 16 * 1024, Wanted())


def test_a_host_that_was_not_looked_at_has_no_split() -> None:
    found = split_host(0, 0, Wanted(jobs=True))
    assert (found.kubelet, found.startd, found.findings) == ((), {}, ())


def test_more_than_the_host_is_refused_with_the_numbers() -> None:
    found = split_host(16, 64 * 1024, Wanted(jobs=True, share=90, system=Amount(2000, 8 * 1024)))
    assert len(found.findings) == 2
    assert (
        "the host's CPUs do not suffice: 2 (system) + 0.1 (k3s) + 14.4 (pods, 90 %) + 1 (jobs) = 17.5 of "
        "16, which is 110 %: lower site_pods_share or site_system_reserved"
    ) in found.findings[0]
    assert "57.6 GiB (pods, 90 %) + 1 GiB (jobs) = 67.1 GiB of 64 GiB, which is 105 %" in found.findings[1]
    assert (found.kubelet, found.startd) == ((), {})


def test_cpus_that_a_site_gives_to_jobs_itself_count() -> None:
    found = split_host(16, 64 * 1024, Wanted(jobs=True, condor_cpus=16))
    assert "4 (pods, 25 %) + 16 (jobs) = 20.3 of 16, which is 127 %" in found.findings[0]
    found = split_host(16, 64 * 1024, Wanted(jobs=True, condor_cpus=8))
    assert found.findings == ()
    assert found.startd["NUM_CPUS"] == 8


def test_physical_cores_are_given_whole() -> None:
    found = split_host(32, 128 * 1024, Wanted(jobs=True, cores=16))
    assert found.jobs.cpu == 22000
    assert found.startd["NUM_CPUS"] == 11


def test_the_role_s_defaults_are_the_same() -> None:
    path = Path(__file__).resolve().parents[2] / "roles" / "site" / "defaults" / "main.yml"
    defaults = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (defaults["site_pods_share"], defaults["site_system_reserved"]) == (DEFAULT_SHARE, SYSTEM)


def test_the_size_of_a_host_is_what_its_kernel_says() -> None:
    script = Path(__file__).resolve().parents[2] / "roles" / "site" / "files" / "size.sh"
    printed = subprocess.run(["/bin/sh", script], capture_output=True, text=True, check=True)
    size = read_size(printed.stdout.splitlines())
    assert size["cpus"] == os.cpu_count()
    assert 0 <= size["cores"] <= size["cpus"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    assert size["memory"] == memory
    assert read_size(["cpus", "memory lots", ""]) == {"cpus": 0, "cores": 0, "memory": 0}


@given(
    st.integers(1, 512),
    st.integers(512, 4 << 20),
    st.sampled_from(["server", "agent"]),
    st.booleans(),
    st.integers(1, 100),
    st.booleans(),
)
def test_parts_add_up_to_the_host(
    cpus: int, memory: int, kind: str, jobs: bool, share: int, halves: bool
) -> None:
    cores = cpus // 2 if halves and cpus % 2 == 0 else 0
    found = split_host(cpus, memory, Wanted(kind=kind, jobs=jobs, share=share, cores=cores))
    if found.findings:
        assert jobs
        return
    assert found.system + found.k3s + found.pods + found.jobs == found.total
    assert min(found.system.cpu, found.system.memory, found.pods.cpu, found.pods.memory) >= 0
    reserved = (
        [int(number) for text in found.kubelet for number in re.findall(r"cpu=(\d+)m", text)],
        [int(number) for text in found.kubelet for number in re.findall(r"memory=(\d+)Mi", text)],
    )
    # What the kubelet may use is what pods get.
    assert cpus * 1000 - sum(reserved[0]) == found.pods.cpu
    assert memory - sum(reserved[1]) == found.pods.memory
    if jobs:
        assert found.startd["NUM_CPUS"] >= 1
        assert memory - found.startd["RESERVED_MEMORY"] == found.jobs.memory >= 1024


def test_what_a_site_writes_is_read() -> None:
    wanted, findings = read_wanted({"jobs": True, "share": 40, "system": {"cpu": 2, "memory": "4Gi"}})
    assert findings == []
    assert (wanted.share, wanted.system) == (40, Amount(2000, 4096))
    wanted, findings = read_wanted({"jobs": True})
    assert (wanted.share, findings) == (DEFAULT_SHARE, [])
    assert split_host(100, 1 << 20, wanted).pods.cpu == DEFAULT_SHARE * 1000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"system": {"cpu": "much"}},
            "site_system_reserved: `much` is no amount of CPU such as `500m` or `2`",
        ),
        ({"system": {"memory": "1024"}}, "`1024` is no amount of memory such as `512Mi` or `2Gi`"),
        ({"system": {"disk": "1Gi"}}, "site_system_reserved: disk is neither cpu nor memory"),
        ({"share": 101}, "site_pods_share is 101: it is in percent of the host, 1 to 100"),
        ({"share": 0}, "site_pods_share is 0: it is in percent of the host, 1 to 100"),
    ],
)
def test_what_cannot_be_read_is_said(options: dict[str, object], expected: str) -> None:
    _, findings = read_wanted(options)
    assert len(findings) == 1
    assert expected in findings[0]


@pytest.mark.parametrize(
    ("text", "millis"), [("500m", 500), ("0.5", 500), (0.5, 500), (2, 2000), ("1.25", 1250), ("16", 16000)]
)
def test_amounts_of_cpu(text: str | float, millis: int) -> None:
    assert read_cpu(text) == millis
    assert read_cpu(cpu_text(millis)) == millis


@pytest.mark.parametrize(
    ("text", "mib"), [("512Mi", 512), ("1Gi", 1024), ("1.5Gi", 1536), ("1G", 954), ("1048576Ki", 1024)]
)
def test_amounts_of_memory(text: str, mib: int) -> None:
    assert read_memory(text) == mib


def test_amounts_for_people() -> None:
    assert [memory_text(n) for n in (512, 1024, 1536, 97792)] == ["512 MiB", "1 GiB", "1.5 GiB", "95.5 GiB"]
