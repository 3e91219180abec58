"""A volume that keeps what one pod wrote for the next one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from casa_install.health import kube_objects
from casa_install.health.kube_errors import KubeError

if TYPE_CHECKING:
    from casa_install.health.kube_namespace import Space

POD_SECONDS = 60
"""How long a pod may take to start: the first one's volume has to be made."""

_WRITE = 'printf %s "$1" > /data/proof && sync'


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of it: a fault, or nothing; and where the data was."""

    fault: str = ""
    volume: str = ""


def keep(space: Space, image: str) -> Kept:
    """Write into a volume, replace the pod, and read."""
    try:
        return _keep(space, image)
    except KubeError as error:
        return Kept(fault=error.text)


def _keep(space: Space, image: str) -> Kept:
    value = secrets.token_hex(16)
    space.create("persistentvolumeclaims", kube_objects.claim())
    space.create("pods", kube_objects.keeping_pod(image))
    if fault := space.pod(kube_objects.KEEPER, POD_SECONDS):
        return Kept(fault=space.why(kube_objects.CLAIM, f"the first pod {fault}", kind="Normal"))
    done = space.run(kube_objects.KEEPER, _WRITE, value, seconds=20)
    if done.status != 0:
        return Kept(
            fault=f"the first pod could not write: {' '.join(done.error.split()) or 'it did not end'}"
        )
    path = f"{space.path('pods')}/{kube_objects.KEEPER}"
    space.api.delete(path)
    query = {"fieldSelector": f"metadata.name={kube_objects.KEEPER}"}
    if space.api.wait(space.path("pods"), lambda seen: not seen, POD_SECONDS, **query):
        return Kept(fault=f"the first pod was not gone after {POD_SECONDS} s")
    space.create("pods", kube_objects.keeping_pod(image))
    if fault := space.pod(kube_objects.KEEPER, POD_SECONDS):
        return Kept(fault=f"the second pod {fault}")
    done = space.run(kube_objects.KEEPER, "cat /data/proof", seconds=20)
    claim_path = f"{space.path('persistentvolumeclaims')}/{kube_objects.CLAIM}"
    volume = str(space.api.get(claim_path)["spec"].get("volumeName", ""))
    if done.output != value:
        return Kept(fault="the second pod did not find what the first one wrote", volume=volume)
    return Kept(volume=volume)
