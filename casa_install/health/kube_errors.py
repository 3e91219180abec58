"""What goes wrong between here and a Kubernetes API, as people say it."""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import TYPE_CHECKING

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRESH = "`casa-install apply` of the k3s servers brings a fresh one."


class KubeError(CasaError):
    """A request that came to nothing.

    Attributes:
        status: HTTP's; 0 where there was no answer.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        code = ExitCode.FAILED if status else ExitCode.UNREACHABLE
        super().__init__(message, hint=hint, exit_code=code)
        self.status = status

    @property
    def text(self) -> str:
        """The message and the next step in one line."""
        return f"{self.message} {self.hint}".strip()


def explain(error: BaseException, server: str, *, client_ended: bool = False) -> KubeError:
    """Return what a person should know of an error of the Kubernetes client.

    Args:
        error: As the client, urllib3 or the websocket library raised it.
        server: URL of the API.
        client_ended: Whether the own client certificate has ended, which a server answers with 401.
    """
    status = int(getattr(error, "status", 0) or 0)
    if status == 401:
        if client_ended:
            return KubeError("The client certificate of the kubeconfig has ended.", hint=_FRESH, status=401)
        what = f"{server} does not take the credentials of the kubeconfig (401)."
        return KubeError(what, hint=f"They are of another cluster or were replaced; {_FRESH}", status=401)
    if status == 403:
        return KubeError(f"{server} forbids it (403): {_said(error)}", status=403)
    if status:
        return KubeError(f"{server} answers {status}: {_said(error)}", status=status)
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return _certificate(each, server)
        if isinstance(each, ssl.SSLError):
            return KubeError(f"{server} does not speak TLS as it should: {each.reason or each}.")
    return _unreachable(error, server)


def explain_exec(error: BaseException, pod: str) -> KubeError | None:
    """Return why a command could not be started in a pod; None where the API was not reached at all.

    The websocket library puts status, headers and body of the answer into one text.
    """
    text = str(getattr(error, "reason", ""))
    status = re.search(r"Handshake status (\d{3})", text)
    if status is None:
        return None
    message = re.search(r'"message":"((?:[^"\\]|\\.)*)"', text)
    said = _short(message[1]) if message else f"the API answers {status[1]}"
    return KubeError(f"No command can be run in the pod {pod}: {said}", status=int(status[1]))


def _certificate(error: ssl.SSLCertVerificationError, server: str) -> KubeError:
    why = str(error.verify_message)
    if "expired" in why:
        what = f"The certificate of {server} has ended."
        return KubeError(what, hint="k3s makes new ones when it starts: restart the k3s servers one by one.")
    if "mismatch" in why:
        what = f"The certificate of {server} is for other names: {why}."
        return KubeError(what, hint="Add the name or address to k3s_tls_sans and apply.")
    what = f"The certificate of {server} is not of the kubeconfig's authority: {why}."
    return KubeError(
        what, hint=f"Another cluster or somebody in between answers, or the CA changed; {_FRESH}"
    )


def _unreachable(error: BaseException, server: str) -> KubeError:
    hint = "Look at k3s on the servers, at the firewall on the way, and at HTTPS_PROXY and NO_PROXY here."
    for each in _chain(error):
        if isinstance(each, socket.gaierror):
            return KubeError(f"{server} cannot be reached: its name is unknown here.", hint=hint)
        if isinstance(each, ConnectionRefusedError):
            return KubeError(f"{server} cannot be reached: nothing listens on the port.", hint=hint)
        if "timeout" in type(each).__name__.lower() or isinstance(each, TimeoutError):
            return KubeError(f"{server} did not answer in time.", hint=hint)
    names = [str(each) for each in _chain(error) if str(each)]
    return KubeError(f"{server} cannot be reached: {_short(names[-1] if names else repr(error))}", hint=hint)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it; urllib3 keeps some causes in `reason` or as an argument."""
    left, seen = [error], set()
    while left:
        each = left.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        causes = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        left += [cause for cause in causes if isinstance(cause, BaseException)]


def _said(error: BaseException) -> str:
    """The message of the `Status` object that Kubernetes answers with, else HTTP's reason."""
    body = getattr(error, "body", None)
    try:
        message = json.loads(body)["message"] if body else ""
    except (ValueError, KeyError, TypeError):
        message = ""
    return _short(str(message or getattr(error, "reason", "") or "no reason given"))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:297] + "..."
