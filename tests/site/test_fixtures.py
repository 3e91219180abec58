"""Each directory below `fixtures/` is a site: its name says the outcome, `expected.txt` every word of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casa_install.cli.app import run
from casa_install.site.check import check_site
from casa_install.site.collection import collection_root

if TYPE_CHECKING:
    from casa_install.site.check import SiteReport
    from casa_install.site.specs import Specs

FIXTURES = Path(__file__).with_name("fixtures")
WRONG = sorted(path.name for path in FIXTURES.glob("error_*"))
RIGHT = sorted(path.name for path in FIXTURES.glob("ok_*"))


def lines(report: SiteReport) -> list[str]:
    found = []
    for finding in report.findings:
        found += [str(finding)] + ([f"    {finding.hint}"] if finding.hint else [])
    return found + [f"note: {note}" for note in report.notes]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, small_specs: Specs) -> None:  # noqa: ARG001
    monkeypatch.chdir(FIXTURES)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", [*WRONG, *RIGHT])
def test_says_exactly_what_is_expected(name: str) -> None:
    expected = (FIXTURES / name / "expected.txt").read_text()
    assert "\n".join(lines(check_site([Path(name)]))) + "\n" == expected


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_ends_with_status_2_and_leaves_the_site_as_it_was(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(FIXTURES / name)
    assert run(["validate", "-i", name]) == 2
    output = capsys.readouterr()
    first = check_site([Path(name)]).findings[0]
    assert output.err.splitlines()[0] == str(first)
    assert "Error:" in output.err.splitlines()[-1]
    assert output.out == ""
    assert contents(FIXTURES / name) == before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", RIGHT)
def test_a_site_in_order_ends_with_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "-i", name]) == 0
    output = capsys.readouterr()
    assert output.out.startswith("site is valid: ")
    assert output.out.count("\n") == 1


@pytest.mark.usefixtures("here")
def test_four_mistakes_are_four_lines_with_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "-i", "error_four_mistakes"]) == 2
    error = capsys.readouterr().err
    assert [line.split(" ")[0] for line in error.splitlines()[:-1]] == [
        "error_four_mistakes/group_vars/all/site.yml:3:1:",
        "error_four_mistakes/group_vars/all/site.yml:4:26:",
        "error_four_mistakes/host_vars/ep1.yml:1:25:",
        "error_four_mistakes/hosts.yml:9:5:",
    ]
    assert "4 mistakes in 3 files" in error


@pytest.mark.usefixtures("here")
def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--json", "-i", "error_unknown_group"]) == 2
    output = capsys.readouterr()
    row = json.loads(output.out)
    assert (row["ok"], row["exit_code"], len(row["findings"])) == (False, 2, 3)
    assert row["findings"][0] == {
        "file": "error_unknown_group/hosts.ini",
        "line": 4,
        "column": 2,
        "message": "unknown group `condor_excute`, did you mean `condor_execute`?",
        "hint": "",
    }
    assert output.err == ""


@pytest.mark.usefixtures("here")
def test_verbose_lists_the_site_s_own_variables(capsys: pytest.CaptureFixture[str]) -> None:
    run(["validate", "-i", "ok_own_variables"])
    assert "our_sources" not in capsys.readouterr().err
    run(["validate", "-v", "-i", "ok_own_variables"])
    assert "our_sources, rack" in capsys.readouterr().err


def test_no_inventory_is_an_error_with_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANSIBLE_INVENTORY", raising=False)
    assert run(["validate"]) == 2
    assert "No inventory was named" in capsys.readouterr().err


def test_ansible_s_environment_names_the_inventories(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY", f"{FIXTURES / 'ok_plain'},{FIXTURES / 'ok_own_variables'}")
    assert run(["validate"]) == 0
    assert "site is valid: 3 hosts" in capsys.readouterr().out


@pytest.mark.parametrize(
    "inventory", sorted(p for p in (collection_root() / "inventories").iterdir() if p.is_dir()), ids=str
)
def test_our_own_inventories_are_in_order(inventory: Path) -> None:
    # The cluster of the lab is a layer on the lab's site.
    below = [inventory.with_name("lab")] if inventory.name == "lab-k3s" else []
    report = check_site([*below, inventory], playbook_dir=collection_root() / "playbooks")
    if inventory.name == "example":  # written to be filled in: placeholders are its only mistakes
        assert [f for f in report.findings if "placeholder" not in f.message] == []
    else:
        assert lines(report) == []


@pytest.mark.usefixtures("small_specs")
def test_layered_inventories_are_checked_as_one_site(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "ok_plain", tmp_path / "common")
    (tmp_path / "common/hosts.yml").write_text("condor_manager:\ncondor_execute:\n")
    (tmp_path / "mine/group_vars").mkdir(parents=True)
    (tmp_path / "mine/hosts.yml").write_text(
        "condor_manager: {hosts: {cm1: }}\ncondor_execute: {hosts: {ep1: }}\n"
    )
    (tmp_path / "mine/group_vars/all.yml").write_text("base_packages_extra: [vim]\n")
    report = check_site([tmp_path / "common", tmp_path / "mine"])
    assert report.ok
    assert report.hosts == ("cm1", "ep1")
    assert not check_site([tmp_path / "common"]).ok
    assert not check_site([tmp_path / "mine"]).ok


@pytest.mark.usefixtures("small_specs")
def test_variables_beside_the_playbook_count(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "ok_plain", tmp_path / "site")
    book = tmp_path / "book"
    (book / "group_vars").mkdir(parents=True)
    (book / "group_vars/all.yml").write_text("htcondor_source: debian\n")
    (book / "group_vars/other_site.yml").write_text("rack: 1\n")
    (book / "group_vars/condor_acess.yml").write_text("rack: 1\n")
    assert check_site([tmp_path / "site"]).ok
    messages = [f.message for f in check_site([tmp_path / "site"], playbook_dir=book).findings]
    assert len(messages) == 2
    assert "did you mean `condor_access`?" in messages[0] + messages[1]


@pytest.mark.usefixtures("small_specs")
def test_a_broken_file_does_not_make_its_variables_missing(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "ok_plain", tmp_path / "site")
    (tmp_path / "site/group_vars/all/site.yml").write_text("site_name: [\n")
    assert len(check_site([tmp_path / "site"]).findings) == 1
    (tmp_path / "site/hosts.yml").write_text("condor_manager: [\n")
    assert len(check_site([tmp_path / "site"]).findings) == 2


@pytest.mark.usefixtures("small_specs")
def test_extra_variables_are_not_missing(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "ok_plain", tmp_path / "site")
    (tmp_path / "site/group_vars/all/site.yml").write_text("site_name: x\n")
    assert not check_site([tmp_path / "site"]).ok
    assert check_site([tmp_path / "site"], extra_names=["site_domain"]).ok
