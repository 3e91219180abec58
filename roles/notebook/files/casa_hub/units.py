"""Units of sessions as systemd knows them, and ports as the kernel does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "casa-session-"
LISTENS = "0A"
"""State of a listening socket in /proc/net/tcp (proc(5), the kernel's TCP_LISTEN)."""


async def sessions() -> set[str]:
    """Return the accounts whose session's unit is there and is not dead.

    Raises:
        OSError: systemd cannot be asked.
    """
    process = await asyncio.create_subprocess_exec(
        "systemctl",
        "list-units",
        "--plain",
        "--no-legend",
        "--state=active,activating,reloading",
        f"{PREFIX}*.service",
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise OSError(f"systemctl ended with {process.returncode}")
    names = [line.split()[0] for line in said.decode().splitlines() if line.strip()]
    return {name.removeprefix(PREFIX).removesuffix(".service") for name in names}


async def stop(account: str) -> None:
    """Stop the unit of a session."""
    process = await asyncio.create_subprocess_exec("systemctl", "stop", f"{PREFIX}{account}.service")
    await process.wait()


def listener(
    port: int, tables: Iterable[Path] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
) -> int | None:
    """Return the uid that owns the socket that listens on a port of this host; None where there is none."""
    for table in tables:
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                return int(fields[7])
    return None


async def clear_orphans(app: Any) -> None:
    """Stop sessions that the hub does not know, such as those of a user who was removed while it was down.

    Sessions that it knows are left alone, whatever their state: JupyterHub looks at them itself.

    Args:
        app: The running `jupyterhub.app.JupyterHub`.
    """
    from jupyterhub import orm

    await app._start_future
    try:
        running = await sessions()
    except OSError as fault:
        app.log.warning("Sessions that the hub does not know were not looked for: %s", fault)
        return
    # From here on nothing waits, so no spawn begins in between.
    known = {
        spawner.user.name for spawner in app.db.query(orm.Spawner).filter(orm.Spawner.server_id.is_not(None))
    }
    known |= {user.name for user in app.users.values() if any(one.active for one in user.spawners.values())}
    for account in sorted(running - known):
        app.log.warning("Stopping %s%s, which the hub does not know", PREFIX, account)
        await stop(account)
