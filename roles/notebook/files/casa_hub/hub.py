"""JupyterHub's configuration from the site's settings."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyterhub.app import JupyterHub
from jupyterhub.handlers.base import BaseHandler

from casa_hub import facility, host_accounts, login, sessions, units
from casa_hub.allow import ADMINS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from casa_hub.settings import Secrets, Settings

HUB_PORT = 8081
ADMIN_SCOPES = (
    "admin-ui",
    "delete:servers",
    "delete:users",
    "list:users",
    "read:hub",
    "read:metrics",
    "read:servers",
    "read:users",
)
_TASKS: set[asyncio.Task[None]] = set()
TEMPLATES = Path(__file__).with_name("templates")


def configure(c: Any, site: Settings, secrets: Secrets) -> None:
    """Fill the configuration; see `casa_hub.configure`."""
    _serve(c, site, secrets)
    _lock_up(c, site)
    login.configure(c, site, secrets, host_accounts.keeper(site))
    sessions.configure(c, site)
    _services(c, site, secrets)
    _pages(c, site)


def _serve(c: Any, site: Settings, secrets: Secrets) -> None:
    hub = c.JupyterHub
    hub.bind_url = f"https://{urlsplit(site.url).netloc}/"
    hub.public_url = site.url
    # Only the proxy on this host talks to it.
    hub.hub_bind_url = f"http://127.0.0.1:{HUB_PORT}"
    hub.hub_connect_url = f"http://127.0.0.1:{HUB_PORT}"
    # The proxy is a unit of its own, so that a restart of either keeps sessions.
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = site.proxy.api_url
    c.ConfigurableHTTPProxy.auth_token = secrets.proxy_token
    hub.cleanup_servers = False
    hub.cleanup_proxy = False
    hub.pid_file = ""
    hub.cookie_secret = bytes.fromhex(secrets.cookie_secret)
    c.CryptKeeper.keys = [bytes.fromhex(key) for key in secrets.crypt_keys]
    database = site.state_directory / "jupyterhub.sqlite"
    hub.db_url = secrets.database_url or f"sqlite:///{database}"
    # JupyterHub copies an SQLite file before it changes the schema.
    hub.upgrade_db = True
    hub.authenticate_prometheus = True
    hub.log_level = "INFO"


def _lock_up(c: Any, site: Settings) -> None:
    # JupyterHub 6.1.1 reads it before anything has set it where a browser's login has ended at the provider:
    # the page is a 500 then, and nobody gets to the login page (jupyterhub/handlers/base.py, refresh_auth).
    if not hasattr(BaseHandler, "_token_authenticated"):
        BaseHandler._token_authenticated = False
    hub = c.JupyterHub
    hub.cookie_max_age_days = max(site.login.session_seconds / 86400, 1 / 24)
    hub.tornado_settings = {
        # Lax, not Strict: the provider sends the browser back from another site.
        "cookie_options": {"secure": True, "samesite": "Lax"},
        # Strict-Transport-Security is the proxy's, for all that it serves.
        "headers": {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        },
    }
    hub.allow_named_servers = False
    # Where a user's own tokens could outlive his right to be here.
    hub.oauth_token_expires_in = int(site.login.session_seconds)
    # JupyterHub's own admins may enter everybody's session and read his tokens, so nobody is one. Ours are
    # a group with a role.
    scopes = [*ADMIN_SCOPES, *(["access:servers"] if site.admin_access else [])]
    hub.load_roles = [{"name": "casa-admin", "groups": [ADMINS], "scopes": scopes}]


def _services(c: Any, site: Settings, secrets: Secrets) -> None:
    session = site.session
    services: list[dict[str, Any]] = []
    roles: list[dict[str, Any]] = []
    if session.idle_seconds or session.max_age_seconds:
        # Every tenth of the limit, at least each ten minutes.
        command = [sys.executable, "-m", "jupyterhub_idle_culler"]
        limit = session.idle_seconds or session.max_age_seconds
        command += [f"--timeout={limit}", f"--cull-every={max(10, min(600, limit // 10))}"]
        if session.max_age_seconds:
            command.append(f"--max-age={session.max_age_seconds}")
        services.append({"name": "casa-idle-culler", "command": command})
        roles.append(
            {
                "name": "casa-idle-culler",
                "services": ["casa-idle-culler"],
                "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
            }
        )
    if site.metrics and secrets.metrics_token:
        services.append({"name": "casa-metrics", "api_token": secrets.metrics_token})
        roles.append({"name": "casa-metrics", "services": ["casa-metrics"], "scopes": ["read:metrics"]})
    c.JupyterHub.services = services
    c.JupyterHub.load_roles = [*c.JupyterHub.load_roles, *roles]


def _pages(c: Any, site: Settings) -> None:
    shown = facility.Facility(site)
    c.JupyterHub.template_paths = [str(TEMPLATES)]
    c.JupyterHub.template_vars = {"facility": shown}
    _beside(shown.watch())
    if JupyterHub.initialized():
        _beside(units.clear_orphans(JupyterHub.instance()))


def _beside(work: Coroutine[Any, Any, None]) -> None:
    """Do something beside the hub's own work; a program that only reads the configuration does not."""
    try:
        task = asyncio.get_running_loop().create_task(work)
    except RuntimeError:
        work.close()
        return
    # The loop itself keeps weak references only.
    _TASKS.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Task[None]) -> None:
    _TASKS.discard(task)
    if not task.cancelled() and (fault := task.exception()) is not None:
        logging.getLogger("casa_hub").error("%s", fault, exc_info=fault)
