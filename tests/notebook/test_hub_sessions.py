"""What sessions are given, and what is kept from them."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from typing import TYPE_CHECKING, Any

import casa_hub.hub
import pytest
from casa_hub import credentials, sessions, units
from casa_hub.environment import read_directory, read_lines
from casa_hub.settings import read_secrets, read_settings
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "a.env").write_text("# of one role\nXCACHE_HOST=cache\nB='two words'\n\nno variable\n1X=2\n")
    (tmp_path / "b.env").write_text("XCACHE_HOST=other\n")
    (tmp_path / "c.conf").write_text("NOT=read\n")
    return tmp_path


def test_variables_of_other_roles(directory: Path) -> None:
    said: list[str] = []
    found = read_directory(directory, said.append, os.getuid())
    assert found == {"XCACHE_HOST": "other", "B": "two words"}
    assert said == [f"{directory}/a.env: line {number} is no KEY=VALUE" for number in (5, 6)]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o664),
        lambda path: path.chmod(0o646),
        lambda path: (path.rename(path.with_name("real")), path.symlink_to("real")),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: path.write_bytes(b"\xff\xfe=1"),
    ],
)
def test_files_that_others_can_write_are_left_out(directory: Path, change: Callable[[Path], object]) -> None:
    said: list[str] = []
    change(directory / "b.env")
    assert read_directory(directory, said.append, os.getuid())["XCACHE_HOST"] == "cache"
    assert f"{directory}/b.env is left out" in said[-1]


def test_files_of_another_owner_are_left_out(directory: Path) -> None:
    assert read_directory(directory, lambda _: None, os.getuid() + 1) == {}
    assert read_directory(directory / "missing", lambda _: None) == {}


def test_a_value_may_have_an_equals_sign() -> None:
    assert read_lines("A=b=c\nEMPTY=\n", "", print) == {"A": "b=c", "EMPTY": ""}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Writes down what it is called with; fails for `ill`, as a real one would for a full disk."""
    path = tmp_path / "casa-session-credentials"
    path.write_text(
        "#!/bin/sh\n"
        'echo "$@" >> "$(dirname "$0")/calls"\n'
        'if [ "$2" = ill ]; then echo "no space left" >&2; exit 3; fi\n'
        'if [ "$1" = make ]; then cat > "$(dirname "$0")/given"; fi\n'
        'if [ "$1" = environment ]; then echo "DASK_X=/run/$2"; fi\n'
    )
    path.chmod(0o755)
    return path


def test_a_token_goes_through_a_pipe(program: Path) -> None:
    assert asyncio.run(credentials.make("ada", "secret", program))
    assert (program.parent / "given").read_text() == "secret"
    assert "secret" not in (program.parent / "calls").read_text()
    assert asyncio.run(credentials.variables("ada", program)) == "DASK_X=/run/ada\n"


def test_credentials_that_cannot_be_made_stop_the_spawn(program: Path) -> None:
    with pytest.raises(credentials.CredentialError, match="ended with 3: no space left"):
        asyncio.run(credentials.make("ill", "secret", program))


def test_a_host_without_the_program_has_no_credentials(tmp_path: Path) -> None:
    assert asyncio.run(credentials.make("ada", "secret", tmp_path / "none")) is False
    assert credentials.at_the_end("ada", tmp_path / "none") == {}
    asyncio.run(credentials.remove("ada", tmp_path / "none"))


def test_the_unit_itself_removes_credentials(program: Path) -> None:
    assert credentials.at_the_end("ada", program) == {"ExecStopPost": f"+-{program} remove ada"}


def test_who_listens_on_a_port_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert units.listener(port) == os.getuid()
    assert units.listener(port) is None


def test_a_port_that_only_connects_does_not_listen(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    row = "{n}: 0100007F:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 1"
    lines = [
        "  sl  local_address",
        row.format(n=0, port="1F90", state="01", uid=1),
        row.format(n=1, port="1F91", state="0A", uid=6002),
    ]
    table.write_text("\n".join(lines) + "\n")
    assert units.listener(0x1F90, [table]) is None
    assert units.listener(0x1F91, [table]) == 6002


def test_a_home_that_is_not_there_is_said(tmp_path: Path) -> None:
    person = pwd.struct_passwd(("ada", "x", 6001, 6001, "", str(tmp_path), "/bin/sh"))
    assert sessions.working_directory("", person) == str(tmp_path)
    (tmp_path / "ada").mkdir()
    assert sessions.working_directory("{home}/{account}", person) == str(tmp_path / "ada")
    with pytest.raises(sessions.SessionError, match="is not on this host"):
        sessions.working_directory("{home}/work", person)


def configured(settings: dict[str, Any], written: Write) -> Config:
    path = written(settings)
    site, config = read_settings(path), Config()
    casa_hub.hub.configure(config, site, read_secrets(path.parent / "secrets", site, os.getuid()))
    return config


def test_the_hub_is_locked_up(good: dict[str, Any], written: Write) -> None:
    c = configured(good, written)
    assert c.JupyterHub.hub_bind_url == "http://127.0.0.1:8081"
    assert c.JupyterHub.cleanup_servers is False
    assert c.ConfigurableHTTPProxy.should_start is False
    assert c.JupyterHub.tornado_settings["cookie_options"] == {"secure": True, "samesite": "Lax"}
    assert c.JupyterHub.allow_named_servers is False
    assert c.JupyterHub.authenticate_prometheus is True
    assert c.Authenticator.enable_auth_state is True
    assert c.Authenticator.allow_existing_users is False
    assert c.CryptKeeper["keys"] == [bytes.fromhex("11" * 32)]


def test_no_session_can_do_more_at_the_hub_than_say_that_it_is_used(
    good: dict[str, Any], written: Write
) -> None:
    c = configured(good, written)
    assert c.CasaSpawner.server_token_scopes == ["users:activity!user", "access:servers!server"]
    assert c.CasaSpawner.disable_user_sudo is True
    assert "PATH" not in c.CasaSpawner.env_keep


def scopes(c: Config, role: str) -> list[str]:
    (found,) = (each["scopes"] for each in c.JupyterHub.load_roles if each["name"] == role)
    return list(found)


def test_admins_enter_no_session_and_read_no_token_unless_asked(good: dict[str, Any], written: Write) -> None:
    forbidden = {"access:servers", "admin:users", "admin:auth_state", "admin:servers", "tokens", "users"}
    assert not forbidden & set(scopes(configured(good, written), "casa-admin"))
    good["admin_access"] = True
    assert forbidden & set(scopes(configured(good, written), "casa-admin")) == {"access:servers"}


def test_the_idle_culler_may_only_look_and_stop(good: dict[str, Any], written: Write) -> None:
    good["session"] = {"idle_seconds": 3600, "max_age_seconds": 86400}
    c = configured(good, written)
    (service,) = c.JupyterHub.services
    assert service["command"][1:] == [
        "-m",
        "jupyterhub_idle_culler",
        "--timeout=3600",
        "--cull-every=360",
        "--max-age=86400",
    ]
    assert scopes(c, "casa-idle-culler") == [
        "list:users",
        "read:users:activity",
        "read:servers",
        "delete:servers",
    ]


def test_a_profile_is_looked_up_by_name_and_never_taken_from_the_form(
    good: dict[str, Any], written: Write
) -> None:
    good["profiles"] = [{"name": "big", "title": "<b>Big</b>", "memory": "64G", "cpu": 16}]
    site = read_settings(written(good))
    form = sessions.form(site)
    assert "&lt;b&gt;Big&lt;/b&gt;" in form
    assert "<b>Big" not in form.replace("<b>&lt;", "")
    assert sessions.chosen({"profile": ["big"], "mem_limit": ["1T"]}) == {"profile": "big"}


def test_without_profiles_nobody_is_asked(good: dict[str, Any], written: Write) -> None:
    assert "options_form" not in configured(good, written).CasaSpawner


def test_hardening_can_be_left_out(good: dict[str, Any], written: Write) -> None:
    site = read_settings(written(good))
    assert "CapabilityBoundingSet" in sessions.properties(site.session)
    assert not {"PrivateTmp", "PrivateDevices"} & set(sessions.properties(site.session))
    good["session"] = {"hardening": False}
    assert "CapabilityBoundingSet" not in sessions.properties(read_settings(written(good)).session)
