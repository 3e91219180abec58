"""Prints the forms in which a secret could turn up: plain, encoded, and as digests of what holds it.

The environment gives SECRET and, a line each, CONTENTS: what is written with the secret in it.
"""

import base64
import hashlib
import os

secret = os.environ["SECRET"].encode()
forms = {secret.decode(), secret.hex()}
for shift in range(3):
    # Whole groups of three bytes look the same wherever the secret stands in a longer text.
    inner = secret[shift:]
    forms.add(base64.b64encode(inner[: len(inner) // 3 * 3]).decode())
contents = [line.encode() for line in os.environ["CONTENTS"].splitlines()]
for content in [secret, *contents]:
    for ended in (content, content + b"\n"):
        forms.update(hashlib.new(name, ended).hexdigest() for name in ("md5", "sha1", "sha256"))
print("\n".join(sorted(forms)))
