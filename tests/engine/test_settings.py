"""Our defaults are quick and safe; what a site set itself wins."""

import configparser
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from casa_install.engine.settings import (
    MAX_FORKS,
    ansible_environment,
    control_path_directory,
    default_forks,
    read_site_config,
)


def config(text):
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


def test_defaults():
    added = ansible_environment({}, collections=None, config=config(""))
    assert added["ANSIBLE_PIPELINING"] == "True"
    assert "ControlPersist" in added["ANSIBLE_SSH_ARGS"]
    assert added["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert added["ANSIBLE_INVENTORY_IGNORE_REGEX"] == "^hooks$"
    assert added["PATH"].startswith(str(Path(sys.executable).parent))


def test_environment_of_the_admin_wins():
    own = {
        "ANSIBLE_SSH_PIPELINING": "False",
        "ANSIBLE_SSH_ARGS": "-4",
        "ANSIBLE_INVENTORY_IGNORE_REGEX": "^x$",
    }
    added = ansible_environment(own, collections=None, config=config(""))
    assert "ANSIBLE_PIPELINING" not in added
    assert "ANSIBLE_SSH_ARGS" not in added
    assert added["ANSIBLE_INVENTORY_IGNORE_REGEX"] == "^x$,^hooks$"


def test_ansible_cfg_of_the_site_wins():
    site = config(
        "[defaults]\nhost_key_checking = False\ngathering = smart\n[ssh_connection]\nssh_args = -6\n"
    )
    added = ansible_environment({}, collections=None, config=site)
    assert "ANSIBLE_GATHERING" not in added
    assert "ANSIBLE_SSH_ARGS" not in added
    # Named all the same, because ansible-runner sets what is not.
    assert added["ANSIBLE_HOST_KEY_CHECKING"] == "False"


def test_ansible_cfg_is_found_as_ansible_finds_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ansible.cfg").write_text("[defaults]\nforks = 3\n")
    tmp_path.chmod(0o755)
    assert read_site_config({}).get("defaults", "forks") == "3"
    named = tmp_path / "other.cfg"
    named.write_text("[defaults]\nforks = 4\n")
    assert read_site_config({"ANSIBLE_CONFIG": str(named)}).get("defaults", "forks") == "4"
    tmp_path.chmod(0o777)
    assert not read_site_config({}).has_option("defaults", "forks")


def test_our_collections_come_before_those_of_the_site():
    added = ansible_environment(
        {"ANSIBLE_COLLECTIONS_PATH": "/theirs"}, collections=Path("/ours"), config=config("")
    )
    assert added["ANSIBLE_COLLECTIONS_PATH"] == "/ours:/theirs"


def test_every_setting_is_one_that_ansible_knows():
    added = ansible_environment({}, collections=None, config=config(""))
    listed = subprocess.run(
        [Path(sys.executable).parent / "ansible-config", "list", "--type", "all"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    unknown = [name for name in added if name.startswith("ANSIBLE_") and f"name: {name}\n" not in listed]
    assert unknown == []


@pytest.mark.parametrize(
    ("hosts", "cores", "forks"), [(0, 2, 1), (3, 2, 3), (100, 1, 8), (1000, 64, MAX_FORKS)]
)
def test_forks(hosts, cores, forks):
    assert default_forks(hosts, cores) == forks


def test_connection_sockets_lie_in_a_short_private_directory(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 90)
    monkeypatch.setenv("XDG_STATE_HOME", str(deep))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    directory = control_path_directory()
    assert not directory.is_relative_to(deep)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert len(str(directory)) < 80
