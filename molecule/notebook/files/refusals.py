#!/usr/bin/python3
"""Everything that the hub must refuse, tried from another machine of the network.

PASSWORDS is a JSON object, name to password. ada has a session. Prints JSON: name of the case to what was
wrong, empty where all was refused.
"""

import contextlib
import http.client
import json
import os
import socket
import ssl
import sys
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from browser import HUB, Browser

PASSWORDS = json.loads(os.environ["PASSWORDS"])
AUTHORITIES = os.environ["AUTHORITIES"]
EVIL = "evil.example"
FORGED = {
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "http",
    "X-Forwarded-For": "10.99.99.99",
    "X-Forwarded-Port": "80",
    "X-Real-IP": "10.99.99.99",
    "X-Scheme": "http",
    "Forwarded": f"for=10.99.99.99;host={EVIL};proto=http",
}
NEXT = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https:evil.example",
    "https:/evil.example",
    "/%09/evil.example/",
    "/\t/evil.example/",
    "http://nb.casa.test@evil.example/",
    "https://nb.casa.test.evil.example/",
    "javascript:alert(1)",
)


BROWSERS = {}


def person(name, way="/hub/login?next=%2Fhub%2Fhome"):
    """Log somebody in; the provider is asked with a password once, since it counts how often that happens."""
    if name not in BROWSERS:
        BROWSERS[name] = Browser(AUTHORITIES)
    browser = BROWSERS[name]
    forget_the_hub(browser)
    return browser, browser.login(name, PASSWORDS[name], way)


def forget_the_hub(browser):
    """Take the hub's cookies from a browser; those of the provider stay."""
    if any(cookie.domain == "nb.casa.test" for cookie in browser.jar):
        browser.jar.clear("nb.casa.test")


def raw(target, headers, port=443):
    """Ask for exactly this target, and return status, headers and text without following anything."""
    if port == 443:
        link = http.client.HTTPSConnection(
            "nb.casa.test", context=ssl.create_default_context(cafile=AUTHORITIES)
        )
    else:
        link = http.client.HTTPConnection("nb.casa.test", port)
    link.putrequest("GET", target, skip_host="Host" in headers)
    for name, value in headers.items():
        link.putheader(name, value)
    link.endheaders()
    answer = link.getresponse()
    return answer.status, answer.headers, answer.read().decode("utf-8", "replace")


def leads_away(location):
    """Tell whether a browser that follows this from the hub would leave it."""
    # Browsers take \ for / and drop tabs, neither of them where it is written with % (WHATWG URL).
    seen = location.replace("\\", "/").replace("\t", "")
    parts = urllib.parse.urlsplit(urllib.parse.urljoin(HUB + "/hub/login", seen))
    return parts.scheme != "https" or parts.hostname not in ("nb.casa.test", "origin.casa.test")


def of(name, what):
    """Return the path in the hub's API of something that somebody has."""
    return f"api/users/{name}/{what}"


def outside_the_allow_rule():
    browser, page = person("eve")
    if page.status != 403 or "does not let eve" not in page.text:
        yield f"her login gave {page.status} {page.url}"
    for path in ("/hub/home", "/hub/spawn", "/user/eve/"):
        page = browser.open(path)
        if page.status == 200 and "/hub/login" not in page.url:
            yield f"{path} gave her {page.status} {page.url}"
    page = browser.api(of("eve", "server"), "POST")
    if page.status != 403:
        yield f"a session gave {page.status}"


def wrong_password():
    browser = Browser(AUTHORITIES)
    page = browser.login("ada", "wrong", "/hub/login?next=%2Fhub%2Fhome")
    if page.status == 200 or page.url.startswith(HUB):
        yield f"a wrong password gave {page.status} {page.url}"


def another_users_server():
    browser, page = person("emmy")
    if page.status != 200:
        yield f"emmy cannot log in: {page.status}"
    for path in (
        "/user/ada/lab",
        "/user/ada/api/contents",
        "/user/ada/api/kernels",
        "/user/ada/files/.bashrc",
    ):
        page = browser.open(path)
        if page.status not in (403, 404):
            yield f"{path} gave emmy {page.status} {page.url}"
    for path, method in (
        (of("ada", "server"), "DELETE"),
        (of("ada", "server"), "POST"),
        (of("ada", "tokens"), "POST"),
        ("api/users/ada", "GET"),
        ("api/users", "POST"),
        ("api/proxy", "GET"),
        ("api/shutdown", "POST"),
    ):
        page = browser.api(path, method)
        if page.status not in (403, 404):
            yield f"{method} {path} gave emmy {page.status}"
    if "ada" in browser.api("api/users").text:
        yield "emmy sees ada in the list of users"
    page = browser.open("/hub/admin")
    if page.status != 403:
        yield f"/hub/admin gave emmy {page.status}"


def an_admin_in_anothers_session():
    browser, _ = person("ada")
    page = browser.api("api/users")
    if "ada" not in page.text:
        yield f"ada is no admin: {page.status}"
    page = browser.api(of("emmy", "tokens"), "POST")
    if page.status not in (403, 404):
        yield f"an admin got a token of emmy: {page.status}"


def api_without_a_token():
    for value in (
        None,
        "token ",
        "token 0123456789abcdef0123456789abcdef",
        "Bearer null",
        "Basic YWRhOmFkYQ==",
    ):
        browser = Browser(AUTHORITIES)
        headers = {"Authorization": value} if value else {}
        for path in ("users", "users/ada", "user", "groups", "services", "proxy", "info", "users/ada/tokens"):
            page = browser.open(f"/hub/api/{path}", headers=headers)
            if page.status not in (401, 403):
                yield f"{path} with {value!r} gave {page.status}"
        for path in ("/hub/metrics", "/user/ada/api/contents", "/user/ada/api/status"):
            page = browser.open(path, headers=headers)
            if page.status == 200 and "login" not in page.url and "authorize" not in page.url:
                yield f"{path} with {value!r} gave {page.status} {page.url}"


def login_state():
    browser = Browser(AUTHORITIES)
    for query in (
        "",
        "?code=x",
        "?code=x&state=y",
        "?error=access_denied",
        "?code=x&state=eyJ9&iss=https://evil.example",
    ):
        page = browser.open("/hub/oauth_callback" + query)
        if page.status not in (400, 403):
            yield f"a callback {query!r} gave {page.status}"
    # Somebody else's answer of the provider, in a browser that has not asked.
    browser, _ = person("emmy")
    forget_the_hub(browser)
    answers = []

    class StopError(Exception):
        pass

    def note(request):
        if "/hub/oauth_callback" in request.full_url:
            answers.append(request.full_url)
            raise StopError
        return request

    handler = type(
        "Note", (urllib.request.BaseHandler,), {"https_request": lambda _, request: note(request)}
    )()
    handler.handler_order = 1
    browser.opener.add_handler(handler)
    with contextlib.suppress(StopError):
        browser.login("emmy", PASSWORDS["emmy"])
    del BROWSERS["emmy"]
    if not answers:
        yield "the provider gave no answer to steal"
        return
    stranger = Browser(AUTHORITIES)
    page = stranger.open(answers[0])
    if page.status not in (400, 403):
        yield f"another's answer gave {page.status} {page.url}"
    if stranger.open("/hub/api/user").status not in (401, 403):
        yield "another's answer logged a stranger in"


def open_redirect():
    browser, _ = person("emmy")
    cookies = "; ".join(
        f"{c.name}={c.value}" for c in browser.jar if c.domain.startswith("nb") and c.path == "/hub/"
    )
    for way in NEXT:
        quoted = urllib.parse.quote(way, safe="")
        for headers in ({"Cookie": cookies}, {}):
            for page in ("login", "oauth_login", "logout"):
                status, said, _ = raw(f"/hub/{page}?next={quoted}", headers)
                if leads_away(said.get("Location") or "/"):
                    yield f"{page} with {way!r} leads to {said['Location']}"
        # All the way: through the provider and back.
        try:
            _, page = person("emmy", f"/hub/login?next={quoted}")
        except OSError as fault:
            yield f"a login with {way!r} led away: {fault}"
            continue
        if not page.url.startswith(HUB + "/"):
            yield f"a login with {way!r} ended at {page.status} {page.url}"
    for target in (
        "//evil.example",
        "//evil.example/",
        "/hub//evil.example",
        "//evil.example/%2e%2e",
        "/\\evil.example/",
    ):
        for port in (443, 80):
            status, said, _ = raw(target, {}, port)
            if leads_away(said.get("Location") or "/"):
                yield f"{target} at port {port} leads to {said['Location']}"
    status, said, _ = raw("/hub/home", {"Host": EVIL}, 80)
    if status != 301 or said["Location"] != HUB + "/hub/home":
        yield f"port 80 leads {EVIL} to {said['Location']}"


def forged_headers():
    _, plain, text = raw("/hub/login", {})
    _, forged, forged_text = raw("/hub/login?forged=1", FORGED)
    if EVIL in forged_text or EVIL in str(forged):
        yield "the login page names the forged host"
    cookies = [value for name, value in forged.items() if name.lower() == "set-cookie"]
    if not cookies or not all("secure" in cookie.lower() for cookie in cookies):
        yield f"cookies are not secure: {cookies}"
    _, said, _ = raw("/hub/oauth_login", FORGED)
    to = urllib.parse.urlsplit(said["Location"] or "")
    back = urllib.parse.parse_qs(to.query).get("redirect_uri", [""])[0]
    if to.hostname != "origin.casa.test" or back != HUB + "/hub/oauth_callback":
        yield f"a login would come back to {back}"
    browser, _ = person("ada")
    page = browser.open("/user/ada/lab", headers=FORGED)
    if page.status != 200 or EVIL in page.text:
        yield f"JupyterLab believes forged headers: {page.status}"
    if text and "Strict-Transport-Security" not in plain and "strict-transport-security" not in plain:
        yield "no Strict-Transport-Security"


def ports_from_the_network():
    for port in (8000, 8001, 8002, 8081):
        try:
            socket.create_connection(("nb.casa.test", port), timeout=5).close()
            yield f"port {port} answers"
        except OSError:
            pass
    socket.create_connection(("nb.casa.test", 443), timeout=5).close()


def old_tls():
    context = ssl.create_default_context(cafile=AUTHORITIES)
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with (
            socket.create_connection(("nb.casa.test", 443)) as link,
            context.wrap_socket(link, server_hostname="nb.casa.test"),
        ):
            yield "TLS 1.1 is taken"
    except (ssl.SSLError, OSError):
        pass


def in_anothers_name_on_the_host():
    """What a user may try from inside her session."""
    browser, _ = person("emmy")
    page = browser.spawn("emmy")
    if page.status != 200:
        yield f"emmy has no session: {page.status} {page.text[:200]}"
        return
    printed = browser.run("emmy", open(os.path.join(os.path.dirname(__file__), "inside.py")).read())
    if printed.splitlines()[-1:] != ["tried"]:
        yield f"it did not run: {printed[-500:]}"
    yield from printed.splitlines()[:-1]
    browser.api(of("emmy", "server"), "DELETE")


CASES = (
    outside_the_allow_rule,
    wrong_password,
    another_users_server,
    an_admin_in_anothers_session,
    api_without_a_token,
    login_state,
    open_redirect,
    forged_headers,
    ports_from_the_network,
    old_tls,
    in_anothers_name_on_the_host,
)
chosen = sys.argv[1:]
print(json.dumps({case.__name__: list(case()) for case in CASES if not chosen or case.__name__ in chosen}))
