"""What comes in at the lab's provider and what goes back."""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """What goes back to a browser or a client."""

    status: int
    body: str = ""
    content_type: str = "text/html; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Asked:
    """What came."""

    parameters: dict[str, str]
    cookies: dict[str, str] = field(default_factory=dict)
    authorization: str = ""
    address: str = ""


def as_json(status: int, body: dict[str, Any], *headers: tuple[str, str]) -> Reply:
    """A reply to a program."""
    return Reply(status, json.dumps(body), "application/json", list(headers))


def redirect(uri: str, parameters: dict[str, str]) -> Reply:
    """Send a browser on, with more parameters than the address has."""
    given = {name: value for name, value in parameters.items() if value}
    mark = "&" if urllib.parse.urlsplit(uri).query else "?"
    target = f"{uri}{mark}{urllib.parse.urlencode(given)}" if given else uri
    return Reply(303, headers=[("Location", target)])


def set_cookie(name: str, value: str) -> tuple[str, str]:
    """A cookie that only this server gets, that no script reads, and that goes with the browser."""
    gone = "" if value else "; Max-Age=0"
    return "Set-Cookie", f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{gone}"
