"""Every kind, changed behind our back in every way we can think of, by plain shell.

The matrix is generated from the registry of kinds: a kind without mutations fails the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from casa_install.state.kinds import KINDS

if TYPE_CHECKING:
    from tests.state.conftest import Site


@dataclass(frozen=True)
class Mutation:
    """One way to change a converged host, and what must follow.

    `outcome` is `mended`, `reported` (told, left), `refused` (the run stops, nothing is changed) or `owed`.
    """

    kind: str
    name: str
    script: str
    outcome: str = "mended"


STATE = """\
    roots: ["{{ root }}"]
    handlers: {Reload: {record: true}}
    resources:
      - repository: demo
        format: deb
        options: {URIs: u}
        when: false
      - package: condor
        version: "23.*"
        held: true
      - group: condor
        gid: 64
      - user: condor
        uid: 64
        shell: /bin/false
      - directory: "{{ root }}/d"
        mode: "0750"
        owner: root
        group: root
      - directory: "{{ root }}/x"
        exclusive: true
      - directory: "{{ root }}/s"
        shared: true
      - file: "{{ root }}/d/f"
        content: "wanted\\n"
        mode: "0640"
        owner: root
        group: root
        notify: Reload
      - link: "{{ root }}/l"
        target: d/f
      - absent: "{{ root }}/gone"
      - line: "{{ root }}/foreign"
        text: port = 9618
        prefix: "port ="
      - block: "{{ root }}/foreign"
        marker: demo
        content: one
      - unit: condor.service
        enabled: true
        state: started
      - sysctl: net.core.somaxconn
        value: "4096"
        when: false
      - check: joined
        command: [test, -e, "{{ root }}/joined"]
"""

U = 'sed -i "s|^%s=.*|%s=%s|" "$FAKE/units/condor.service"'


def unit(key: str, value: str) -> str:
    return U % (key, key, value)


MUTATIONS = [
    Mutation("file", "content", "echo other > d/f"),
    Mutation("file", "same size and time", "touch -r d/f t; printf 'WANTED\\n' > d/f; touch -r t d/f; rm t"),
    Mutation("file", "mode", "chmod 0644 d/f"),
    Mutation("file", "owner", "chown 1 d/f"),
    Mutation("file", "group", "chgrp 1 d/f"),
    Mutation("file", "link to an identical copy", "mv d/f d/copy; ln -s copy d/f"),
    Mutation("file", "a directory in its place", "rm d/f; mkdir d/f", "refused"),
    Mutation("file", "a fifo in its place", "rm d/f; mkfifo d/f", "refused"),
    Mutation("file", "removed", "rm d/f"),
    Mutation("file", "parent replaced by a link", "mv d e; ln -s e d", "reported"),
    Mutation("directory", "mode", "chmod 0700 d"),
    Mutation("directory", "owner", "chown 1 d"),
    Mutation("directory", "removed", "rm -r d"),
    Mutation("directory", "a file in its place", "rm -r s; touch s", "refused"),
    Mutation("directory", "a link in its place", "mv x y; ln -s y x", "reported"),
    Mutation("directory", "extra file in an exclusive one", "touch x/extra"),
    Mutation("directory", "extra directory in an exclusive one", "mkdir -p x/extra/deep"),
    Mutation("directory", "extra odd name in an exclusive one", 'touch "x/a\'b \\n c"'),
    Mutation("directory", "extra file in a shared one", "touch s/extra", "reported"),
    Mutation("link", "target", "ln -sfn foreign l"),
    Mutation("link", "removed", "rm l"),
    Mutation("link", "a file in its place", "rm l; cp d/f l"),
    Mutation("link", "a directory in its place", "rm l; mkdir l", "refused"),
    Mutation("absent", "there again", "touch gone"),
    Mutation("absent", "there as a link", "ln -s foreign gone"),
    Mutation("absent", "there as a full directory", "mkdir -p gone/deep"),
    Mutation("line", "changed", "sed -i 's/9618/9619/' foreign"),
    Mutation("line", "removed", "sed -i '/9618/d' foreign"),
    Mutation("line", "a later one wins", "echo 'port = 1' >> foreign"),
    Mutation("block", "changed", "sed -i 's/^one$/two/' foreign"),
    Mutation("block", "removed", "sed -i '/BEGIN/,/END/d' foreign"),
    Mutation("block", "a marker removed", "sed -i '/END/d' foreign", "refused"),
    Mutation("block", "there twice", "cp foreign t; cat t >> foreign; rm t", "refused"),
    Mutation("package", "removed", ': > "$FAKE/packages"'),
    Mutation("package", "downgraded", 'echo "K condor hold installed 22.1" > "$FAKE/packages"'),
    Mutation("package", "released", 'echo "K condor install installed 23.1" > "$FAKE/packages"'),
    Mutation("package", "half installed", 'echo "K condor hold half-configured 23.1" > "$FAKE/packages"'),
    Mutation("group", "removed", 'sed -i /condor/d "$FAKE/group"'),
    Mutation("group", "other number", 'echo "condor:x:65:" > "$FAKE/group"', "refused"),
    Mutation("group", "number taken", 'echo "other:x:64:" > "$FAKE/group"', "refused"),
    Mutation("user", "removed", 'sed -i /condor/d "$FAKE/passwd"'),
    Mutation("user", "other number", 'echo "condor:x:65:64::/:/bin/false" > "$FAKE/passwd"', "refused"),
    Mutation(
        "user", "shell in the directory service", 'sed -i s,/bin/false,/bin/sh, "$FAKE/passwd"', "refused"
    ),
    Mutation("unit", "stopped", unit("ActiveState", "inactive")),
    Mutation("unit", "failed", unit("ActiveState", "failed")),
    Mutation("unit", "disabled", unit("UnitFileState", "disabled")),
    Mutation("unit", "enabled for this boot only", unit("UnitFileState", "enabled-runtime")),
    Mutation("unit", "masked", unit("LoadState", "masked"), "reported"),
    Mutation("unit", "edited, not reloaded", unit("NeedDaemonReload", "yes")),
    Mutation(
        "unit", "drop-in", unit("DropInPaths", "/etc/systemd/system/condor.service.d/x.conf"), "reported"
    ),
    Mutation("check", "undone", "rm joined", "owed"),
]

# A repository is two files; a kernel setting is this computer's own and has a stand-in in another test.
COVERED_ELSEWHERE = {"repository", "sysctl"}


def test_every_kind_has_mutations() -> None:
    assert {mutation.kind for mutation in MUTATIONS} == set(KINDS) - COVERED_ELSEWHERE


@pytest.fixture
def converged(site: Site) -> Site:
    site.role.write(STATE)
    fakes = site.host.fakes
    (fakes / "packages").write_text("K condor hold installed 23.1\n")
    (fakes / "group").write_text("condor:x:64:\n")
    (fakes / "passwd").write_text("condor:x:64:64::/:/bin/false\n")
    (fakes / "ids" / "condor").write_text("64\n")
    (fakes / "units" / "condor.service").write_text(
        "Id=condor.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n"
        "FragmentPath=/usr/lib/systemd/system/condor.service\nDropInPaths=\nNeedDaemonReload=no\n"
        "ActiveEnterTimestamp=\n"
    )
    site.shell("echo theirs > foreign; touch joined")

    def module(name: str, arguments: dict) -> bool:
        if name == "ansible.builtin.apt":
            (fakes / "packages").write_text("K condor install installed 23.2\n")
        elif name == "ansible.builtin.dpkg_selections":
            text = (fakes / "packages").read_text().replace("condor install", "condor hold")
            (fakes / "packages").write_text(text)
        elif name == "ansible.builtin.group":
            (fakes / "group").write_text(f"condor:x:{arguments['gid']}:\n")
        elif name == "ansible.builtin.user":
            (fakes / "passwd").write_text(f"condor:x:{arguments['uid']}:64::/:{arguments['shell']}\n")
        return True

    site.host.on_module = module
    outcome = site.apply()
    assert not outcome.failures
    site.settle()
    again = site.apply()
    assert (again.changed, again.differences, again.notify) == (False, [], [])
    site.host.calls.clear()
    return site


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.kind}: {mutation.name}")
def test_mutation(converged: Site, mutation: Mutation) -> None:
    converged.shell(mutation.script)
    mutated = converged.listing()
    fakes = {path: path.read_bytes() for path in converged.host.fakes.rglob("*") if path.is_file()}

    foreseen = None
    if mutation.outcome != "refused":
        foreseen = converged.apply(check=True)
        assert foreseen.differences, "not found"
        assert converged.listing() == mutated, "a dry run changed something"

    if mutation.outcome == "refused":
        with pytest.raises(Exception, match=r".") as caught:
            converged.apply()
        assert type(caught.value).__name__ == "RefusalError"
        assert converged.listing() == mutated, "a refusal changed something"
        return
    outcome = converged.apply()
    assert not outcome.failures
    assert foreseen is not None
    assert foreseen.changed == outcome.changed
    if mutation.outcome == "mended":
        assert outcome.changed
        converged.settle()
        again = converged.apply()
        assert (again.changed, again.differences) == (False, [])
        return
    assert not outcome.changed
    verdicts = {item["verdict"] for item in outcome.differences}
    assert verdicts == {"reported": {"report"}, "owed": {"step"}}[mutation.outcome]
    assert outcome.owed == (["joined"] if mutation.outcome == "owed" else [])
    assert converged.listing() == mutated, "what is only reported was changed"
    assert fakes == {path: path.read_bytes() for path in converged.host.fakes.rglob("*") if path.is_file()}
