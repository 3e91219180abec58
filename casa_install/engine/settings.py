"""Ansible's settings for our runs: quick defaults, which a site's own settings override."""

from __future__ import annotations

import configparser
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from casa_install.engine.rundir import make_private, state_home
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FORKS = 32
FORKS_PER_CORE = 8
_SOCKET_PATH_MAX = 107
"""Bytes in `sun_path` of unix(7), without the final zero."""
_SOCKET_SUFFIX = len("/") + 10 + len(".") + 16
"""What follows the directory: Ansible's hashed name, then the random suffix that ssh adds while it binds."""


@dataclass(frozen=True, slots=True)
class Default:
    """A setting of ours, and the places where a site may have made its own.

    Args:
        value: Ours.
        names: Environment variables that set it; ours goes into the first.
        keys: Its places in `ansible.cfg`, as `section.key`.
    """

    value: str
    names: tuple[str, ...]
    keys: tuple[str, ...]


# Sources: ansible/config/base.yml and the options of the ssh connection plugin, ansible-core 2.19-2.21.
_DEFAULTS = (
    Default(
        "True",
        ("ANSIBLE_PIPELINING", "ANSIBLE_SSH_PIPELINING"),
        ("defaults.pipelining", "connection.pipelining", "ssh_connection.pipelining"),
    ),
    # The connection outlives a long task on another host, and the next command finds it open. A machine
    # that died leaves it silent; ssh gives up after 15 s x 4.
    Default(
        "-C -o ControlMaster=auto -o ControlPersist=15m -o ServerAliveInterval=15 -o ServerAliveCountMax=4",
        ("ANSIBLE_SSH_ARGS",),
        ("ssh_connection.ssh_args",),
    ),
    Default(
        "True",
        ("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_HOST_KEY_CHECKING"),
        ("defaults.host_key_checking", "ssh_connection.host_key_checking"),
    ),
    Default("15", ("ANSIBLE_TIMEOUT", "ANSIBLE_SSH_TIMEOUT"), ("defaults.timeout", "ssh_connection.timeout")),
    Default("explicit", ("ANSIBLE_GATHERING",), ("defaults.gathering",)),
    # A component without hosts is normal: groups are the switches.
    Default("ignore", ("ANSIBLE_HOST_PATTERN_MISMATCH",), ("inventory.host_pattern_mismatch",)),
    Default("auto_silent", ("ANSIBLE_PYTHON_INTERPRETER",), ("defaults.interpreter_python",)),
    Default("False", ("ANSIBLE_DEPRECATION_WARNINGS",), ("defaults.deprecation_warnings",)),
    Default("False", ("ANSIBLE_RETRY_FILES_ENABLED",), ("defaults.retry_files_enabled",)),
    Default("True", ("ANSIBLE_NOCOWS",), ("defaults.nocows",)),
    Default("True", ("ANSIBLE_NOCOLOR",), ()),
    Default("False", ("ANSIBLE_DISPLAY_SKIPPED_HOSTS",), ("defaults.display_skipped_hosts",)),
)

_IGNORED_IN_INVENTORIES = ("defaults.inventory_ignore_patterns", "inventory.ignore_patterns")


def ansible_environment(
    environ: Mapping[str, str],
    *,
    collections: Path | None,
    foresight: Path | None = None,
    config: configparser.ConfigParser | None = None,
) -> dict[str, str]:
    """Return the environment variables that a run adds to those of the admin.

    Args:
        environ: The admin's environment.
        collections: A directory that holds `ansible_collections/`, if Ansible does not find ours by itself.
        foresight: The file in which our callback plugin notes what the events of a dry run do not tell.
        config: The site's own ansible.cfg; read from Ansible's places if not given.
    """
    site = config if config is not None else read_site_config(environ)
    added = {
        default.names[0]: default.value
        for default in _DEFAULTS
        if not any(name in environ for name in default.names) and not _is_set(site, default.keys)
    }
    # ansible-runner switches the check off where this variable is missing, even against an ansible.cfg.
    if "ANSIBLE_HOST_KEY_CHECKING" not in added and "ANSIBLE_HOST_KEY_CHECKING" not in environ:
        added["ANSIBLE_HOST_KEY_CHECKING"] = _value(site, "defaults.host_key_checking") or "True"
    if "ANSIBLE_SSH_CONTROL_PATH_DIR" not in environ and not _is_set(
        site, ("ssh_connection.control_path_dir",)
    ):
        added["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(control_path_directory())
    ignored = environ.get("ANSIBLE_INVENTORY_IGNORE_REGEX") or _first(site, _IGNORED_IN_INVENTORIES)
    added["ANSIBLE_INVENTORY_IGNORE_REGEX"] = ",".join(filter(None, (ignored, "^hooks$")))
    if collections is not None:
        standard = f"{Path.home()}/.ansible/collections:/usr/share/ansible/collections"
        others = (
            environ.get("ANSIBLE_COLLECTIONS_PATH") or _value(site, "defaults.collections_path") or standard
        )
        added["ANSIBLE_COLLECTIONS_PATH"] = f"{collections}:{others}"
    if foresight is not None:
        others = environ.get("ANSIBLE_CALLBACKS_ENABLED") or _value(site, "defaults.callbacks_enabled")
        added["ANSIBLE_CALLBACKS_ENABLED"] = ",".join(filter(None, (others, "casa.install.foresight")))
        added["CASA_INSTALL_FORESIGHT"] = str(foresight)
    # Programs beside our interpreter come first, so that the tested ansible-core is the one that runs.
    added["PATH"] = f"{Path(sys.executable).parent}:{environ.get('PATH', os.defpath)}"
    return added


def ansible_playbook() -> Path:
    """Return the ansible-playbook that was installed with casa-install.

    Raises:
        CasaError: There is none.
    """
    path = Path(sys.executable).parent / "ansible-playbook"
    if not path.is_file():
        raise CasaError(
            f"ansible-playbook is missing beside {sys.executable}.",
            hint=f"Install it there: `{sys.executable} -m pip install 'ansible-core>=2.19,<2.22'`.",
        )
    return path


def default_forks(hosts: int, cores: int | None = None) -> int:
    """Return how many hosts are worked on at once: one process each, bounded by this computer."""
    cores = cores or os.cpu_count() or 1
    return max(1, min(hosts, FORKS_PER_CORE * cores, MAX_FORKS))


def control_path_directory() -> Path:
    """Return a private directory for ssh's connection sockets, short enough for a socket's path.

    Raises:
        CasaError: No such directory can be made.
    """
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    candidates = [state_home() / "ssh"]
    if runtime.is_absolute() and runtime.is_dir():
        candidates.insert(0, runtime / "casa-install")
    for candidate in candidates:
        if len(os.fsencode(candidate)) + _SOCKET_SUFFIX <= _SOCKET_PATH_MAX:
            return make_private(candidate)
    return make_private(Path(tempfile.gettempdir()) / f"casa-install-{os.getuid()}")


def read_site_config(environ: Mapping[str, str]) -> configparser.ConfigParser:
    """Return the ansible.cfg that Ansible will read, or an empty one.

    Source: `find_ini_config_file` of ansible-core: $ANSIBLE_CONFIG, then the current directory unless
    everybody can write to it, then the home directory, then /etc.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=(";",))
    named = environ.get("ANSIBLE_CONFIG", "")
    places = [Path(named).expanduser()] if named else []
    if places and places[0].is_dir():
        places[0] /= "ansible.cfg"
    if not Path.cwd().stat().st_mode & 0o002:
        places.append(Path.cwd() / "ansible.cfg")
    places += [Path.home() / ".ansible.cfg", Path("/etc/ansible/ansible.cfg")]
    found = next((place for place in places if place.is_file() and os.access(place, os.R_OK)), None)
    if found is not None:
        try:
            parser.read(found, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            # Ansible itself names the fault, with the line, when the run starts.
            return configparser.ConfigParser(interpolation=None)
    return parser


def _first(site: configparser.ConfigParser, keys: tuple[str, ...]) -> str:
    return next(filter(None, (_value(site, key) for key in keys)), "")


def _is_set(site: configparser.ConfigParser, keys: tuple[str, ...]) -> bool:
    return bool(_first(site, keys))


def _value(site: configparser.ConfigParser, key: str) -> str:
    section, _, option = key.partition(".")
    return site.get(section, option, fallback="")
