"""One file over HTTP: resumed where a part is there, never waited for without end, digested as it comes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from casa_install import __version__
from casa_install.artifacts.places import shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download may do nothing.

    Args:
        silence: Seconds without a byte, from the connection on.
        window: Seconds over which the speed is judged.
        slowest: Bytes per second below which a download is given up.
    """

    silence: float = 30
    window: float = 60
    slowest: float = 4096


class FetchError(Exception):
    """A download that failed.

    Args:
        reason: Why, in half a sentence.
        unreachable: The server itself did not answer, so that asking it again is of no use.
    """

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unreachable = unreachable


def download(url: str, part: Path, *, patience: Patience, limit: int = 0) -> str:
    """Fetch a file into `part`, from where an earlier download of it ended, and return its SHA-256.

    Whether the parts fit together is for the digest to say, so they may come from different servers.
    Proxies and authorities are those of the environment and the system (`https_proxy`, `SSL_CERT_FILE`).

    Args:
        url: http, https or file; a name and a password before the host are sent to that host only.
        part: Made with mode 0644, and left where the connection broke.
        patience: When to give up.
        limit: The most bytes to take; 0 for any number.

    Raises:
        FetchError: It did not come, or not whole.
        OSError: It could not be written; nothing of it is left then.
    """
    have = part.stat().st_size if part.exists() else 0
    if have:
        with contextlib.suppress(_CannotResumeError):
            return _fetch(url, part, have, patience, limit)
        part.unlink()
    return _fetch(url, part, 0, patience, limit)


class _CannotResumeError(Exception):
    """The server has no more than what is there."""


def _fetch(url: str, part: Path, have: int, patience: Patience, limit: int) -> str:
    with contextlib.closing(_open(url, have, patience)) as response:
        start, total = _range(response, have)
        with _writing(part, start) as (stream, digest):
            for chunk in _chunks(response, patience):
                stream.write(chunk)
                digest.update(chunk)
                if limit and stream.tell() > limit:
                    raise FetchError(f"it is larger than {limit} bytes")
            if total is not None and stream.tell() != total:
                raise FetchError(f"it is cut: {stream.tell()} of {total} bytes came")
            stream.flush()
            os.fsync(stream.fileno())
            return str(digest.hexdigest())


@contextlib.contextmanager
def _writing(part: Path, start: int) -> Iterator[tuple[IO[bytes], Any]]:
    """Open a part for writing behind what is there, with the digest of that."""
    digest = hashlib.sha256()
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "r+b") as stream:
            for _ in range(start // _CHUNK):
                digest.update(stream.read(_CHUNK))
            digest.update(stream.read(start % _CHUNK))
            stream.truncate()
            yield stream, digest
    except OSError:
        # A full disk is not to be kept full by what nobody can use.
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _chunks(response: Any, patience: Patience) -> Iterator[bytes]:
    since, came = time.monotonic(), 0
    while True:
        try:
            # read1 returns what is there; read would wait until a slow server has sent all of it.
            chunk = response.read1(_CHUNK)
        except TimeoutError:
            raise FetchError(f"nothing came for {patience.silence:g} s") from None
        except (OSError, HTTPException) as error:
            raise FetchError(f"the connection broke: {_told(error)}") from None
        if not chunk:
            return
        yield chunk
        came += len(chunk)
        passed = time.monotonic() - since
        if passed >= patience.window:
            if came < patience.slowest * passed:
                raise FetchError(f"it is too slow: {came / passed:.0f} bytes/s over {passed:.1f} s")
            since, came = time.monotonic(), 0


def _open(url: str, have: int, patience: Patience) -> Any:
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(plain, headers={"User-Agent": f"casa-install/{__version__}"})  # noqa: S310 - the schemes are checked where a site names them
    if parts.username is not None:
        word = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        # Not sent along where the server redirects to another.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(word).decode('ascii')}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        return urllib.request.build_opener(_NoDowngrade).open(request, timeout=patience.silence)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # RFC 9110, 15.5.17: the range is not there
                raise _CannotResumeError from None
            raise FetchError(f"{error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, FetchError):
            raise error.reason from None
        if isinstance(error.reason, FileNotFoundError):
            raise FetchError("there is no such file") from None
        raise FetchError(
            f"{parts.hostname or 'it'} cannot be reached: {_told(error.reason)}", unreachable=True
        ) from None
    except (OSError, HTTPException) as error:
        raise FetchError(
            f"{parts.hostname or 'it'} does not answer: {_told(error)}", unreachable=True
        ) from None


def _range(response: Any, have: int) -> tuple[int, int | None]:
    """Return from which byte on the answer is, and how many bytes the whole file has, if it says so.

    Source: RFC 9110, 14.4 (Content-Range) and 15.3.7 (206).
    """
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    if getattr(response, "status", None) != 206:
        return 0, size
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    if unit != "bytes" or not span.startswith(f"{have}-"):
        raise _CannotResumeError
    return have, int(total) if total.isdigit() else size if size is None else have + size


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but from https to https only."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(
                FetchError(f"it redirects to {shown_url(newurl)}, which is not https")
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _told(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    strerror = getattr(error, "strerror", None)
    return str(strerror or error or type(error).__name__)
