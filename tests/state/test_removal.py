"""`remove` plays the receipt backwards and touches nothing else."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from casa_install.plugins.module_utils.casa_state.receipts import Entry, Receipt
from casa_install.plugins.module_utils.casa_state.removal_plan import plan_removal

if TYPE_CHECKING:
    from tests.state.conftest import Site

STATE = """\
    roots: ["{{ root }}"]
    resources:
      - {package: demo}
      - {package: theirs}
      - {group: demo}
      - {user: demo}
      - {directory: "{{ root }}/d", mode: "0700"}
      - {directory: "{{ root }}/kept", mode: "0700"}
      - {file: "{{ root }}/d/new", content: new}
      - {file: "{{ root }}/old", content: new, mode: "0600"}
      - {file: "{{ root }}/same", content: same}
      - {file: "{{ root }}/secret", content: CANARY, sensitive: true}
      - {file: "{{ root }}/was-link", content: new}
      - {link: "{{ root }}/link", target: d}
      - {link: "{{ root }}/was-file", target: d}
      - {absent: "{{ root }}/unwanted"}
      - {line: "{{ root }}/foreign", text: "port = 1", prefix: "port ="}
      - {line: "{{ root }}/foreign", text: "token = CANARY", prefix: "token =", sensitive: true}
      - {line: "{{ root }}/made", text: line, create: true}
      - {block: "{{ root }}/foreign", marker: demo, content: "one\\ntwo"}
      - {unit: new.service, enabled: true, state: started}
      - {unit: old.service, enabled: true, state: started}
"""
BEFORE = """
mkdir kept; chmod 0751 kept; echo kept > kept/f
echo old > old; chmod 0640 old; chown 1:2 old
printf same > same
ln -s nowhere was-link
echo file > was-file
echo unwanted > unwanted
printf 'first\\nport = 9\\ntoken = THEIRS\\nlast\\n' > foreign; chmod 0604 foreign
"""


def unit(name: str, active: str, enabled: str) -> str:
    return (
        f"Id={name}\nLoadState=loaded\nActiveState={active}\nUnitFileState={enabled}\nFragmentPath=/lib/x\n"
        "DropInPaths=\nNeedDaemonReload=no\nActiveEnterTimestamp=@1\n"
    )


def tree(site: Site) -> list[str]:
    """What an admin sees: types, owners, modes, contents; times and inodes may differ."""
    found = subprocess.run(
        "find . -printf '%p %y %m %u %g %l\\n' | sort; find . -type f | sort | xargs sha256sum; "
        'cat "$FAKE/packages"; cat "$FAKE"/units/*',
        shell=True,
        cwd=site.root,
        stdout=subprocess.PIPE,
        check=True,
    )
    return [line for line in found.stdout.decode().splitlines() if not line.startswith("ActiveEnter")]


@pytest.fixture
def before(site: Site) -> list[str]:
    site.shell(BEFORE)
    site.role.write(STATE)
    fakes = site.host.fakes
    (fakes / "packages").write_text("K theirs install installed 1\n")
    (fakes / "units" / "old.service").write_text(unit("old.service", "inactive", "disabled"))

    def module(name: str, arguments: dict[str, Any]) -> bool:
        packages = fakes / "packages"
        if name == "ansible.builtin.apt" and arguments["state"] == "present":
            packages.write_text(packages.read_text() + "K demo install installed 1\n")
            (fakes / "units" / "new.service").write_text(unit("new.service", "inactive", "disabled"))
        elif name == "ansible.builtin.apt":
            packages.write_text("K theirs install installed 1\n")
            (fakes / "units" / "new.service").unlink()
        elif name.endswith((".user", ".group")):
            table = fakes / ("passwd" if name.endswith("user") else "group")
            present = arguments["state"] == "present"
            line = "demo:x:900:900::/home/demo:/bin/sh\n" if name.endswith("user") else "demo:x:900:\n"
            table.write_text(line if present else "")
        return True

    site.host.on_module = module
    return tree(site)


def test_after_remove_the_host_is_as_it_was_before(site: Site, before: list[str]) -> None:
    first = site.apply()
    assert not first.failures
    assert tree(site) != before
    assert not site.apply().changed
    outcome = site.remove()
    assert not outcome.failures
    assert tree(site) == before
    assert not (site.host.scratch / "casa").exists(), "our own directory stayed"


def test_remove_and_apply_again_is_the_same_state(site: Site, before: list[str]) -> None:
    site.apply()
    converged = tree(site)
    site.remove()
    site.apply()
    assert tree(site) == converged


def test_a_preview_of_removal_changes_nothing_and_says_everything(site: Site, before: list[str]) -> None:
    site.apply()
    listing = site.listing()
    outcome = site.remove(check=True)
    assert site.listing() == listing
    assert outcome.done == [
        "bring old.service back to how it was",
        "stop and disable new.service",
        f"remove our block in {site.root}/foreign",
        f"remove our line in {site.root}/made",
        f"put back what our line in {site.root}/foreign replaced",
        f"put back what our line in {site.root}/foreign replaced",
        f"put back {site.root}/unwanted",
        f"put back {site.root}/was-file",
        f"remove {site.root}/link",
        f"put back {site.root}/was-link",
        f"remove {site.root}/secret",
        f"put back {site.root}/same",
        f"put back {site.root}/old",
        f"remove {site.root}/d/new",
        f"remove {site.root}/d if it is empty",
        "remove user demo, keep its home directory",
        "remove group demo",
        "remove package demo",
    ]
    assert outcome.notes == [
        f"keep {site.root}/kept, which was there before",
        "keep package theirs, which was there before",
    ]


def test_only_packages_users_and_groups_that_we_added_go_and_no_homes(site: Site, before: list[str]) -> None:
    site.apply()
    site.host.calls.clear()
    site.remove()
    assert site.host.calls == [
        (
            "ansible.builtin.apt",
            {"name": ["demo"], "state": "absent", "purge": True, "allow_change_held_packages": True},
        ),
        ("ansible.builtin.user", {"name": "demo", "state": "absent", "remove": False}),
        ("ansible.builtin.group", {"name": "demo", "state": "absent"}),
    ]


@pytest.mark.parametrize("name", ["old", "d/new", "secret"])
def test_a_file_that_somebody_changed_is_kept_as_casa_save(site: Site, before: list[str], name: str) -> None:
    site.apply()
    (site.root / name).write_text("edited")
    outcome = site.remove()
    assert (site.root / f"{name}.casa-save").read_text() == "edited"
    assert any(note.endswith(f"kept as {site.root}/{name}.casa-save") for note in outcome.notes)
    if name == "old":
        assert (site.root / "old").read_text() == "old\n"


def test_a_second_casa_save_does_not_replace_the_first(site: Site, before: list[str]) -> None:
    (site.root / "old.casa-save").write_text("earlier")
    site.apply()
    (site.root / "old").write_text("edited")
    site.remove()
    assert (site.root / "old.casa-save").read_text() == "earlier"
    assert (site.root / "old.casa-save.1").read_text() == "edited"


def test_a_directory_with_something_of_others_in_it_stays(site: Site, before: list[str]) -> None:
    site.apply()
    (site.root / "d" / "theirs").write_text("x")
    outcome = site.remove()
    assert (site.root / "d" / "theirs").exists()
    assert f"kept {site.root}/d: there is something in it that is not ours" in outcome.notes


def test_lines_that_others_added_meanwhile_stay(site: Site, before: list[str]) -> None:
    site.apply()
    with (site.root / "foreign").open("a") as stream:
        stream.write("later\n")
    site.remove()
    assert (site.root / "foreign").read_text() == "first\nport = 9\ntoken = THEIRS\nlast\nlater\n"


def test_a_removal_that_was_killed_goes_on_where_it_stopped(
    site: Site, before: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from casa_install.plugins.module_utils.casa_state import removal

    site.apply()
    original = removal.Removal._undo
    count = iter(range(100))

    def dying(self: Any, step: Any) -> bool:
        if next(count) == 9:
            raise KeyboardInterrupt
        return original(self, step)

    with monkeypatch.context() as context:
        context.setattr(removal.Removal, "_undo", dying)
        with pytest.raises(KeyboardInterrupt):
            site.remove()
    site.remove()
    assert tree(site) == before


def test_removal_of_what_was_never_installed_does_nothing(site: Site) -> None:
    outcome = site.remove()
    assert (outcome.changed, outcome.done, site.host.documents) == (False, [], [])
    assert not (site.host.scratch / "casa").exists()


def test_maintenance_leaves_units_alone_in_a_removal_too(site: Site, before: list[str]) -> None:
    site.apply()
    outcome = site.remove(maintenance=True)
    assert {item["name"] for item in outcome.failures} == {"old.service", "new.service"}
    assert "casa_maintenance is set" in outcome.failures[0]["message"]


def test_what_is_gone_already_is_no_fault(site: Site, before: list[str]) -> None:
    site.apply()
    site.shell("rm -rf d secret link foreign made")
    assert not site.remove().failures


def test_removal_goes_backwards_by_phase_and_within_it() -> None:
    names = [
        ("package", "packages"),
        ("file", "files"),
        ("unit", "units"),
        ("line", "files"),
        ("user", "accounts"),
    ]
    entries = [Entry(kind, f"{kind}1", phase, {"type": "absent"}) for kind, phase in names]
    order = [step.entry.kind for step in plan_removal(Receipt("demo", entries))]
    assert order == ["unit", "line", "file", "user", "package"]


GONE = """\
    roots: ["{{ root }}"]
    resources:
      - {package: theirs, state: absent}
      - {package: never, state: absent}
      - {absent: "{{ root }}/never"}
      - {line: "{{ root }}/f", text: old line, state: absent}
      - {line: "{{ root }}/f", text: never, state: absent}
      - {block: "{{ root }}/f", marker: old, content: "", state: absent}
"""


def test_what_we_had_removed_is_put_back_or_told(site: Site) -> None:
    block = "# BEGIN casa-install old\nin it\n# END casa-install old\n"
    (site.root / "f").write_text(f"old line\nkept\n{block}")
    packages = site.host.fakes / "packages"
    packages.write_text("K theirs install installed 1.5\n")
    site.host.on_module = lambda *_: bool(packages.write_text("")) or True
    site.role.write(GONE)
    assert not site.apply().failures
    assert (site.root / "f").read_text() == "kept\n"
    site.host.calls.clear()
    outcome = site.remove(check=True)
    assert outcome.done == [
        f"put back the block that we removed from {site.root}/f",
        f"put back the line that we removed from {site.root}/f",
    ]
    outcome = site.remove()
    assert not outcome.failures
    assert (site.root / "f").read_text() == f"kept\n{block}old line\n"
    assert "package theirs 1.5 was there before; it is not installed again" in outcome.notes
    assert not site.host.calls
    assert not (site.host.scratch / "casa").exists()
