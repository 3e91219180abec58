"""What no file of the checkout may say, and how long a file may be."""

from __future__ import annotations

import re

import pytest

MODULE_LINES = 300
TASK_FILE_LINES = 100

# Written in pieces, so that this file passes its own test.
REGISTRY_HOSTS = [
    r"deb\." + r"debian\.org",
    r"(?:ftp|http|archive|security|snapshot|cdn-fastly)\." + r"(?:\w+\.)?debian\.org",
    r"(?:archive|security|ports)\." + r"ubuntu\.com",
    r"(?:test\.)?py" + r"pi\.org",
    r"files\." + r"pythonhosted\.org",
    r"registry\." + r"(?:npmjs\.org|yarnpkg\.com)",
    r"(?:proxy|sum)\." + r"golang\.org",
    r"(?:static\.)?crates" + r"\.io",
]
MACHINE_PATHS = [r"/work" + r"/\w", r"/tmp/v" + r"/", r"/ho" + r"me/\w+/", r"/Us" + r"ers/\w+/"]


def places(tree: dict[str, str], patterns: list[str]) -> list[str]:
    """Where a file's text matches one of the patterns: `path:line: text`."""
    wanted = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in tree.items()
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_no_file_names_the_host_of_a_package_registry(tree: dict[str, str]) -> None:
    """Debian's, PyPI's and npm's hosts are the configuration of each machine's own tools."""
    assert not places(tree, REGISTRY_HOSTS)


def test_no_file_holds_a_path_of_a_developers_machine(tree: dict[str, str]) -> None:
    assert not places(tree, MACHINE_PATHS)


@pytest.mark.parametrize(
    "line",
    [
        "URIs: http://deb." + "debian.org/debian",
        "http://ftp.de." + "debian.org",
        "index-url = https://py" + "pi.org/simple",
        "resolved https://registry." + "npmjs.org/x",
    ],
)
def test_registry_hosts_are_recognised(line: str) -> None:
    assert places({"file": line}, REGISTRY_HOSTS)


def test_machine_paths_are_recognised() -> None:
    assert places({"file": "python = /ho" + "me/alice/venv/bin/python"}, MACHINE_PATHS)
    assert not places({"file": "kept under $HOME/.cache and /home"}, MACHINE_PATHS)


def longer(tree: dict[str, str], pattern: str, limit: int) -> list[str]:
    counted = {path: len(text.splitlines()) for path, text in tree.items() if re.fullmatch(pattern, path)}
    assert counted, f"no file matches {pattern}"
    return [f"{path}: {lines} lines" for path, lines in counted.items() if lines > limit]


def test_modules_fit_in_the_head(tree: dict[str, str]) -> None:
    assert not longer(tree, r"(casa_install|tools)/.*\.py", MODULE_LINES)


def test_task_files_fit_on_two_screens(tree: dict[str, str]) -> None:
    assert not longer(tree, r"roles/.*/(tasks|handlers)/.*\.yml", TASK_FILE_LINES)
