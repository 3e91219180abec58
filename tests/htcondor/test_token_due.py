"""The check that tells on a host whether its join token must be made anew."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "roles/htcondor/files/token-due.sh"
YEAR = 365 * 24 * 3600
SUBJECT = "ep-ep1.site.test@pool.site.test"
AUTHORITY = ["READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD"]


def _part(fields: dict[str, Any]) -> str:
    # HTCondor's JSON writer escapes slashes.
    text = json.dumps(fields, separators=(",", ":")).replace("/", "\\/")
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _token(*, kid: str = "POOL", left: float = YEAR, life: int = YEAR, **changed: Any) -> str:
    ends = int(time.time() + left)
    scope = " ".join(f"condor:/{name}" for name in AUTHORITY)
    payload = {"exp": ends, "iat": ends - life, "iss": "pool.site.test", "scope": scope, "sub": SUBJECT}
    payload = {name: value for name, value in (payload | changed).items() if value is not None}
    return ".".join([_part({"alg": "HS256", "kid": kid}), _part(payload), "signature"])


def _ask(tmp_path: Path, token: str, *, authority: list[str] | None = None) -> tuple[int, str]:
    file = tmp_path / "casa-join"
    file.write_text(f"{token}\n")
    wanted = ["POOL", "pool.site.test", SUBJECT, str(YEAR), *(authority or AUTHORITY)]
    argv = ["/bin/sh", "-c", SCRIPT.read_text(), "token-due", str(file), *wanted]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("left", [YEAR, YEAR / 3 + 60])
def test_a_good_token_is_kept(tmp_path: Path, left: float) -> None:
    assert _ask(tmp_path, _token(left=left)) == (0, "")


def test_the_order_of_authorities_does_not_matter(tmp_path: Path) -> None:
    assert _ask(tmp_path, _token(), authority=AUTHORITY[::-1]) == (0, "")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "there is no token"),
        (_token(left=YEAR / 3 - 60), "less than a third of its life is left"),
        (_token(left=-5), "less than a third of its life is left"),
        (_token(life=2 * YEAR, left=2 * YEAR), "it lives longer than wanted"),
        (_token(exp=None), "it never ends"),
        (_token(kid="OLD"), "it is signed with another key"),
        (_token(iss="other.test"), "it is of another pool"),
        (_token(sub="ep-ep2.site.test@pool.site.test"), "it names another host"),
        (_token(scope="condor:/READ"), "it has other authority"),
        (_token(scope="condor:/DAEMON condor:/READ"), "it has other authority"),
        (_token(scope=None), "it has other authority"),
        ("not a token", "it is signed with another key"),
        ("a.b.c", "it is signed with another key"),
    ],
)
def test_a_token_is_due_with_its_reason(tmp_path: Path, token: str, reason: str) -> None:
    if token:
        assert _ask(tmp_path, token) == (1, reason)
    else:
        (tmp_path / "casa-join").touch()
        argv = ["/bin/sh", str(SCRIPT), str(tmp_path / "casa-join"), "POOL", "p", "s", "1"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.strip()) == (1, reason)


def test_a_token_without_limits_is_not_taken_for_a_narrow_one(tmp_path: Path) -> None:
    """HTCondor takes a token without a scope for one with every authority."""
    assert _ask(tmp_path, _token(scope=""))[0] == 1


def test_nothing_of_the_signature_is_told(tmp_path: Path) -> None:
    for token in (_token(), _token(kid="OLD"), _token(exp=None)):
        assert "signature" not in _ask(tmp_path, token)[1]
