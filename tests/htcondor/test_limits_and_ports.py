"""Open files that fit the host, and ports kept from outgoing connections."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.template import trust_as_template
from hypothesis import given
from hypothesis import strategies as st

from casa_install.pool.ports import port_findings, reserved_ports

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "htcondor" / "files" / "descriptors.sh"
LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units\n"
    "Max open files            1024                 {hard}                files     \n"
)


@pytest.mark.parametrize(
    ("capabilities", "hard", "most"),
    [
        ("000001ffffffffff", "20000", 1048576),
        ("00000000a80425fb", "20000", 20000),
        ("00000000a80425fb", "unlimited", 1048576),
        ("00000000a80425fb", "2097152", 1048576),
    ],
    ids=["may raise", "may not", "unlimited", "more than the kernel gives"],
)
def test_a_service_gets_what_systemd_can_give(
    tmp_path: Path, capabilities: str, hard: str, most: int
) -> None:
    files = {
        "nr_open": "1048576\n",
        "limits": LIMITS.format(hard=hard),
        "status": f"CapEff:\t{capabilities}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    argv = ["/bin/sh", SCRIPT, *(tmp_path / name for name in files)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout == f"descriptors: {most}\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("said", "wanted", "used"),
    [(["descriptors: 20000"], 20480, 20000), (["descriptors: 1048576"], 20480, 20480), ([], 20480, 20480)],
    ids=["less", "enough", "not asked"],
)
def test_no_daemon_asks_for_more_than_the_host_allows(
    templar: Callable[..., Any], said: list[str], wanted: int, used: int
) -> None:
    host = templar("manager", __htcondor_host={"stdout_lines": said}, htcondor_file_descriptors=wanted)
    assert int(host.template(trust_as_template("{{ __htcondor_descriptors }}"))) == used


def test_what_was_seen_of_limits_is_no_finding(findings: Callable[..., Any]) -> None:
    assert findings(__htcondor_host={"stdout_lines": ["descriptors: 20000"]}) == []


def test_ports_are_written_as_the_kernel_prints_them() -> None:
    assert (
        reserved_ports(["30000-32767", 6443, "1094", "8444", "8443", "30010"])
        == "1094,6443,8443-8444,30000-32767"
    )


@pytest.mark.parametrize("text", ["0", "65536", "9-8", "1094,6443", "ssh", "1-", ""])
def test_what_is_no_port_is_refused(findings: Callable[..., Any], text: str) -> None:
    assert findings(htcondor_reserved_ports=["1094", text]) == port_findings(
        "htcondor_reserved_ports", [text]
    )
    assert len(port_findings("x", [text])) == 1


@given(st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 50))))
def test_joined_ranges_hold_the_same_ports(pairs: list[tuple[int, int]]) -> None:
    ranges = [(first, min(first + more, 65535)) for first, more in pairs]
    printed = reserved_ports(f"{first}-{last}" for first, last in ranges)
    again = [tuple(map(int, (part.split("-") * 2)[:2])) for part in printed.split(",") if part]
    assert {port for first, last in again for port in range(first, last + 1)} == {
        port for first, last in ranges for port in range(first, last + 1)
    }
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(again))


def test_the_pools_own_port_is_kept_where_the_kernel_is_tuned(templar: Callable[..., Any]) -> None:
    expression = trust_as_template("{{ __htcondor_reserved_ports }}")
    assert templar("access").template(expression) == ""
    assert str(templar("access", htcondor_kernel_tuning=True).template(expression)) == "9618"
    both = templar("access", htcondor_kernel_tuning=True, htcondor_reserved_ports=["1094"])
    assert both.template(expression) == "1094,9618"
