"""The file that a backup of a cluster is: an archive, encrypted with the site's vault password.

`ansible-vault decrypt` opens it, so that it can be read where casa-install is not. The archive holds
`manifest.json` with the SHA-256 of every other member.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import tarfile
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError, ExitCode
from casa_install.site.vault import VaultPassword, decrypt, encrypt, is_vaulted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT = 1
"""Of the manifest; a larger number is a newer casa-install's."""

_MANIFEST = "manifest.json"
_MEMBER = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
_ANOTHER = "Take another backup of the same cluster."
_LARGEST = 16 << 30
"""Bytes; etcd itself allows 8 GiB at most (https://etcd.io/docs/v3.5/dev-guide/limit/)."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was opened, or is to be written.

    Attributes:
        site: The site's name.
        version: The release of k3s that made it.
        datastore: `etcd` or `sqlite`.
        node: The server that it was made on.
        made: When, in seconds since 1970.
        archive: The archive itself; its content is secret.
    """

    site: str
    version: str
    datastore: str
    node: str
    made: float
    archive: bytes = field(repr=False)


def read_archive(archive: bytes, name: str) -> Backup:
    """Check an archive and say what it is.

    Args:
        archive: The file's content.
        name: How messages call it.

    Raises:
        CasaError: It is damaged, is no backup of a cluster, or a newer casa-install wrote it.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            manifest = _manifest(tar, name)
            found = {
                member.name: _digest(tar, member) for member in tar.getmembers() if member.name != _MANIFEST
            }
            files = dict(manifest["files"])
            backup = Backup(
                site=str(manifest["site"]),
                version=str(manifest["version"]),
                datastore=str(manifest["datastore"]),
                node=str(manifest["node"]),
                made=float(manifest["made"]),
                archive=archive,
            )
    except (tarfile.TarError, EOFError, OSError, zlib.error, KeyError, TypeError, ValueError) as error:
        raise CasaError(f"{name} is damaged.", hint=_ANOTHER) from error
    if found != files:
        wrong = sorted(each for each in found.keys() | files.keys() if found.get(each) != files.get(each))
        raise CasaError(f"{name} is damaged: not as they were saved: {', '.join(wrong[:5])}.", hint=_ANOTHER)
    return backup


def seal(backup: Backup, password: VaultPassword, directory: Path) -> Path:
    """Write the encrypted file, at once or not at all, and read it back.

    Args:
        backup: What to write.
        password: The site's vault password.
        directory: Where to.

    Returns:
        The file, mode 0600: `casa-backup-SITE-k3s-TIME.tar.vault`.

    Raises:
        CasaError: It cannot be written, or there is one of that name.
    """
    stamp = datetime.fromtimestamp(backup.made, UTC).strftime("%Y%m%dT%H%M%SZ")
    site = re.sub(r"[^A-Za-z0-9.-]+", "-", backup.site).strip("-.") or "site"
    target = directory / f"casa-backup-{site}-k3s-{stamp}.tar.vault"
    temporary = directory / f".{target.name}.{os.getpid()}"
    sealed = encrypt(backup.archive, password)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        if decrypt(temporary.read_bytes(), [password], temporary) != backup.archive:
            raise CasaError(f"{temporary} is not what was written: the disk is not to be trusted.")
        # Not replaced: two backups within a second are one too many, and neither must vanish.
        os.link(temporary, target)
    except OSError as error:
        raise CasaError(f"{target} cannot be written: {error.strerror}.", exit_code=ExitCode.USAGE) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return target


def unseal(path: Path, passwords: Sequence[VaultPassword]) -> Backup:
    """Open a file that `seal` wrote.

    Raises:
        CasaError: It cannot be read, no password opens it, it is damaged, or it is none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CasaError(f"{path} cannot be read: {error.strerror}.", exit_code=ExitCode.USAGE) from error
    if not is_vaulted(content):
        raise CasaError(f"{path} is no backup: it is not encrypted.", exit_code=ExitCode.USAGE)
    if not passwords:
        raise CasaError(
            f"{path} is encrypted, and no vault password was given.",
            hint="Give --vault-password-file FILE, --vault-id or --ask-vault-pass.",
            exit_code=ExitCode.USAGE,
        )
    try:
        archive = decrypt(content, passwords, path)
    except CasaError as error:
        raise CasaError(
            f"{path} cannot be opened: none of the given vault passwords is its own, or it is damaged.",
            hint="Try an older password with --vault-id, and another copy of the file.",
            exit_code=ExitCode.USAGE,
        ) from error
    return read_archive(archive, str(path))


def _manifest(tar: tarfile.TarFile, name: str) -> dict[str, Any]:
    members = tar.getmembers()
    wrong = [m.name for m in members if not m.isreg() or not _MEMBER.fullmatch(m.name)]
    if wrong or not members or members[0].name != _MANIFEST or sum(m.size for m in members) > _LARGEST:
        raise CasaError(f"{name} is no backup of a cluster.", exit_code=ExitCode.USAGE)
    if len({m.name for m in members}) != len(members):
        raise CasaError(f"{name} is no backup of a cluster: a name is twice in it.", exit_code=ExitCode.USAGE)
    content = tar.extractfile(members[0])
    manifest: dict[str, Any] = json.loads(content.read() if content else b"")
    if manifest["kind"] != "k3s":
        raise CasaError(
            f"{name} is a backup of {manifest['kind']}, not of a cluster.", exit_code=ExitCode.USAGE
        )
    if manifest["format"] > FORMAT:
        raise CasaError(
            f"{name} is of a newer casa-install (format {manifest['format']}; this one knows {FORMAT}).",
            hint="Install that one: `pip install --upgrade casa-install`.",
            exit_code=ExitCode.USAGE,
        )
    return manifest


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    digest = hashlib.sha256()
    while content and (part := content.read(1 << 20)):
        digest.update(part)
    return digest.hexdigest()
