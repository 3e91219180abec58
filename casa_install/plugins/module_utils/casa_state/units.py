"""systemd units and kernel settings on the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .errors import HostError, explain

if TYPE_CHECKING:
    from .platform import HostPaths, Platform


def change_unit(action: dict[str, Any], platform: Platform) -> None:
    """Bring one unit to the state that `action` names: `masked`, `enabled` (booleans), `state`.

    Raises:
        HostError: systemctl refused; its own words are in the message.
    """
    name = str(action["unit"])
    if action.get("masked") is not None:
        _systemctl(platform, "mask" if action["masked"] else "unmask", name)
    if action.get("enabled") is not None:
        _systemctl(platform, "enable" if action["enabled"] else "disable", name)
    if action.get("state") is not None:
        _systemctl(platform, {"started": "start", "stopped": "stop"}[action["state"]], name)


def reload_manager(platform: Platform) -> None:
    """Make systemd read its unit files again."""
    _systemctl(platform, "daemon-reload")


def _systemctl(platform: Platform, verb: str, *names: str) -> None:
    status, output = platform.run(["systemctl", verb, "--", *names] if names else ["systemctl", verb])
    if status != 0:
        unit = names[0] if names else ""
        raise HostError(
            f"systemctl {verb} {unit}".rstrip() + f" failed: {output.strip()[-1500:]}",
            hint=f"journalctl -u {unit} -n 50" if unit else "journalctl -b -n 50",
        )


def sysctl_path(key: str, paths: HostPaths) -> str:
    """Return the file of a kernel setting; a key with a slash in it uses slashes throughout, sysctl.d(5)."""
    relative = key if "/" in key else key.replace(".", "/")
    if any(part in ("", ".", "..") for part in relative.split("/")):
        raise HostError(f"{key!r} is no kernel setting")
    return f"{paths.proc_sys}/{relative}"


def write_sysctl(key: str, value: str, paths: HostPaths) -> None:
    """Set the live value of a kernel setting.

    Raises:
        HostError: The kernel has no such setting, or refuses the value.
    """
    path = sysctl_path(key, paths)
    try:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, value.encode() + b"\n")
        finally:
            os.close(descriptor)
    except FileNotFoundError as fault:
        raise HostError(f"this kernel has no setting {key} (is its module loaded?)") from fault
    except OSError as fault:
        raise explain(fault, f"set {key} to {value} in", path) from fault
