"""The check must cost less than a second as a whole process, or nobody runs it from an editor."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_three_hundred_hosts_take_less_than_a_second(site: Callable[..., Path]) -> None:
    named = "".join(f"    ep{i:03}.example.org:\n      rack: {i}\n      slot: a\n" for i in range(300))
    path = site(
        {
            "hosts.yml": f"condor_manager:\n  hosts:\n    cm1:\ncondor_execute:\n  hosts:\n{named}",
            "group_vars/all/site.yml": "site_name: Example\nsite_domain: example.org\n"
            + "".join(f"own_variable_{i}: {i}\n" for i in range(200)),
            **{f"host_vars/ep{i:03}.example.org.yml": "row: 1\n" for i in range(300)},
        }
    )
    command = [sys.executable, "-m", "casa_install", "validate", "-i", str(path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == "site is valid: 301 hosts in 2 groups\n", done.stderr
    # Processor time, because a test machine may be busy.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 1.0


def test_the_check_imports_neither_ansible_nor_other_heavy_libraries(site: Callable[..., Path]) -> None:
    code = (
        "import sys; from casa_install.cli.app import run; status = run(['validate', '-i', sys.argv[1]]);"
        "heavy = {'ansible', 'ansible_runner', 'kubernetes', 'htcondor2', 'ruamel'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else status)"
    )
    command = [sys.executable, "-c", code, str(site({}))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
