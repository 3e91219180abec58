"""Makes an authority that ended yesterday: expired.py DIRECTORY."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from casa_install.trust.authority import make_authority

home = Path(sys.argv[1])
day = timedelta(days=1)
made = make_authority("Expired", domains=["casa.test"], lifetime=day, now=datetime.now(UTC) - 2 * day)
(home / "expired.pem").write_text(made.certificate_pem)
(home / "expired.key").touch(mode=0o600)
(home / "expired.key").write_text(made.key_pem)
