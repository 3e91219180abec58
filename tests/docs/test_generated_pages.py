"""The generated pages are those of the argument specs, and what they show works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.docs.markup import in_table, to_markdown

ROOT = Path(__file__).resolve().parents[2]
READMES = sorted(ROOT.glob("roles/*/README.md"))


def run(*argv: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".dev"),
    }
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def docs(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "tools.docs", "--root", str(root), *arguments)


def validate(*inventories: Path) -> subprocess.CompletedProcess[str]:
    options = [word for inventory in inventories for word in ("-i", str(inventory))]
    return run(sys.executable, "-m", "casa_install", "validate", *options)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A checkout that may be spoilt: what the generator reads and writes."""
    for name in ("roles", "docs", "inventories"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "casa_install" / "site").mkdir(parents=True)
    shutil.copy(ROOT / "casa_install" / "site" / "groups.yml", tmp_path / "casa_install" / "site")
    return tmp_path


def test_committed_pages_are_up_to_date() -> None:
    done = docs(ROOT, "--check")
    assert done.returncode == 0, done.stderr


def test_check_names_what_drifted_and_writes_nothing(copied: Path) -> None:
    spoilt = copied / "inventories" / "example" / "hosts.yml"
    spoilt.write_text(spoilt.read_text() + "# more\n")
    (copied / "roles" / "base" / "README.md").unlink()
    stale = copied / "inventories" / "example" / "group_vars" / "all" / "gone.yml"
    stale.write_text((copied / "inventories/example/group_vars/all/base.yml").read_text())

    done = docs(copied, "--check")

    assert done.returncode == 1
    named = [line.partition(":")[0] for line in done.stderr.splitlines() if "not what the" in line]
    assert named == [
        "inventories/example/group_vars/all/gone.yml",
        "inventories/example/hosts.yml",
        "roles/base/README.md",
    ]
    assert spoilt.read_text().endswith("# more\n")
    assert not (copied / "roles" / "base" / "README.md").exists()
    assert stale.exists()

    assert docs(copied).returncode == 0
    assert docs(copied, "--check").returncode == 0
    assert not stale.exists()


def test_a_file_of_the_sites_own_in_the_example_is_left_alone(copied: Path) -> None:
    own = copied / "inventories" / "example" / "group_vars" / "all" / "connection.yml"
    own.write_text("ansible_user: admin\n")
    assert docs(copied).returncode == 0
    assert own.exists()


def test_an_option_without_description_is_refused(copied: Path) -> None:
    specs = copied / "roles" / "base" / "meta" / "argument_specs.yml"
    specs.write_text(specs.read_text() + "      base_silent: {type: str, default: x}\n")
    page = (copied / "roles" / "base" / "README.md").read_text()

    done = docs(copied)

    assert done.returncode == 2
    assert f"Error: {specs}: `base_silent` has no description" in done.stderr
    assert "Traceback" not in done.stderr
    assert (copied / "roles" / "base" / "README.md").read_text() == page


def test_a_required_option_without_example_is_refused(copied: Path) -> None:
    specs = copied / "roles" / "base" / "meta" / "argument_specs.yml"
    specs.write_text(specs.read_text() + "      base_new: {type: str, required: true, description: New.}\n")
    done = docs(copied)
    assert done.returncode == 2
    assert "`base_new` has no default, so it needs an example" in done.stderr


@pytest.mark.parametrize("name", ["example", "single", "lab"])
def test_inventories_are_valid(name: str) -> None:
    done = validate(ROOT / "inventories" / name)
    assert done.returncode == 0, done.stderr
    assert "Note" not in done.stderr


def test_the_lab_takes_a_cluster_on_top() -> None:
    done = validate(ROOT / "inventories" / "lab", ROOT / "inventories" / "lab-k3s")
    assert done.returncode == 0, done.stderr


def test_the_example_is_valid_with_every_option_uncommented(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(ROOT / "inventories" / "example", site)
    uncommented = 0
    for path in site.glob("group_vars/all/*.yml"):
        text, count = re.subn(rf"^# (?={path.stem}_\w+: )", "", path.read_text(), flags=re.MULTILINE)
        uncommented += count
        path.write_text(text)
        assert yaml.safe_load(text)
    assert uncommented > 20
    done = validate(site)
    assert done.returncode == 0, done.stderr


def test_the_example_has_every_option_and_every_group_with_a_component() -> None:
    example = ROOT / "inventories" / "example"
    for specs in ROOT.glob("roles/*/meta/argument_specs.yml"):
        role = specs.parent.parent.name
        options = yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"]
        text = (example / "group_vars" / "all" / f"{role}.yml").read_text()
        assert re.findall(r"^(?:# )?(\w+): ", text, re.MULTILINE) == list(options)
    groups = yaml.safe_load((ROOT / "casa_install" / "site" / "groups.yml").read_text())["groups"]
    used = yaml.safe_load((example / "hosts.yml").read_text())["all"]["children"]
    assert list(used) == [name for name, entry in groups.items() if entry["roles"]]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_example_plays_are_read_by_ansible(readme: Path, tmp_path: Path) -> None:
    play = re.search(r"```yaml\n(.*?)```", readme.read_text(), re.DOTALL)
    assert play
    (tmp_path / "play.yml").write_text(play[1])
    program = Path(sys.executable).parent / "ansible-playbook"
    argv = (str(program), "-i", str(ROOT / "inventories" / "example"), "--list-tasks", "play.yml")
    done = run(*argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"casa.install.{readme.parent.name} : " in done.stdout


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        ("For O(name=value) only.", "For `name: value` only."),
        ("O(name) is V(lts),\n  C(UID_DOMAIN).", "`name` is `lts`, `UID_DOMAIN`."),
        (r"V(a\) b)", "`a) b`"),
        ("B(never) I(ever)", "**never** *ever*"),
        ("L(the manual,https://example.org/x)", "[the manual](https://example.org/x)"),
        ("U(https://example.org) and R(a page,anchor)", "<https://example.org> and a page"),
        ("E(HOME), M(ansible.builtin.file)", "`HOME`, `ansible.builtin.file`"),
        ("P(ansible.builtin.env#lookup)", "`ansible.builtin.env`"),
        ("DNS (RFC 1035) is no markup", "DNS (RFC 1035) is no markup"),
    ],
)
def test_markup(markup: str, markdown: str) -> None:
    assert to_markdown(markup) == markdown


def test_a_bar_does_not_end_a_cell() -> None:
    assert in_table("`a | b`") == r"`a \| b`"
