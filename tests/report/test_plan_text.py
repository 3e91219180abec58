"""Many changes in few phrases, many hosts in few names."""

import pytest

from casa_install.engine.foreseen import Difference
from casa_install.report.host_language import host_names, phrases


def change(kind: str, name: str, text: str) -> Difference:
    return Difference(kind, name, "files", "change", text)


def files(*paths: str, verb: str = "write") -> list[Difference]:
    return [change("file", path, f"{verb} {path}") for path in paths]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            [
                change("package", "condor", "install condor 23.9"),
                *files("/etc/condor/a", "/etc/condor/b", "/etc/condor/config.d/c", "/etc/condor/d"),
                change("unit", "condor.service", "start condor.service"),
            ],
            ["install condor 23.9", "write 4 files under /etc/condor", "start condor.service"],
        ),
        (files("/etc/a"), ["write /etc/a"]),
        (
            files("/etc/condor/a", "/var/lib/x/b", "/etc/condor/c", "/opt/d"),
            ["write 2 files under /etc/condor", "write /opt/d", "write /var/lib/x/b"],
        ),
        (
            [*files("/etc/a/b"), *files("/etc/a/c", verb="change"), *files("/etc/a/d")],
            ["write 2 files under /etc/a", "change /etc/a/c"],
        ),
        (
            [change("directory", path, f"make directory {path}") for path in ("/a/b", "/a/c")],
            ["make 2 directories under /a"],
        ),
        (
            [change("file", path, f"change attributes of {path}") for path in ("/a/b", "/a/c")],
            ["change attributes of 2 files under /a"],
        ),
        (
            [change("package", name, f"install {name} {n}") for n, name in enumerate("abc")],
            ["install a 0, b 1 and c 2"],
        ),
        (
            [
                change("package", name, f"install {name} (version known after the repository is added)")
                for name in ("condor", "git")
            ],
            ["install condor and git (version known after the repository is added)"],
        ),
        (
            [change("package", f"p{n}", f"install p{n}") for n in range(9)],
            ["install p0, p1, p2, p3, p4, p5 and 3 more"],
        ),
        ([change("user", name, f"make user {name}") for name in ("a", "b")], ["make user a and b"]),
        (
            [change("sysctl", f"net.{n}", f"set net.{n} = {n}") for n in (1, 2)],
            ["set net.1 = 1 and net.2 = 2"],
        ),
        # Parts of one thing are told once.
        ([change("file", f"/r/{n}", "add repository htcss") for n in (1, 2)], ["add repository htcss"]),
        ([], []),
    ],
)
def test_phrases(changes, expected):
    assert phrases(changes) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cm"], "cm"),
        (["ep1", "cm"], "cm, ep1"),
        (["ep2", "ep1"], "ep1, ep2"),
        ([f"ep{n}" for n in range(1, 41)], "ep1..ep40 (40 hosts)"),
        ([f"ep{n:03}.example.org" for n in (8, 9, 10, 11)], "ep008.example.org..ep011.example.org (4 hosts)"),
        (["ep1", "ep2", "ep3", "ep7", "cm"], "cm, ep1..ep3, ep7 (5 hosts)"),
        (["ep09", "ep1", "ep10"], "ep1, ep09, ep10"),
        ([f"h{n * 2}" for n in range(20)], "h0, h2, h4, h6, h8, h10 and more (20 hosts)"),
    ],
)
def test_host_names(names, expected):
    assert host_names(names) == expected
