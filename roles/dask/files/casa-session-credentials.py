#!/usr/bin/python3 -I
"""Makes and removes what a session proves itself with: Dask's TLS files, and the user's token.

    casa-session-credentials make [ACCOUNT]         a token is read from standard input, if there is one
    casa-session-credentials remove [ACCOUNT]
    casa-session-credentials environment [ACCOUNT]  prints KEY=VALUE lines for the session
    casa-session-credentials login                  for a login shell: makes, and prints lines to evaluate

With ACCOUNT, as root: for a session that JupyterHub starts, below /run/casa-sessions. Without, as the user: for logins,
in $XDG_RUNTIME_DIR, which goes with the last of them. Nothing secret is printed, and root writes nothing there itself.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import socket
import stat
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

SESSIONS = Path("/run/casa-sessions")
SETTINGS = Path("/etc/casa-install/session-credentials.json")
WORKER = Path("/usr/local/libexec/casa-dask-worker.sh")
SECTIONS = ("HTCONDOR", "LOCALHOST", "COFFEA_CASA")
DAY = 86400
LOGS = "dask-worker-logs"
LONGEST_TOKEN = 65536


class Refused(Exception):
    """What was asked for is not done; the text says why."""


def settings() -> tuple[int, list[str]]:
    """How many days the files are good for, and the names of this host."""
    found = json.loads(SETTINGS.read_text(encoding="utf-8")) if SETTINGS.exists() else {}
    return int(found.get("days", 7)), [str(name) for name in found.get("names", [socket.getfqdn()])]


def write(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, all of it or none."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)


def tls_files(days: int, names: list[str], account: str) -> dict[str, bytes]:
    """An authority of this session alone, whose key is forgotten, and one certificate of it for every part of Dask.

    Strict verification (the default from Python 3.13 on) wants the extensions that RFC 5280 demands of each.
    """
    from cryptography import x509
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # Clocks of the pool's hosts differ a little.
    begin = datetime.now(UTC) - timedelta(minutes=10)
    keys = [ec.generate_private_key(ec.SECP256R1(), default_backend()) for _ in range(2)]
    subjects = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])
        for text in (f"Dask session of {account}", f"{account} on {names[0]}")
    ]
    authority = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())

    def usage(*, signs: bool) -> x509.KeyUsage:
        no = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        return x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=signs, decipher_only=False, **no)

    def certificate(which: int, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subjects[which])
            .issuer_name(subjects[0])
            .public_key(keys[which].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=days, minutes=10))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[which].public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        signed = builder.sign(keys[0], hashes.SHA256(), default_backend())
        return signed.public_bytes(serialization.Encoding.PEM)

    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return {
        "ca.pem": certificate(
            0, (x509.BasicConstraints(ca=True, path_length=0), True), (usage(signs=True), True)
        ),
        "cert.pem": certificate(
            1,
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage(signs=False), True),
            (x509.ExtendedKeyUsage(both), False),
            (x509.SubjectAlternativeName([x509.DNSName(name) for name in dict.fromkeys([*names, "localhost"])]), False),
        ),
        "key.pem": keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }


def make(directory: Path, who: pwd.struct_passwd, token: bytes | None, *, keep: bool) -> None:
    """Write the files, as the user.

    Args:
        directory: The session's own.
        who: The user.
        token: The user's token, if there is one.
        keep: Leave TLS files that are good for a day more: clusters of another login use them.
    """
    dask = directory / "dask"
    dask.mkdir(mode=0o700, exist_ok=True)
    # Workers' logs may show what a user works on.
    with suppress(OSError):
        (Path(who.pw_dir) / LOGS).mkdir(mode=0o700, exist_ok=True)
    expiry = dask / "expires"
    days, names = settings()
    if not (keep and expiry.exists() and float(expiry.read_text()) > time.time() + min(DAY, days * DAY / 2)):
        for name, data in tls_files(days, names, who.pw_name).items():
            write(dask / name, data)
        write(expiry, f"{time.time() + days * DAY:.0f}\n".encode())
    if token:
        write(directory / "bearer_token", token)


def environment(directory: Path, home: Path) -> dict[str, str]:
    """What a session is told."""
    dask = directory / "dask"
    names = {"CA_FILE": dask / "ca.pem"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        names |= {f"{role}__CERT": dask / "cert.pem", f"{role}__KEY": dask / "key.pem"}
    told = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(path) for name, path in names.items()}
    told |= {f"DASK_JOBQUEUE__{name}__LOG_DIRECTORY": str(home / LOGS) for name in SECTIONS}
    files = [WORKER, *(dask / name for name in ("ca.pem", "cert.pem", "key.pem"))]
    token = directory / "bearer_token"
    if token.exists():
        files.append(token)
        told["BEARER_TOKEN_FILE"] = str(token)
    return told | {"CASA_WORKER_FILES": ",".join(map(str, files))}


def own_directory(who: pwd.struct_passwd) -> Path:
    """The directory of logins, made if it is not there.

    Raises:
        Refused: It is not the user's alone.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.isdir(runtime) and os.stat(runtime).st_uid == who.pw_uid:
        directory = Path(runtime) / "casa-session"
    else:
        directory = Path(who.pw_dir) / ".cache" / "casa-session" / socket.gethostname()
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    require_own(directory, who)
    return directory


def require_own(directory: Path, who: pwd.struct_passwd) -> None:
    """Refuse a directory that is not one, or in which others could write.

    Raises:
        Refused: It is not the user's alone.
    """
    seen = directory.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != who.pw_uid or stat.S_IMODE(seen.st_mode) != 0o700:
        raise Refused(f"{directory} is not a directory that only {who.pw_name} can use")


def session_directory(who: pwd.struct_passwd) -> Path:
    """The directory of a session that the hub starts; root makes it, below a directory that only root writes to.

    Raises:
        Refused: Something else is there.
    """
    SESSIONS.mkdir(mode=0o755, exist_ok=True)
    above = SESSIONS.lstat()
    if not stat.S_ISDIR(above.st_mode) or above.st_uid != os.geteuid() or above.st_mode & 0o022:
        raise Refused(f"{SESSIONS} is not a directory that only root writes to")
    directory = SESSIONS / who.pw_name
    if not directory.exists():
        directory.mkdir(mode=0o700)
        os.chown(directory, who.pw_uid, who.pw_gid)
    require_own(directory, who)
    return directory


def become(who: pwd.struct_passwd) -> None:
    """Be the user from here on."""
    os.initgroups(who.pw_name, who.pw_gid)
    os.setresgid(who.pw_gid, who.pw_gid, who.pw_gid)
    os.setresuid(who.pw_uid, who.pw_uid, who.pw_uid)


def as_user(who: pwd.struct_passwd, act: object) -> None:
    """Do something in a process that is the user's.

    Raises:
        Refused: It failed; the process said why.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            become(who)
            act()  # type: ignore[operator]
            code = 0
        except (OSError, Refused, ValueError) as error:
            print(f"casa-session-credentials: {error}", file=sys.stderr)
        finally:
            sys.stderr.flush()
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise Refused(f"nothing was done for {who.pw_name}")


def given_token() -> bytes | None:
    """The token on standard input, if there is one.

    Raises:
        Refused: It is none.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return None
    text = sys.stdin.buffer.read(LONGEST_TOKEN + 1).strip()
    if len(text) > LONGEST_TOKEN or any(not 33 <= byte <= 126 for byte in text):
        raise Refused("what is on standard input is no token")
    return text + b"\n" if text else None


def empty(directory: Path) -> None:
    """Remove what is in a directory; as the user, so that no link of theirs leads anywhere."""
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def for_account(verb: str, who: pwd.struct_passwd) -> None:
    """What root does for a session."""
    if os.geteuid() != 0:
        raise Refused("only root does this for an account; leave ACCOUNT out for your own")
    if who.pw_uid == 0:
        raise Refused("root has no session")
    if verb == "make":
        token = given_token()
        directory = session_directory(who)
        as_user(who, lambda: make(directory, who, token, keep=False))
    elif verb == "remove":
        directory = SESSIONS / who.pw_name
        if directory.exists():
            require_own(directory, who)
            as_user(who, lambda: empty(directory))
            directory.rmdir()
    else:
        for name, value in environment(SESSIONS / who.pw_name, Path(who.pw_dir)).items():
            print(f"{name}={value}")


def for_oneself(verb: str, who: pwd.struct_passwd) -> None:
    """What a user does for logins."""
    directory = own_directory(who)
    if verb == "remove":
        shutil.rmtree(directory)
        return
    if verb in ("make", "login"):
        make(directory, who, None, keep=True)
    if verb in ("environment", "login"):
        for name, value in environment(directory, Path(who.pw_dir)).items():
            print(f"export {name}={shlex.quote(value)}" if verb == "login" else f"{name}={value}")


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    os.umask(0o077)
    try:
        match arguments:
            case ["make" | "remove" | "environment" as verb, account]:
                os.umask(0o022)
                for_account(verb, pwd.getpwnam(account))
            case ["make" | "remove" | "environment" | "login" as verb]:
                for_oneself(verb, pwd.getpwuid(os.getuid()))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except KeyError:
        print("casa-session-credentials: there is no such account", file=sys.stderr)
        return 1
    except (OSError, Refused, ValueError) as error:
        print(f"casa-session-credentials: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
