"""Pods that talk to each other, to a Service and to DNS, and a NetworkPolicy that keeps one from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.health import kube_objects
from casa_install.health.kube_errors import KubeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from casa_install.health.kube_namespace import Space

TALK_SECONDS = 15
"""How long a connection may take to come about: each node learns of new pods and Services by itself."""
POLICY_SECONDS = 30
"""How long a NetworkPolicy may take until it holds on every node."""

# Each URL in a process of its own: hundreds of nodes would otherwise wait for each other. The time limit is
# not wget's own -T, which crashes in Debian's busybox-static 1.35.
_ASK = """
end=$(( $(date +%s) + $1 )); shift
for url; do
  (
    while :; do
      got=$(timeout 3 wget -q -O - "$url" 2>/dev/null) && [ -n "$got" ] && break
      got=
      [ "$(date +%s)" -lt "$end" ] || break
      sleep 1
    done
    echo "$url $got"
  ) &
done
wait
"""
_ASK_IN_VAIN = """
end=$(( $(date +%s) + $1 )); shift
for url; do
  (
    while got=$(timeout 3 wget -q -O - "$url" 2>/dev/null); do
      [ "$(date +%s)" -lt "$end" ] || break
      sleep 1
    done
    echo "$url $got"
  ) &
done
wait
"""
_RESOLVE = """
end=$(( $(date +%s) + $1 ))
domain=$(sed -n 's/^search [^ ]* svc\\.\\([^ ]*\\).*/\\1/p' /etc/resolv.conf)
while :; do
  got=$(nslookup "$2.svc.$domain" 2>&1)
  case "$got" in *"$3"*) break ;; esac
  [ "$(date +%s)" -lt "$end" ] || break
  sleep 1
done
echo "$2.svc.$domain"
echo "$got"
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the pod of one node heard.

    Attributes:
        fault: Why no command could be run in it; the rest is empty then.
        peer: The node whose pod it asked; empty where it is alone.
        peers: Address of that pod -> the node that answered, empty for none.
        service: Address of the Service -> the node that answered, empty for none.
        name: The name that was looked up; empty where it was not tried.
        resolved: What came of it: empty if it was the Service's address.
    """

    fault: str = ""
    peer: str = ""
    peers: Mapping[str, str] = field(default_factory=dict)
    service: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    resolved: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """What a NetworkPolicy did; nodes by name.

    Attributes:
        fault: Why it could not be tried.
        before: Nodes whose pod did not answer both even before; the rest says nothing of them.
        let_in: Nodes whose pod still answered who was not let in.
        shut_out: Nodes whose pod did not answer who was let in.
    """

    fault: str = ""
    before: tuple[str, ...] = ()
    let_in: tuple[str, ...] = ()
    shut_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One pod's question list."""

    pod: str
    peer: str
    ips: Sequence[str]


def talk(
    space: Space,
    threads: ThreadPoolExecutor,
    pods: Mapping[str, tuple[str, tuple[str, ...]]],
    service: Mapping[str, Any],
    *,
    dns: bool,
) -> dict[str, Answers]:
    """Let each pod ask the next one, the Service and DNS.

    Args:
        space: Where they are.
        threads: For one command per pod.
        pods: Node -> name and addresses of its pod.
        service: The Service's `spec`.
        dns: Whether to look its name up.
    """
    ring = sorted(pods)
    addresses = tuple(service.get("clusterIPs") or [service["clusterIP"]])
    begun = {}
    for number, node in enumerate(ring):
        following = ring[(number + 1) % len(ring)]
        peer = "" if following == node else following
        asked = _Asked(pods[node][0], peer, pods[peer][1] if peer else ())
        begun[node] = threads.submit(_answers, space, asked, addresses, dns)
    return {node: each.result() for node, each in begun.items()}


def _answers(space: Space, asked: _Asked, service: Sequence[str], dns: bool) -> Answers:
    urls = [_url(ip, kube_objects.PORT) for ip in asked.ips]
    fronts = [_url(ip, 80) for ip in service]
    try:
        heard = _ask(space, asked.pod, _ASK, [*urls, *fronts], TALK_SECONDS)
        name, resolved = _resolve(space, asked.pod, service[0]) if dns else ("", "")
    except KubeError as error:
        return Answers(fault=error.text)
    return Answers(
        peer=asked.peer,
        peers={ip: heard[url] for ip, url in zip(asked.ips, urls, strict=True)},
        service={ip: heard[url] for ip, url in zip(service, fronts, strict=True)},
        name=name,
        resolved=resolved,
    )


def deny(
    space: Space, threads: ThreadPoolExecutor, pods: Mapping[str, tuple[str, tuple[str, ...]]]
) -> Denied:
    """Let a stranger ask all pods, keep it out, and see that it hears nothing while a friend still does."""
    urls = {_url(ip, kube_objects.PORT): node for node, (_, ips) in pods.items() for ip in ips}
    stranger, friend = kube_objects.STRANGER, kube_objects.FRIEND
    try:
        begun = [
            threads.submit(_ask, space, pod, _ASK, list(urls), TALK_SECONDS) for pod in (stranger, friend)
        ]
        before = [each.result() for each in begun]
        silent = _nodes(urls, (url for heard in before for url, got in heard.items() if not got))
        space.create("networkpolicies", kube_objects.policy(), "networking.k8s.io")
        after = _ask(space, stranger, _ASK_IN_VAIN, list(urls), POLICY_SECONDS)
        friends = _ask(space, friend, _ASK, list(urls), TALK_SECONDS)
    except KubeError as error:
        return Denied(fault=error.text)
    return Denied(
        before=silent,
        let_in=_nodes(urls, (url for url, got in after.items() if got)),
        shut_out=_nodes(urls, (url for url, got in friends.items() if not got)),
    )


def _nodes(urls: Mapping[str, str], some: Any) -> tuple[str, ...]:
    return tuple(sorted({urls[url] for url in some}))


def _url(ip: str, port: int) -> str:
    return f"http://[{ip}]:{port}/" if ":" in ip else f"http://{ip}:{port}/"


def _ask(space: Space, pod: str, script: str, urls: Sequence[str], seconds: int) -> dict[str, str]:
    """URL -> what it answered, from a script that says so line by line."""
    done = space.run(pod, script, str(seconds), *urls, seconds=seconds + 15)
    heard = dict(line.split(" ", 1) for line in done.output.splitlines() if " " in line)
    if missing := [url for url in urls if url not in heard]:
        said = " ".join((done.error or "it said nothing").split())[:200]
        raise KubeError(f"The pod {pod} did not say what it heard of {missing[0]}: {said}", status=500)
    return {url: heard[url].strip() for url in urls}


def _resolve(space: Space, pod: str, address: str) -> tuple[str, str]:
    """The name that was looked up, and what came of it where it was not the Service's address."""
    name = f"{kube_objects.SERVICE}.{space.name}"
    done = space.run(pod, _RESOLVE, str(TALK_SECONDS), name, address, seconds=TALK_SECONDS + 20)
    full, _, said = done.output.partition("\n")
    if address in said:
        return full, ""
    return full or name, " ".join((said or done.error or "no answer").split())[:300]
