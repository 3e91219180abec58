"""What a session gets at its start and loses at its end: TLS material of Dask and the user's access token.

`/usr/local/libexec/casa-session-credentials` of the role `dask` makes both below
`/run/casa-sessions/ACCOUNT`. A host without it has sessions without them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

PROGRAM = Path("/usr/local/libexec/casa-session-credentials")
DIRECTORY = Path("/run/casa-sessions")
SECONDS = 60


class CredentialError(Exception):
    """The program failed; the text is what it said, which is never secret."""


async def make(account: str, token: str, program: Path = PROGRAM) -> bool:
    """Make a session's credentials.

    Args:
        account: Whose.
        token: His access token, which goes through a pipe: a command line is for everybody to see.
        program: Makes them.

    Returns:
        Whether this host has any.

    Raises:
        CredentialError: They could not be made.
    """
    if not program.exists():
        return False
    await _run(program, "make", account, given=token)
    return True


async def variables(account: str, program: Path = PROGRAM) -> str:
    """Return the KEY=VALUE lines that a session with credentials gets."""
    return await _run(program, "environment", account)


async def remove(account: str, program: Path = PROGRAM) -> None:
    """Remove a session's credentials."""
    if program.exists():
        await _run(program, "remove", account)


def at_the_end(account: str, program: Path = PROGRAM) -> dict[str, str]:
    """Return the property of a unit that removes them when it ends, whether or not a hub runs then."""
    return {"ExecStopPost": f"+-{program} remove {account}"} if program.exists() else {}


async def _run(program: Path, verb: str, account: str, given: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        str(program),
        verb,
        account,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await asyncio.wait_for(process.communicate(given.encode()), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CredentialError(f"{program.name} {verb} did not end within {SECONDS} s") from None
    if process.returncode:
        last = complained.decode("utf-8", "replace").strip()[-400:]
        raise CredentialError(f"{program.name} {verb} {account} ended with {process.returncode}: {last}")
    return said.decode("utf-8", "replace")
