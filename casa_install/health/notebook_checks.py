"""What `casa-install verify` tries on notebook hubs: each check with its rule and what a failure means.

The tries are in `playbooks/files/try-notebook.py`, which runs on the hosts; here is what they must find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.health.checks import Check, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PAGE = Check(
    "the hub answers over HTTPS",
    "curl -sI https://HUB/hub/login",
    "the login page comes with a certificate that the site's authorities vouch for",
    "nobody can log in; `journalctl -u casa-hub -u casa-proxy` tells why",
)
_HSTS = Check(
    "browsers stay with HTTPS",
    "curl -sI https://HUB/hub/login | grep -i strict-transport-security",
    "the answer has Strict-Transport-Security, where notebook_hsts_seconds is not 0",
    "somebody on the way can keep a browser on HTTP and read its cookies",
)
_API = Check(
    "no token, no API",
    "curl -s -o /dev/null -w '%{http_code}' https://HUB/hub/api/users",
    "users, proxy and metrics are refused (403)",
    "everybody on the network can see who works here, and more",
)
_PORTS = Check(
    "only the proxy is on the network",
    "ss -tln '( sport = :8081 or sport = :8001 )'",
    "hub and the proxy's API cannot be reached by the host's own addresses on the network",
    "requests can reach the hub past the proxy, with headers that lie about where they come from",
)
_FORGED = Check(
    "no forged X-Forwarded",
    "curl -si -H 'X-Forwarded-Host: elsewhere' https://HUB/hub/home",
    "the answer does not name what the header says",
    "a link can make the hub send people, with what they type, to somebody else",
)
_REDIRECT = Check(
    "no open redirect",
    "curl -si 'https://HUB//elsewhere/' 'https://HUB/hub/login?next=https://elsewhere/'",
    "no answer sends the browser to another host",
    "a link that looks like the hub's leads to somebody else's page after the login",
)
_ALLOW = Check(
    "the allow rule is in force",
    "jq .allow /etc/casa-hub/settings.json; systemctl show casa-hub -p ActiveEnterTimestamp",
    "there is a rule, and the hub was started after it was written",
    "people who were taken out of the rule can still come in",
)
_SESSIONS = Check(
    "sessions are their users' and have limits",
    "systemctl show 'casa-session-*' -p User,MemoryMax,CPUQuotaPerSecUSec",
    "each unit runs, as the account in its name, with limits of memory and cores",
    "one user can take the whole host, or is somebody else",
)
_SECRETS = Check(
    "secrets are read by their owners only",
    "ls -l /etc/casa-hub/secrets /run/casa-sessions",
    "nobody but the owner can reach them",
    "users can be anybody at the hub, or use each other's tokens",
)
_LOGIN = Check(
    "a login and a session",
    "with a browser: https://HUB/",
    "a person logs in and gets JupyterLab",
    "",
)

NOTEBOOK_CHECKS: tuple[Check, ...] = (
    _PAGE,
    _HSTS,
    _API,
    _PORTS,
    _FORGED,
    _REDIRECT,
    _ALLOW,
    _SESSIONS,
    _SECRETS,
    _LOGIN,
)
_REFUSED = 403
_ANSWERED = (200, 400)
"""A forged header must be answered as if it were not there: an error would show nothing."""


def judge_hubs(tried: Mapping[str, Mapping[str, Any]]) -> list[Result]:
    """Judge what was found on each host with a hub, check by check.

    Args:
        tried: Host -> the objects that its programs printed; ours is under `notebook_tried`.
    """
    results = [
        result
        for host, said in tried.items()
        if "notebook_tried" in said
        for result in _on_host(host, said["notebook_tried"])
    ]
    order = {check.name: number for number, check in enumerate(NOTEBOOK_CHECKS)}
    return sorted(results, key=lambda result: (order[result.check.name], result.host))


def _on_host(host: str, found: Mapping[str, Any]) -> Iterator[Result]:
    if not found["installed"]:
        yield _PAGE.result(host, passed=False, found="no hub is installed there")
        return
    page = found["page"]
    yield _PAGE.result(host, page["status"] == 200, page["fault"] or f"status {page['status']}")
    answers = page["status"] == 200
    yield from _seen(host, found) if answers else _unseen(host)
    reachable = ", ".join(found["reachable"])
    yield _PORTS.result(host, not reachable, f"reached: {reachable}" if reachable else "")
    allow = found["allow"]
    rule = " and ".join(sorted(allow["rule"]))
    if not rule:
        yield _ALLOW.result(host, passed=False, found="there is none")
    else:
        late = "the settings were changed after the hub was started"
        yield _ALLOW.result(host, allow["read"], f"by {rule}" if allow["read"] else late)
    sessions = found["sessions"]
    if sessions["found"]:
        faults = "; ".join(sessions["faults"])
        yield _SESSIONS.result(host, not faults, faults or f"{sessions['found']} sessions")
    else:
        yield _SESSIONS.untried(host, "no session runs")
    loose = ", ".join(found["loose"])
    yield _SECRETS.result(host, not loose, loose)
    yield _LOGIN.untried(host, "it needs a person's password; molecule/notebook does it")


def _seen(host: str, found: Mapping[str, Any]) -> Iterator[Result]:
    """What only a hub that answers can show: one that is down refuses everything."""
    if found["hsts_wanted"]:
        yield _HSTS.result(host, "max-age=" in found["hsts"], found["hsts"] or "it is missing")
    else:
        yield _HSTS.untried(host, "notebook_hsts_seconds is 0")
    let_in = [f"{path}: {status}" for path, status in found["api"].items() if status != _REFUSED]
    yield _API.result(host, not let_in, "; ".join(let_in))
    status = found["forged_status"]
    good = not found["forged"] and _ANSWERED[0] <= status < _ANSWERED[1]
    what = "the answer names it" if found["forged"] else f"status {status}"
    yield _FORGED.result(host, good, "" if good else what)
    yield _REDIRECT.result(host, not found["redirected"], ", ".join(found["redirected"]))


def _unseen(host: str) -> Iterator[Result]:
    for check in (_HSTS, _API, _FORGED, _REDIRECT):
        yield check.untried(host, "the hub does not answer")
