"""Documentation of the action casa_sign, which runs on the controller and has no part on hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: casa_sign
short_description: Signs hosts' certificates with the site's authority, on the controller
description:
  - The authority is read from the variables C(trust_ca_certificate) and C(trust_ca_key), never from the task.
  - Without O(requests) it only requires an authority that can sign for all names.
options:
  certificates:
    description: >-
      What the host may have, each with C(name), C(names) and C(purposes).
      From its requests come public keys only.
    type: list
    elements: dict
    default: []
  requests:
    description: A certificate's name and its signing request, PEM.
    type: dict
    default: {}
  days:
    description: How long a certificate is valid.
    type: int
    default: 90
author: the casa-install developers (@casa-install)
"""

RETURN = r"""
signed:
  description: A certificate's name and the certificate, PEM.
  returned: always
  type: dict
"""
