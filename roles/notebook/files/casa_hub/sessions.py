"""Sessions: one systemd unit per user, `casa-session-<account>`.

A session knows its environment by the versioned path, never by the link: what runs keeps its version when the
link is switched. Limits and hardening are the unit's; what ends with the session is in `credentials`.
"""

from __future__ import annotations

import asyncio
import html
import os
import pwd
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from systemdspawner import SystemdSpawner
from traitlets import Any as AnyTrait

from casa_hub import environment

if TYPE_CHECKING:
    from casa_hub.settings import Settings

UNIT = "casa-session-"
PATHS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
HARDENING: dict[str, Any] = {
    # No PrivateTmp: HTCondor's FS authentication proves who somebody is by a directory in the shared /tmp.
    # No PrivateDevices: GPUs and FUSE are devices. No RestrictNamespaces: Apptainer needs user namespaces.
    "CapabilityBoundingSet": "",
    "LockPersonality": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectSystem": "full",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
}


class SessionError(Exception):
    """A session that cannot be started; the text is for its user."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.jupyterhub_message = said


class CasaSpawner(SystemdSpawner):  # type: ignore[misc]
    """Starts a user's session as a unit of his account."""

    site = AnyTrait(help="The site's `casa_hub.settings.Settings`.").tag(config=True)

    async def start(self) -> tuple[str, int]:
        """Start the unit; return the address that the session listens on.

        Raises:
            SessionError: The environment or the home is not there, or somebody else took the port.
        """
        site: Settings = self.site
        account = pwd.getpwnam(self.user.name)
        chosen = os.path.realpath(site.session.environment)
        program = Path(chosen, "bin", "jupyterhub-singleuser")
        if not os.access(program, os.X_OK):
            raise SessionError("The analysis environment is not installed on this host; tell its admins.")
        self.cmd = [str(program)]
        self.default_shell = account.pw_shell or "/bin/sh"
        self.user_workingdir = _working_directory(site.session.working_directory, account)
        self.environment = await self._environment(chosen, account)
        self._limit()
        address: tuple[str, int] | None = await super().start()
        if address is None:
            await self.stop()
            raise SessionError("The session did not start in time; `journalctl` on its host tells why.")
        return address

    async def _environment(self, chosen: str, account: pwd.struct_passwd) -> dict[str, str]:
        site: Settings = self.site
        shared = environment.read_directory(site.environment_directory, self.log.warning)
        return {
            **shared,
            **site.environment,
            "PATH": ":".join((f"{chosen}/bin", *PATHS)),
            "CASA_ENVIRONMENT": chosen,
        }

    def _limit(self) -> None:
        """Take the profile's size, else the one of every session."""
        site: Settings = self.site
        chosen = next((each for each in site.profiles if each.name == self.user_options.get("profile")), None)
        size = chosen or site.session
        self.mem_limit, self.cpu_limit = size.memory, size.cpu


def _working_directory(template: str, account: pwd.struct_passwd) -> str:
    where = template.format(account=account.pw_name, home=account.pw_dir) if template else account.pw_dir
    try:
        Path(where).stat()
    except FileNotFoundError:
        raise SessionError(
            f"The directory {where} is not on this host, so no session can start there; tell its admins."
        ) from None
    except OSError:
        # Root may not look into a home on NFS; the user himself can.
        pass
    return where


def configure(c: Any, site: Settings) -> None:
    """Fill the spawner's configuration."""
    c.JupyterHub.spawner_class = CasaSpawner
    spawner = c.CasaSpawner
    spawner.site = site
    spawner.unit_name_template = UNIT + "{USERNAME}"
    spawner.default_url = "/lab"
    spawner.start_timeout = site.session.start_timeout
    spawner.http_timeout = site.session.start_timeout
    spawner.disable_user_sudo = site.session.hardening
    spawner.isolate_tmp = False
    # The hub's own PATH and Python are no business of a session.
    spawner.env_keep = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"]
    spawner.unit_extra_properties = {
        # Without it a session would push the host into swap instead of meeting its limit.
        "MemorySwapMax": "0",
        "KillMode": "mixed",
        **(HARDENING if site.session.hardening else {}),
    }
    # A session's token may say that it is used and let its owner in, and nothing else.
    spawner.server_token_scopes = ["users:activity!user", "access:servers!server"]
    if site.profiles:
        spawner.options_form = _form(site)
        spawner.options_from_form = _chosen
        c.CasaSpawner.site = site


def _form(site: Settings) -> str:
    rows = [
        f'<label class="casa-choice"><input type="radio" name="profile" value="{html.escape(each.name)}"'
        f"{' checked' if not number else ''}><span>{html.escape(each.title)}</span></label>"
        for number, each in enumerate(site.profiles)
    ]
    return f'<fieldset class="casa-choices"><legend>Size of the session</legend>{"".join(rows)}</fieldset>'


def _chosen(form: dict[str, list[str]]) -> dict[str, str]:
    return {"profile": form.get("profile", [""])[0]}
