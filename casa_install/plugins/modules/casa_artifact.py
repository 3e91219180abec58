"""Documentation of the action casa_artifact, which runs on the controller and has no part on hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: casa_artifact
short_description: Has a release's files on the controller, verified
description:
  - Takes them from the site's bundle, the cache, the site's mirror or the project's releases, in this order,
    and leaves them in the cache. Where from is said by the variables C(site_artifact_bundle),
    C(site_artifact_mirror) and C(site_artifact_digests) of the role C(site), never by the task.
  - Changes nothing on a host, so it never reports a change. In check mode nothing is fetched or written.
options:
  component:
    description: What it belongs to, for example C(k3s) or C(k3s-selinux). Needs O(files) and O(arch).
    type: str
  version:
    description: Its version as the project writes it; the pinned one without.
    type: str
    default: ""
  files:
    description: >-
      What is wanted: what the pins call a file (C(binary), C(images), C(policy)), C(checksums) for the
      release's list of digests, or a file's name.
    type: list
    elements: str
  arch:
    description: The processor, as the kernel or the project names it; for packages of EL 9, C(el9).
    type: str
  archives:
    description: >-
      Instead of a release's files: files that lie in the cache itself, to take from the site's bundle as far
      as it has them.
    type: list
    elements: str
author: the casa-install developers (@casa-install)
"""

RETURN = r"""
version:
  description: The version of the files.
  returned: with O(component)
  type: str
files:
  description: >-
    By what was wanted, each with C(name), C(path) in the cache, C(sha256), C(size) in bytes and C(source),
    one of bundle, cache, mirror, upstream. In check mode C(present) is false for what is not there yet,
    C(would) says where it would be taken from, and C(sha256) is empty where only a connection would tell.
  returned: with O(component)
  type: dict
unpacked:
  description: Those of the archives that the bundle has and that now lie in the cache.
  returned: with O(archives)
  type: list
  elements: str
notes:
  description: What was downloaded, and what was found wrong in the cache and put aside.
  returned: always
  type: list
  elements: str
"""
