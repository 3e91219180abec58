"""casa_hub: JupyterHub for a site whose sessions are systemd units.

`/etc/casa-hub/jupyterhub_config.py` has two lines:

    import casa_hub
    casa_hub.configure(get_config())

The package's modules: `settings` says what the hub is told, `login` who somebody is, `accounts` which account
is his, `sessions` what he gets, and `facility` what the pages say of the site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_hub import settings as _settings

if TYPE_CHECKING:
    from pathlib import Path


def configure(c: Any, path: Path = _settings.PATH) -> None:
    """Fill JupyterHub's configuration from `settings.json` and the secrets beside it.

    Args:
        c: What `get_config()` gives.
        path: The settings.

    Raises:
        SettingsError: They cannot be used.
    """
    from casa_hub import hub

    site = _settings.read_settings(path)
    hub.configure(c, site, _settings.read_secrets(path.parent / "secrets", site))
