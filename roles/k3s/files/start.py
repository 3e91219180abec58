"""Starts k3s and watches it until the node is Ready; says why it is not, the moment that the journal does.

`systemctl start` of a unit of the type `notify` without a time limit, as k3s has it, waits for ever for a
node that cannot join. Here nothing blocks: the unit is started without waiting, its journal is read, and the
node itself is asked for with the credentials that k3s gave its kubelet.

Reads one JSON object: unit, action (start or restart), host (its name in the inventory), node, version, data
(k3s's data directory), seconds, symptoms (a list of pattern, cause, fix, patience). Prints one. For
Python 3.9, standard library only.
"""

from __future__ import annotations

import calendar
import json
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

MESSAGE = re.compile(r'level=\w+ msg="(?P<text>(?:[^"\\]|\\.)*)"')


def run(*argv: str) -> subprocess.CompletedProcess:
    """Run a program to its end, whatever that is."""
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)


def properties(unit: str) -> dict:
    """Return what systemd says of a unit."""
    shown = run("systemctl", "show", unit, "--property=ActiveState,LoadState,InvocationID").stdout
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


class Journal:
    """What a unit says in its runs from now on; the end of the last may hold an error that was mended."""

    def __init__(self, unit: str, before: str) -> None:
        self.unit = unit
        self.before = before
        self.cursors: dict = {}
        self.lines: list = []

    def more(self) -> list:
        """Return the lines that came since the last call."""
        current = properties(self.unit).get("InvocationID", "")
        if current and current != self.before:
            self.cursors.setdefault(current, "")
        lines = [line for name in list(self.cursors)[-2:] for line in self._read(name)]
        self.lines = (self.lines + lines)[-400:]
        return lines

    def _read(self, invocation: str) -> list:
        after = [f"--after-cursor={self.cursors[invocation]}"] if self.cursors[invocation] else []
        words = ["--quiet", "--no-pager", "--output=cat", "--show-cursor", *after]
        lines = []
        for line in run("journalctl", *words, f"_SYSTEMD_INVOCATION_ID={invocation}").stdout.splitlines():
            if line.startswith("-- cursor: "):
                self.cursors[invocation] = line[11:]
            else:
                lines.append(line)
        return lines


def credentials(data: str) -> tuple | None:
    """Return where the kubelet finds its API server, and a TLS context with what k3s gave it, if it did."""
    keys = ("server", "certificate-authority", "client-certificate", "client-key")
    try:
        text = (Path(data) / "agent/kubelet.kubeconfig").read_text(encoding="utf-8")
        found = dict(re.findall(rf"^\s*(?:- )?({'|'.join(keys)}):\s*\"?([^\s\"]+)", text, re.MULTILINE))
        context = ssl.create_default_context(cafile=found["certificate-authority"])
        context.load_cert_chain(found["client-certificate"], found["client-key"])
    except (OSError, KeyError):
        return None
    return found["server"], context


def look_up(data: str, node: str) -> tuple:
    """Return the node as the cluster knows it, or nothing and why."""
    access = credentials(data)
    if access is None:
        return None, "k3s has not given the kubelet its credentials yet"
    server, context = access
    https = urllib.request.HTTPSHandler(context=context)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
    try:
        with opener.open(f"{server}/api/v1/nodes/{node}", timeout=5) as answer:
            return json.load(answer), ""
    except urllib.error.HTTPError as error:
        return None, f"the API answers {error.code} for the node {node}"
    except (OSError, ValueError) as error:
        return None, f"the API does not answer: {error}"


def readiness(found: dict, version: str, since: int = 0) -> str:
    """Return what is missing before the node counts as Ready; empty when nothing is.

    The cluster keeps what a kubelet said last: only a report since its start (in seconds since 1970) counts.
    """
    running = found["status"].get("nodeInfo", {}).get("kubeletVersion", "")
    if version and running != version:
        return f"the cluster still sees version {running or 'none'}"
    for condition in found["status"].get("conditions", ()):
        if condition["type"] == "Ready":
            if reported(condition) < since:
                return "the kubelet has not reported since it was started"
            return "" if condition["status"] == "True" else f"not Ready: {condition.get('message', '')}"
    return "the kubelet has not reported yet"


def reported(condition: dict) -> int:
    """Return when the kubelet said this, by its own host's clock, in seconds since 1970."""
    return calendar.timegm(time.strptime(condition["lastHeartbeatTime"], "%Y-%m-%dT%H:%M:%SZ"))


def recognise(lines: list, symptoms: list, host: str) -> dict | None:
    """Return the first known reason in these lines."""
    for line in lines:
        for symptom in symptoms:
            match = re.search(symptom["pattern"], line)
            if match:
                named = {"host": host, **{key: value or "" for key, value in match.groupdict().items()}}
                return {
                    "cause": symptom["cause"].format(**named),
                    "fix": symptom["fix"].format(**named),
                    "line": shorten(line),
                    "patience": symptom.get("patience", 0),
                }
    return None


def shorten(line: str) -> str:
    """Return the message of a line of k3s's journal."""
    match = MESSAGE.search(line)
    return (match["text"].replace('\\"', '"') if match else line)[:600]


def watch(order: dict, journal: Journal, began: float) -> dict:
    """Watch until the node is Ready, a reason is known, or time is up; return which."""
    reason: dict | None = None
    since = int(time.time())
    known_since, last_fatal, missing = 0.0, "", ""
    while True:
        lines = journal.more()
        now = time.monotonic()
        known = recognise(lines, order["symptoms"], order["host"])
        if known and (reason is None or known["patience"] < reason["patience"]):
            known_since, reason = now, known
        if reason and now - known_since >= reason["patience"]:
            return {"ready": False, **reason}
        for line in (shorten(line) for line in lines if "level=fatal" in line or line.startswith("panic: ")):
            # k3s is started anew five seconds after it ended: the same end twice will not pass by itself.
            if reason is None and line == last_fatal:
                return {"ready": False, "cause": "k3s ends again and again", "line": line, "fix": ""}
            last_fatal = line
        state = properties(order["unit"])
        if state.get("LoadState") == "not-found":
            return {"ready": False, "cause": f"there is no unit {order['unit']}", "line": "", "fix": ""}
        missing = f"the unit is {state.get('ActiveState', 'unknown')}"
        if state.get("ActiveState") == "active":
            found, missing = look_up(order["data"], order["node"])
            if found is not None:
                missing = readiness(found, order["version"], since)
                if not missing:
                    return {"ready": True}
        if now - began > order["seconds"]:
            cause = f"the node {order['node']} is not Ready after {order['seconds']} s ({missing})"
            return {"ready": False, "cause": cause, "line": last_fatal, "fix": ""}
        time.sleep(0.25)


def main() -> int:
    """Start and watch; the answer is printed, also that it failed."""
    order = json.load(sys.stdin)
    unit = order["unit"]
    before = properties(unit)
    journal = Journal(unit, before.get("InvocationID", ""))
    began = time.monotonic()
    # A unit that tries again and again counts as being started: only a restart makes it read what was mended.
    idle = before.get("ActiveState") in ("inactive", "failed")
    begun = run("systemctl", "--no-block", order["action"] if idle else "restart", unit)
    if begun.returncode:
        answer = {"ready": False, "cause": begun.stderr.strip(), "line": "", "fix": ""}
    else:
        answer = watch(order, journal, began)
        if not answer["ready"] and before.get("ActiveState") != "active":
            # It did not run before: left alone it would go on trying with what is wrong.
            run("systemctl", "--no-block", "stop", unit)
            answer["stopped"] = True
    answer["journal"] = [] if answer["ready"] else journal.lines[-20:]
    answer["seconds"] = round(time.monotonic() - began, 1)
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
