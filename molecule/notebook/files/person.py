#!/usr/bin/python3
"""One step of a person at the hub: ``person.py STEP NAME [WORDS]``. Prints JSON. The password is in PASSWORD.

Steps: login, spawn, run CODE, get PATH, stop, logout. Cookies are kept between steps.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from browser import Browser

PLACE = "/run/people"


def main(step, name, *words):
    os.makedirs(PLACE, mode=0o700, exist_ok=True)
    browser = Browser(os.environ["AUTHORITIES"], f"{PLACE}/{name}.cookies")
    if step == "login":
        browser.jar.clear()
        page = browser.login(name, os.environ["PASSWORD"], *words)
    elif step == "spawn":
        page = browser.spawn(name)
    elif step == "run":
        printed = browser.run(name, *words)
        browser.keep()
        print(json.dumps({"printed": printed}))
        return
    elif step == "get":
        page = browser.open(*words)
    elif step == "api":
        page = browser.api(words[0], *words[1:])
    elif step == "start":
        page = browser.start(name)
    elif step == "stop":
        page = browser.api(f"api/users/{name}/server", "DELETE")
    elif step == "logout":
        page = browser.open("/hub/logout")
    browser.keep()
    print(
        json.dumps({"status": page.status, "url": page.url, "headers": dict(page.headers), "text": page.text})
    )


main(*sys.argv[1:])
