"""Signs a certificate as an authority does that is not the role's.

issue.py CA_DIRECTORY TARGET NAMES [MINUTES] [REQUEST]

Writes TARGET.pem, and TARGET.key where no request is given.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from casa_install.trust.authority import load_authority, private_key_pem
from casa_install.trust.leaf import make_request, sign_request

home, target, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
minutes = int(sys.argv[4]) if len(sys.argv) > 4 else 60 * 24
authority = load_authority((home / "ca.pem").read_text(), (home / "ca.key").read_text())
names = name.split(",")
if len(sys.argv) > 5:
    request = Path(sys.argv[5]).read_text()
else:
    key = ec.generate_private_key(ec.SECP256R1())
    request = make_request(key, names)
    path = Path(f"{target}.key")
    path.touch(mode=0o600)
    path.write_text(private_key_pem(key))
lifetime = timedelta(minutes=minutes)
Path(f"{target}.pem").write_text(
    sign_request(authority, request, names=names, lifetime=lifetime, now=datetime.now(UTC))
)
