"""Sessions: one systemd unit per user, `casa-session-<account>`.

A session knows its environment by the versioned path, never by the link: what runs keeps its version when the
link is switched. Limits and hardening are the unit's.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import pwd
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from systemdspawner import SystemdSpawner
from traitlets import Any as AnyTrait

from casa_hub import credentials, environment, units

if TYPE_CHECKING:
    from casa_hub.settings import Profile, Session, Settings

FAILED = "The session ended while it started, or did not start in time. If it stays so, tell the admins."
PATHS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
HARDENING = {
    # With NoNewPrivileges (`disable_user_sudo`) nothing in a session can become more than its user. The rest
    # of systemd's sandbox takes from services what users do not have, and parts of it break what they need:
    # PrivateTmp HTCondor's FS authentication, which proves by a directory in the shared /tmp who somebody is;
    # mount namespaces autofs (CVMFS); PrivateDevices GPUs and FUSE; RestrictNamespaces Apptainer;
    # RestrictSUIDSGID directories of groups.
    "CapabilityBoundingSet": "",
}


class SessionError(Exception):
    """A session that cannot be started; the text is for its user."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.jupyterhub_message = said


class CasaSpawner(SystemdSpawner):  # type: ignore[misc]
    """Starts a user's session as a unit of his account."""

    site = AnyTrait(help="The site's `casa_hub.settings.Settings`.").tag(config=True)
    _seen_to_the_end = False

    async def start(self) -> tuple[str, int]:
        """Start the unit; return the address that the session listens on.

        Raises:
            SessionError: Something that a session needs is missing, or somebody else has taken its port.
        """
        site: Settings = self.site
        account = pwd.getpwnam(self.user.name)
        chosen = os.path.realpath(site.session.environment)
        program = Path(chosen, "bin", "jupyterhub-singleuser")
        if not os.access(program, os.X_OK):
            raise SessionError("The analysis environment is not installed on this host; tell its admins.")
        self.cmd = [str(program)]
        self.default_shell = account.pw_shell or "/bin/sh"
        self.user_workingdir = working_directory(site.session.working_directory, account)
        size = self._size()
        self.mem_limit, self.cpu_limit = size.memory, size.cpu
        self.environment = await self._environment(chosen)
        self.unit_extra_properties = {
            **properties(site.session),
            **credentials.at_the_end(account.pw_name),
        }
        address: tuple[str, int] | None = await super().start()
        if address is None or not await self._listens(account.pw_uid):
            raise SessionError(
                "The session did not start in time. Try again, and tell the admins if it stays so."
            )
        self._seen_to_the_end = True
        return address

    async def stop(self, now: bool = False) -> None:
        """End the unit, and with it all its processes."""
        await super().stop(now)
        await self._forget()

    async def poll(self) -> int | None:
        """Return None while the session runs.

        A hub that was killed during a spawn does not know how far it came: such a unit is ended, so that its
        user can start again.
        """
        if not self._seen_to_the_end and not self._start_pending:
            await self.stop()
            return 1
        status: int | None = await super().poll()
        if status is not None and self._start_pending:
            # SystemdSpawner would wait for a unit that has failed until the time is over.
            raise SessionError(FAILED)
        return status

    def get_state(self) -> dict[str, Any]:
        """Return what JupyterHub keeps of a session when its spawn is complete, and when it has ended."""
        state: dict[str, Any] = super().get_state()
        return {**state, "seen_to_the_end": self._seen_to_the_end}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a session of an earlier hub."""
        super().load_state(state)
        self._seen_to_the_end = state.get("seen_to_the_end", False)

    def clear_state(self) -> None:
        """Forget an earlier session."""
        super().clear_state()
        self._seen_to_the_end = False

    def _size(self) -> Profile | Session:
        """The chosen profile's, or the one of every session; what a form sends is only a name to look for."""
        site: Settings = self.site
        name = self.user_options.get("profile")
        return next((each for each in site.profiles if each.name == name), site.session)

    async def _environment(self, chosen: str) -> dict[str, str]:
        site: Settings = self.site
        account = self.user.name
        found = environment.read_directory(site.environment_directory, self.log.warning)
        found.update(site.environment)
        token = ((await self.user.get_auth_state()) or {}).get("access_token") or ""
        try:
            if await credentials.make(account, token):
                said = await credentials.variables(account)
                found.update(environment.read_lines(said, credentials.PROGRAM.name, self.log.warning))
        except (credentials.CredentialError, OSError) as fault:
            self.log.error("No credentials for %s: %s", account, fault)  # noqa: TRY400  # it says all
            raise SessionError(
                "The credentials of the session could not be made; tell the facility's admins."
            ) from fault
        if token and (credentials.DIRECTORY / account / "bearer_token").exists():
            found["BEARER_TOKEN_FILE"] = str(credentials.DIRECTORY / account / "bearer_token")
        found["PATH"] = ":".join((f"{chosen}/bin", *PATHS))
        found["CASA_ENVIRONMENT"] = chosen
        return found

    async def _listens(self, uid: int) -> bool:
        """Wait until the session listens, and make sure that it is the user's own process which does.

        All users of the host can listen on a free port. Who took this one before the session did would get
        what the browser of its owner sends.
        """
        until = time.monotonic() + self.start_timeout
        while time.monotonic() < until:
            owner = units.listener(self.port)
            if owner == uid:
                return True
            if owner is not None:
                self.log.error(
                    "Port %s of the session of %s is taken by uid %s", self.port, self.user.name, owner
                )
                return False
            await self.poll()
            await asyncio.sleep(0.1)
        return False

    async def _forget(self) -> None:
        try:
            await credentials.remove(self.user.name)
        except (credentials.CredentialError, OSError) as fault:
            self.log.warning("Credentials of the session of %s are left: %s", self.user.name, fault)


def properties(session: Session) -> dict[str, str]:
    """Return the properties of every session's unit."""
    always = {
        # Without it a session would push the host into swap instead of meeting its limit.
        "MemorySwapMax": "0",
        "KillMode": "mixed",
        # A session that failed leaves no unit behind; its journal stays.
        "CollectMode": "inactive-or-failed",
        "TimeoutStopSec": "20s",
    }
    return {**always, **(HARDENING if session.hardening else {})}


def working_directory(template: str, account: pwd.struct_passwd) -> str:
    """Return where a session starts.

    Args:
        template: With {account} and {home}; empty for the home.
        account: Whose session.

    Raises:
        SessionError: It is not there.
    """
    where = template.format(account=account.pw_name, home=account.pw_dir) if template else account.pw_dir
    # Root may not look into a home on NFS where the user himself can.
    with contextlib.suppress(PermissionError):
        if not Path(where).is_dir():
            raise SessionError(f"The directory {where} is not on this host; tell the facility's admins.")
    return where


def configure(c: Any, site: Settings) -> None:
    """Fill the spawner's configuration."""
    c.JupyterHub.spawner_class = CasaSpawner
    spawner = c.CasaSpawner
    spawner.site = site
    spawner.unit_name_template = units.PREFIX + "{USERNAME}"
    spawner.default_url = "/lab"
    spawner.start_timeout = site.session.start_timeout
    spawner.http_timeout = site.session.start_timeout
    spawner.disable_user_sudo = site.session.hardening
    spawner.isolate_tmp = False
    # The hub's own PATH and Python are no business of a session.
    spawner.env_keep = ["LANG", "LC_ALL", "LC_CTYPE", "TZ"]
    # A session's token may say that it is used and let its owner in, and nothing else.
    spawner.server_token_scopes = ["users:activity!user", "access:servers!server"]
    # Not with the unit alone: it may have ended while no hub was there to see it.
    spawner.post_stop_hook = _forget
    if site.profiles:
        spawner.options_form = form(site)
        spawner.options_from_form = chosen


async def _forget(spawner: CasaSpawner) -> None:
    await spawner._forget()


def form(site: Settings) -> str:
    """Return the form in which a user chooses the size of his session."""
    rows = [
        f'<label class="casa-choice"><input type="radio" name="profile" value="{html.escape(each.name)}"'
        f"{' checked' if not number else ''}><span><b>{html.escape(each.title)}</b>"
        f"<small>{each.cpu:g} cores, {each.memory[:-1]} {each.memory[-1]}B of memory</small></span></label>"
        for number, each in enumerate(site.profiles)
    ]
    return f'<fieldset class="casa-choices"><legend>How large?</legend>{"".join(rows)}</fieldset>'


def chosen(said: dict[str, list[str]]) -> dict[str, str]:
    """Return what a user chose in it."""
    return {"profile": said.get("profile", [""])[0]}
