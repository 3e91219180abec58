"""From a role's list to typed resources for one host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casa_install.state.findings import StateFileError
from casa_install.state.resources import Directory, File, LocalFile, Sysctl, Unit, User

if TYPE_CHECKING:
    from tests.state.conftest import Role


def refused(role: Role) -> str:
    with pytest.raises(StateFileError) as caught:
        role.desired()
    return str(caught.value)


def test_a_text_that_is_one_expression_has_that_expressions_type(role: Role) -> None:
    role.write(
        "resources: [{user: condor, uid: '{{ number }}', groups: '{{ groups }}', system: '{{ yes }}'}]",
        number=64,
        groups=["adm", "disk"],
        yes=True,
    )
    (user,) = role.desired().resources
    assert isinstance(user, User)
    assert (user.uid, user.groups, user.system) == (64, ("adm", "disk"), True)


def test_when_is_data_and_chosen_per_host(role: Role) -> None:
    role.write(
        "roots: [/a]\nresources: [{absent: /a/b, when: wanted}, {absent: /a/c, when: [wanted, not wanted]}]",
        wanted=True,
    )
    assert [item.name for item in role.desired().resources] == ["/a/b"]
    role.variables["wanted"] = False
    assert role.desired().resources == ()


def test_each_repeats_an_entry_with_item(role: Role) -> None:
    role.write(
        "resources: [{package: '{{ item }}', each: '{{ names }}', when: item != 'c'}]", names=["a", "b", "c"]
    )
    assert [item.name for item in role.desired().resources] == ["a", "b"]


def test_an_empty_expression_leaves_the_key_out(role: Role) -> None:
    role.write("resources: [{package: condor, version: '{{ pin }}'}]", pin="")
    (package,) = role.desired().resources
    assert package.version == ""


def test_os_differences_come_from_the_first_vars_file_that_exists(role: Role) -> None:
    (role.directory / "vars").mkdir()
    (role.directory / "vars" / "redhat.yml").write_text("name: condor-el")
    role.write(
        "vars_files: [['vars/{{ family }}.yml', 'vars/redhat.yml']]\nresources: [{package: '{{ name }}'}]",
        family="debian",
    )
    assert role.desired().resources[0].name == "condor-el"
    (role.directory / "vars" / "debian.yml").write_text("name: condor")
    assert role.desired().resources[0].name == "condor"


def test_an_unknown_operating_system_is_refused_with_the_files_that_were_tried(role: Role) -> None:
    role.write("vars_files: ['vars/{{ family }}.yml']\nresources: []", family="slackware")
    assert "none of vars/slackware.yml exists: this operating system is not supported" in refused(role)


@pytest.mark.parametrize("path", ["/etc/demo2", "/etc", "/etc/demo-x/y", "/srv"])
def test_paths_outside_the_roles_declared_roots_are_refused(role: Role, path: str) -> None:
    role.write("roots: [/etc/demo]\nresources: [{directory: '{{ path }}'}]", path=path)
    assert f"{path} is outside the role's roots (/etc/demo)" in refused(role)


def test_every_undefined_variable_is_told_with_its_place(role: Role) -> None:
    role.write("roots: [/a]\nresources:\n  - {absent: '/a/{{ one }}'}\n  - {link: /a/l, target: '{{ two }}'}")
    message = refused(role)
    assert "state.yml:3: absent: absent: 'one' is undefined" in message
    assert "state.yml:4: link: target: 'two' is undefined" in message


def test_a_sensitive_value_is_never_part_of_a_message(role: Role) -> None:
    role.write(
        "roots: [/a]\n"
        "resources: [{file: /a/b, content: '{{ secret | bogus }}', sensitive: true, mode: '{{ secret }}'}]",
        secret="CANARY",
    )
    message = refused(role)
    assert "CANARY" not in message
    assert "cannot be rendered (why is not told, as the resource is sensitive)" in message


def test_content_is_not_part_of_a_resources_representation(role: Role) -> None:
    role.write("roots: [/a]\nresources: [{file: /a/b, content: CANARY}]")
    assert "CANARY" not in repr(role.desired())


def test_one_thing_declared_twice_is_refused_also_as_two_kinds(role: Role) -> None:
    role.write("roots: [/a]\nresources:\n  - {file: /a/b, content: x}\n  - {link: /a/b, target: c}")
    assert "state.yml:4: link: /a/b is declared at" in refused(role)


def test_template_and_source_are_found_in_the_role(role: Role) -> None:
    for folder, name, text in (("templates", "t.j2", "v={{ v }}\n"), ("files", "s", "raw {{ v }}\n")):
        (role.directory / folder).mkdir()
        (role.directory / folder / name).write_text(text)
    role.write("roots: [/a]\nresources: [{file: /a/t, template: t.j2}, {file: /a/s, source: s}]", v=1)
    contents = [item.content for item in role.desired().resources if isinstance(item, File)]
    assert contents == [b"v=1\n", b"raw {{ v }}\n"]


def test_a_file_over_one_mebibyte_stays_where_it_is_until_it_is_streamed(role: Role) -> None:
    (role.directory / "files").mkdir()
    (role.directory / "files" / "big").write_bytes(b"x" * ((1 << 20) + 1))
    role.write("roots: [/a]\nresources: [{file: /a/b, source: big}]")
    (file,) = role.desired().resources
    assert isinstance(file, File)
    assert isinstance(file.content, LocalFile)


def test_a_missing_template_is_told(role: Role) -> None:
    role.write("roots: [/a]\nresources: [{file: /a/t, template: ../secret}, {file: /a/s, source: none}]")
    assert "files/none is not in the role" in refused(role)


def test_a_repository_is_its_description_and_its_key_made_before_packages(role: Role) -> None:
    role.write(
        """\
        resources:
          - repository: htcondor
            format: deb
            key: KEY
            options: {URIs: "https://example.org/debian", Suites: trixie, Components: [main, extra]}
        """
    )
    folder, key, source = role.desired().resources
    assert isinstance(folder, Directory)
    assert isinstance(key, File)
    assert isinstance(source, File)
    assert key.path == "/etc/apt/keyrings/casa-htcondor.asc"
    assert source.content == (
        b"Types: deb\nURIs: https://example.org/debian\nSuites: trixie\nComponents: main extra\n"
        b"Signed-By: /etc/apt/keyrings/casa-htcondor.asc\n"
    )
    assert {key.phase, source.phase} == {"repositories"}


def test_an_rpm_repository(role: Role) -> None:
    role.write(
        "resources: [{repository: osg, format: rpm, key: K, "
        "options: {baseurl: 'https://example.org', gpgcheck: 1}}]"
    )
    source = role.desired().resources[-1]
    assert isinstance(source, File)
    assert source.path == "/etc/yum.repos.d/casa-osg.repo"
    assert source.content == (
        b"[casa-osg]\nname=osg\nbaseurl=https://example.org\ngpgcheck=1\n"
        b"gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-casa-osg\n"
    )


def test_drop_ins_are_files_of_their_own(role: Role) -> None:
    role.write("resources: [{unit: a.service, state: started, drop_ins: {limits: '[Service]'}}]")
    folder, file, unit = role.desired().resources
    assert (folder.name, file.name) == (
        "/etc/systemd/system/a.service.d",
        "/etc/systemd/system/a.service.d/casa-demo-limits.conf",
    )
    assert isinstance(unit, Unit)


def test_kernel_settings_share_one_file_that_outlives_a_boot(role: Role) -> None:
    role.write(
        "resources: [{sysctl: net.core.somaxconn, value: 1}, {sysctl: kernel.pid_max, value: '4  194304'}]"
    )
    file, one, two = role.desired().resources
    assert isinstance(file, File)
    assert file.content == b"net.core.somaxconn = 1\nkernel.pid_max = 4 194304\n"
    assert isinstance(one, Sysctl)
    assert isinstance(two, Sysctl)
    assert two.value == "4 194304"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{unit: a.service, masked: true, enabled: true}",
            "a masked unit can be neither enabled nor started",
        ),
        ("{directory: /a/b, exclusive: true, shared: true}", "exclusive and shared exclude each other"),
        ("{package: '{{ 1 }}', each: 7}", "each must be a list"),
        ("{file: /a/b, content: '{{ {} }}'}", "content is not usable"),
        ("{absent: /a/b, notify: '{{ \"No such\" }}'}", "'No such' is not under `handlers`"),
    ],
)
def test_values_that_cannot_be_are_refused_after_rendering(role: Role, entry: str, message: str) -> None:
    role.write(f"roots: [/a]\nresources:\n  - {entry}\n")
    assert message in refused(role)
