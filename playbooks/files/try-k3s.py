"""Try on a k3s host what strangers must not do, and on a server that manifests are deployed by themselves.

Argument: `kind=server` or `kind=agent`. Runs on the host as root. Prints one JSON object, `k3s_tried`, for
`casa_install.health.kube_judge` to judge. The object that a server makes of a file is removed with it.
"""

import calendar
import contextlib
import json
import pathlib
import re
import secrets
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request

SECONDS = 10
APPEARS = 40
"""Seconds: k3s looks at the directory every 15 s, and has other things to apply."""
FORGOTTEN = 900
LABEL = "casa-install.io/verify"
PREFIX = "casa-verify-"
MANIFESTS = pathlib.Path("/var/lib/rancher/k3s/server/manifests")
TLS = pathlib.Path("/var/lib/rancher/k3s/server/tls")
MAPS = "/api/v1/namespaces/kube-system/configmaps"
ADDONS = "/apis/k3s.cattle.io/v1/namespaces/kube-system/addons"
CONFIG = pathlib.Path("/etc/rancher/k3s/config.yaml")


def opened(url, context, method="GET", token="", seconds=SECONDS):
    """Return an open answer; raises OSError."""
    headers = {"Authorization": "Bearer " + token} if token else {}
    request = urllib.request.Request(url, method=method, headers=headers)
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    return urllib.request.build_opener(*handlers).open(request, timeout=seconds)


def stranger(url, token=""):
    """Return how somebody without a key is answered: a status, or why there was no answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with opened(url, context, token=token) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as fault:
        fault.close()
        return str(fault.code)
    except OSError as fault:
        return reason(fault)


def reason(fault):
    """Return an error in a few words."""
    why = getattr(fault, "reason", fault)
    return str(getattr(why, "strerror", "") or why)


class Api:
    """The API on this host, as its administrator."""

    def __init__(self):
        self.context = ssl.create_default_context(cafile=str(TLS / "server-ca.crt"))
        self.context.load_cert_chain(str(TLS / "client-admin.crt"), str(TLS / "client-admin.key"))
        text = CONFIG.read_text() if CONFIG.is_file() else ""
        port = re.search(r"^https-listen-port: *[\"']?(\d+)", text, re.MULTILINE)
        self.base = "https://127.0.0.1:" + (port[1] if port else "6443")

    def get(self, path):
        """Return an object."""
        with opened(self.base + path, self.context) as answer:
            return json.load(answer)

    def delete(self, path):
        """Delete an object; one that is not there is as good."""
        try:
            with opened(self.base + path, self.context, "DELETE") as answer:
                answer.read()
        except urllib.error.HTTPError as fault:
            fault.close()
            if fault.code != 404:
                raise

    def wait(self, path, name, met, seconds):
        """Watch an object until a condition is met or the time is over; return whether it was."""
        words = "?watch=true&fieldSelector=metadata.name=" + name + "&timeoutSeconds=" + str(seconds)
        with opened(self.base + path + words, self.context, seconds=seconds + 5) as answer:
            for line in answer:
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED") and met(event["object"]):
                    return True
        return False


def manifest(api):
    """Return how long it took until an object came of a file, and why it did not."""
    name, value = PREFIX + secrets.token_hex(4), secrets.token_hex(16)
    path = MANIFESTS / (name + ".yaml")
    # k3s leaves files alone that begin with a dot.
    partial = MANIFESTS / ("." + name)
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {LABEL: name[len(PREFIX) :]}},
        "data": {"value": value},
    }
    before = time.monotonic()
    try:
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(body) + "\n")
        partial.rename(path)
        found = api.wait(MAPS, name, lambda item: item.get("data", {}).get("value") == value, APPEARS)
        seconds = round(time.monotonic() - before, 1)
        if found:
            # Its record is complete then: k3s would else complain that it is gone.
            api.wait(ADDONS, name, lambda item: item.get("spec", {}).get("checksum"), 5)
    finally:
        partial.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        remove(api, name)
    fault = "" if found else "no object came of " + str(path) + " within " + str(APPEARS) + " s"
    return {"seconds": seconds, "fault": fault}


def remove(api, name):
    """Remove what came of a file, and k3s's record of it."""
    api.delete(MAPS + "/" + name)
    api.delete(ADDONS + "/" + name)


def sweep(api):
    """Remove what a run left that was killed; one that still runs is younger."""
    for path in [*MANIFESTS.glob(PREFIX + "*.yaml"), *MANIFESTS.glob("." + PREFIX + "*")]:
        if time.time() - path.stat().st_mtime > FORGOTTEN:
            path.unlink(missing_ok=True)
            remove(api, path.name.strip(".").split(".")[0])
    for item in api.get(MAPS + "?labelSelector=" + LABEL)["items"]:
        made = time.strptime(item["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
        if time.time() - calendar.timegm(made) > FORGOTTEN:
            remove(api, item["metadata"]["name"])


def deployed():
    """Return what came of a manifest, with the reason where nothing could be tried."""
    try:
        api = Api()
        with contextlib.suppress(OSError):
            sweep(api)
        return manifest(api)
    except OSError as fault:
        return {"seconds": None, "fault": "the API on this host: " + reason(fault)}


def end(number, _frame):
    """Let what was made be removed where the run is ended."""
    sys.exit(128 + number)


def main(arguments):
    """Print what was found."""
    given = dict(word.split("=", 1) for word in arguments)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    kubelet = "https://localhost:10250/pods"
    found = {
        "kubelet": {
            "no credentials": stranger(kubelet),
            "a wrong token": stranger(kubelet, secrets.token_urlsafe(24)),
        },
        "read_only": "",
    }
    answer = stranger("http://localhost:10255/pods")
    if answer.isdigit():
        found["read_only"] = answer
    if given["kind"] == "server":
        found["manifest"] = deployed()
    print("casa-install answer 1")
    print(json.dumps({"k3s_tried": found}))


if __name__ == "__main__":
    main(sys.argv[1:])
