"""What packages brought along: dependencies that were not there before us and that nothing else needs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .errors import HostError
from .expected import Attributes
from .platform import PlainPlatform
from .writing import NewFile, write_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .platform import HostPaths, Platform
    from .receipts import Receipt

_LIST = ["dpkg-query", "-W", "-f=K ${Package} ${db:Status-Want} ${db:Status-Status} ${Version}\\n"]
# Only told, by apt's own resolver: "Remv NAME [VERSION]", apt-get(8). What something merely suggests, as
# debconf does perl, or recommends, as libc6 does libidn2-0, was not missed before it came along.
_ORPHANS = [
    "apt-get",
    "--simulate",
    "--quiet=2",
    "-o=APT::AutoRemove::SuggestsImportant=false",
    "-o=APT::AutoRemove::RecommendsImportant=false",
    "autoremove",
]


class CameAlong:
    """The packages that an installation of a role pulled in.

    The names that were there before are kept in a file from before the installation until its result stands
    in the receipt, so that a run that was killed does not take its own half-done work for what was there.

    Args:
        paths: Where our own things are kept.
        role: The role.
        platform: What the surrounding program lends.
    """

    def __init__(self, paths: HostPaths, role: str, platform: Platform) -> None:
        self.path = f"{paths.saved}/{role}-packages-before"
        self.platform = platform

    def note_before(self) -> None:
        """Keep the names of what is installed, unless a run that was killed did so already."""
        if os.path.lexists(self.path):
            return
        content = "".join(f"{name}\n" for name in sorted(self._installed())).encode("utf-8")
        new = NewFile(self.path, lambda: iter((content,)), Attributes("0", "0", 0o600), private=True)
        write_file(new, PlainPlatform())

    def since(self) -> set[str]:
        """Return what was installed since the names were kept; nothing where none were."""
        try:
            with open(self.path, encoding="utf-8") as stream:
                before = set(stream.read().split())
        except FileNotFoundError:
            return set()
        return self._installed() - before

    def write_into(self, receipt: Receipt) -> None:
        """Note what was installed since with each package of ours in the receipt, and forget the names."""
        packages = [entry for entry in receipt.entries if entry.kind == "package" and entry.added]
        since = self.since() - {entry.name for entry in packages}
        for entry in packages if since else ():
            entry.ours = {**entry.ours, "came": sorted(since | set(entry.ours.get("came", ())))}
        self.forget()

    def forget(self) -> None:
        """Remove the names, once they are of no further use."""
        if os.path.lexists(self.path):
            os.unlink(self.path)

    def orphans(self, names: Iterable[str]) -> list[str]:
        """Return those of `names`, and of what a killed run brought, that apt says nothing needs any more.

        Raises:
            HostError: apt gives no answer.
        """
        candidates = set(names) | self.since()
        if not candidates:
            return []
        status, output = self.platform.run(_ORPHANS)
        if status != 0:
            raise HostError(
                f"apt does not say which packages are needed no longer: {output.strip()[-500:]}",
                hint="apt-get --simulate autoremove",
            )
        return sorted(candidates & set(re.findall(r"^Remv ([^ :]+)", output, re.M)))

    def _installed(self) -> set[str]:
        status, output = self.platform.run(_LIST)
        if status != 0:
            raise HostError(f"dpkg does not say what is installed: {output.strip()[-500:]}")
        lines = [line.split(" ") for line in output.splitlines() if line.startswith("K ")]
        return {fields[1] for fields in lines if fields[3] != "config-files"}
