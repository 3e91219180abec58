"""Somebody else's settings that let hosts in by their address are found; ours and the packages' are not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "htcondor" / "files" / "host-based.sh"


def found(directory: Path, text: str, name: str = "10-old.config") -> list[str]:
    (directory / name).write_text(text + "\n")
    done = subprocess.run(["/bin/sh", SCRIPT, str(directory)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "use security : host_based",
        "  USE SECURITY:HOST_BASED",
        "HOSTALLOW_WRITE = *",
        "SEC_DEFAULT_AUTHENTICATION = NEVER",
        "ALLOW_WRITE = *.example.edu",
        "ALLOW_DAEMON = condor@*, 10.0.0.*",
        "allow_administrator = $(CONDOR_HOST)",
        "ALLOW_ADVERTISE_STARTD = node1.example.edu, node2.example.edu",
    ],
)
def test_host_based_security_is_found(tmp_path: Path, line: str) -> None:
    assert found(tmp_path, line) == [f"{tmp_path}/10-old.config:1:{line}"]


@pytest.mark.parametrize(
    "line",
    [
        "use security:recommended_v9_0",
        "# use security:host_based",
        "ALLOW_WRITE = *",
        "ALLOW_DAEMON = condor@* condor@password",
        "ALLOW_ADMINISTRATOR = condor@pool.example.edu, root@$(FULL_HOSTNAME)",
        "ALLOW_READ = *.example.edu",
        "SEC_DEFAULT_AUTHENTICATION = REQUIRED",
    ],
)
def test_other_security_is_not(tmp_path: Path, line: str) -> None:
    assert found(tmp_path, line) == []


def test_our_own_files_are_not_looked_at(tmp_path: Path) -> None:
    assert found(tmp_path, "use security:host_based", "10-casa-common.config") == []


def test_it_is_refused_with_the_place(findings: Callable[..., Any]) -> None:
    place = "/etc/condor/config.d/10-old.config:3:use security:host_based"
    message = "\n".join(findings(__htcondor_host={"stdout_lines": [place]}))
    assert "lets hosts in by their address" in message
    assert place in message
