"""Compares or changes a node's labels and taints; those that others gave it stay.

What came from here is noted in two annotations of the node, so that it can be taken away when it leaves the
inventory.

Arguments: look or change, and JSON: node, data (k3s's data directory), port (the API's, on a server),
labels (list of key=value), taints (a list of key=value:effect or key:effect). `look` asks with the kubelet's
credentials, and ends with 0 if nothing is to change; `change` asks with those of a server's administrator,
and prints what it changed. Python 3.9, standard library only.
"""

import json
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

LABELS, TAINTS = "casa-install/labels", "casa-install/taints"
# Others write to the node all the time: the kubelet its state, controllers their labels.
SECONDS = 20


def wanted_labels(order):
    """Labels by key."""
    return dict(text.split("=", 1) for text in order["labels"])


def wanted_taints(order):
    """Taints by key and effect."""
    found = {}
    for text in order["taints"]:
        pair, effect = text.rsplit(":", 1)
        key, _, value = pair.partition("=")
        found[key, effect] = {"key": key, "effect": effect, **({"value": value} if value else {})}
    return found


def noted(node, name):
    """What an annotation says came from here; nothing where it cannot be read."""
    try:
        return set(json.loads(node["metadata"].get("annotations", {}).get(name, "[]")))
    except (ValueError, TypeError):
        return set()


def patch_of(node, order):
    """The JSON merge patch (RFC 7396) that makes the node what it should be; empty if it is."""
    labels, taints = wanted_labels(order), wanted_taints(order)
    has = node["metadata"].get("labels", {})
    change = {key: value for key, value in labels.items() if has.get(key) != value}
    change.update({key: None for key in noted(node, LABELS) - set(labels) if key in has})
    mine = {tuple(text.rsplit(":", 1)) for text in noted(node, TAINTS)}
    present = node.get("spec", {}).get("taints", [])
    kept = [one for one in present if (one["key"], one["effect"]) not in mine | set(taints)]
    here = [one for one in present if (one["key"], one["effect"]) in mine | set(taints)]
    plain = [{key: one[key] for key in ("key", "effect", "value") if one.get(key)} for one in here]
    notes = {LABELS: sorted(labels), TAINTS: sorted(":".join(pair) for pair in taints)}
    old = node["metadata"].get("annotations", {})
    note = {
        name: (json.dumps(keys) if keys else None)
        for name, keys in notes.items()
        if sorted(noted(node, name)) != keys or (not keys and name in old)
    }
    patch = {}
    if change or note:
        patch["metadata"] = {
            **({"labels": change} if change else {}),
            **({"annotations": note} if note else {}),
        }
    if sorted(plain, key=str) != sorted(taints.values(), key=str):
        patch["spec"] = {"taints": kept + list(taints.values())}
    return patch


def said(patch):
    """The patch in words, a line each."""
    lines = []
    for key, value in sorted(patch.get("metadata", {}).get("labels", {}).items()):
        lines.append(f"label {key} removed" if value is None else f"label {key}={value}")
    if "spec" in patch:
        lines.append(
            "taints "
            + (", ".join(one["key"] + ":" + one["effect"] for one in patch["spec"]["taints"]) or "none")
        )
    return lines or (["note of labels and taints"] if patch else [])


def kubelet(order):
    """Where the kubelet finds its API server, and its credentials."""
    text = (Path(order["data"]) / "agent/kubelet.kubeconfig").read_text(encoding="utf-8")
    found = {
        key: re.search(r"\b" + key + r":\s*\"?([^\s\"]+)", text).group(1)
        for key in ("server", "certificate-authority", "client-certificate", "client-key")
    }
    return found["server"], found["certificate-authority"], found["client-certificate"], found["client-key"]


def administrator(order):
    """A server's own API, and the credentials that k3s keeps there."""
    tls = Path(order["data"]) / "server/tls"
    files = [str(tls / name) for name in ("server-ca.crt", "client-admin.crt", "client-admin.key")]
    return [f"https://127.0.0.1:{order['port']}", *files]


class Api:
    """An API server, asked with a client certificate."""

    def __init__(self, server, authority, certificate, key):
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
        handler = urllib.request.HTTPSHandler(context=context)
        self.server = server
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)

    def node(self, name, patch=None):
        """The node, after a patch if one is given."""
        request = urllib.request.Request(  # noqa: S310 - https, by what k3s wrote
            self.server + "/api/v1/nodes/" + name,
            data=json.dumps(patch).encode() if patch else None,
            headers={"Content-Type": "application/merge-patch+json"} if patch else {},
            method="PATCH" if patch else "GET",
        )
        with self.opener.open(request, timeout=10) as answer:
            return json.load(answer)


def look(order):
    """0 if the node is as it should be."""
    asked = bool(order["labels"] or order["taints"])
    try:
        node = Api(*kubelet(order)).node(order["node"])
    except (OSError, ValueError, AttributeError):
        # Nothing is wanted of a node that is not there yet, or it is done when it is.
        return 1 if asked else 0
    lines = said(patch_of(node, order))
    sys.stdout.write("\n".join(lines))
    return 1 if lines else 0


def change(order):
    """Make the node what it should be, however often others write to it meanwhile."""
    end = time.monotonic() + SECONDS
    while True:
        api = Api(*administrator(order))
        node = api.node(order["node"])
        patch = patch_of(node, order)
        if not patch:
            return 0
        patch.setdefault("metadata", {})["resourceVersion"] = node["metadata"]["resourceVersion"]
        try:
            api.node(order["node"], patch)
        except urllib.error.HTTPError as error:
            if error.code == 409 and time.monotonic() < end:
                continue
            raise
        sys.stdout.write("\n".join(said(patch)) + "\n")
        return 0


def main():
    """The exit code."""
    order = json.loads(sys.argv[2])
    if sys.argv[1] == "look":
        return look(order)
    try:
        return change(order)
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"the API answers {error.code}: {error.read(2000).decode('utf-8', 'replace')}\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the API of this server does not answer: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
