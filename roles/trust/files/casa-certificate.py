#!/usr/bin/python3
"""Keeps this host's certificates: says what is due, makes keys and requests, puts certificates in place.

casa-certificate [--table FILE] due | request | install | deploy

The table is written by casa-install. Keys are made here and never leave the host: the controller sees a
request and sends a certificate back. Commands:

due      ends with 0 where every certificate is in order; else prints one line per certificate that is not
request  makes keys for certificates of the site's authority that are due; prints {name: request} as JSON
install  reads {name: certificate} as JSON from standard input and puts each in place with its key
deploy   copies certificates that others renew, and has services read what changed
"""

import argparse
import calendar
import grp
import hashlib
import ipaddress
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RENEW_BELOW = 1 / 3
OUR_CA = "ca"
LINEAGES = Path("/etc/letsencrypt/live")


class FaultError(Exception):
    """What a person has to know."""


def openssl(*arguments, data=None):
    """The output of an openssl command.

    Raises:
        FaultError: It failed.
    """
    done = subprocess.run(
        ["/usr/bin/openssl", *arguments],
        input=data,
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise FaultError(f"openssl {arguments[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def public_key_of_certificate(path):
    """The public key in a certificate, PEM."""
    return openssl("x509", "-in", str(path), "-noout", "-pubkey")


def public_key_of_key(path):
    """The public key of a private key, PEM."""
    return openssl("pkey", "-in", str(path), "-pubout")


def life(path):
    """Start and end of a certificate's life, as seconds since the epoch."""
    lines = openssl("x509", "-in", str(path), "-noout", "-startdate", "-enddate").splitlines()
    # `notAfter=Nov  4 23:47:21 2026 GMT`
    dates = [line.partition("=")[2] for line in lines]
    return [calendar.timegm(time.strptime(date, "%b %d %H:%M:%S %Y GMT")) for date in dates]


def names_of(path):
    """The subject alternative names, sorted."""
    text = openssl("x509", "-in", str(path), "-noout", "-ext", "subjectAltName")
    words = [word.strip() for line in text.splitlines()[1:] for word in line.split(",")]
    return sorted(one_form(word.partition(":")[2]) for word in words if word)


def one_form(name):
    """A name or address in the one form in which it is compared."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


class Certificate:
    """One certificate of the table.

    Args:
        entry: Its row.
        directory: Where all certificates are.
    """

    def __init__(self, entry, directory):
        self.name = entry["name"]
        self.source = entry["source"]
        self.names = sorted(one_form(name) for name in entry["names"])
        self.owner, self.group = entry["owner"], entry["group"]
        self.mode = int(entry["mode"], 8)
        self.reload = entry["reload"]
        self.given = Path(entry["certificate"]), Path(entry["key"])
        if self.source == "acme":
            # Where certbot keeps what is current (its user guide, "Where are my certificates?").
            self.given = LINEAGES / self.name / "fullchain.pem", LINEAGES / self.name / "privkey.pem"
        self.home = directory / self.name
        self.authority = directory / "authority.pem"
        self.certificate = self.home / "cert.pem"
        self.key = self.home / "key.pem"
        self.new_key = self.home / ".key.new"
        self.stamp = self.home / ".deployed"

    def reason(self):
        """Why it has to be made or copied; empty where it is in order."""
        if self.source == "controller":
            return ""
        if self.source != OUR_CA:
            return self._copy_reason()
        if not (self.certificate.is_file() and self.key.is_file()):
            return "there is none yet"
        try:
            if public_key_of_certificate(self.certificate) != public_key_of_key(self.key):
                return "its key is not the host's key"
            start, end = life(self.certificate)
            if names_of(self.certificate) != self.names:
                return "it is for other names"
        except FaultError as fault:
            return f"it cannot be read: {fault}"
        left = end - time.time()
        if left < (end - start) * RENEW_BELOW:
            return f"{max(0, left) / 86400:.0f} days of {(end - start) / 86400:.0f} are left"
        try:
            openssl("verify", "-CAfile", str(self.authority), str(self.certificate))
        except FaultError:
            return "it is not of the site's authority"
        return ""

    def _copy_reason(self):
        for source, target in zip(self.given, (self.certificate, self.key)):  # noqa: B905 - Python 3.9 has no strict=
            try:
                wanted = source.read_bytes()
            except OSError as error:
                return f"{source} cannot be read: {error.strerror}"
            if not target.is_file() or target.read_bytes() != wanted:
                return f"{source} is newer than its copy"
        return ""

    def digest(self):
        """What services must have read: certificate and key together."""
        if not self.certificate.is_file() or not self.key.is_file():
            return ""
        return hashlib.sha256(self.certificate.read_bytes() + self.key.read_bytes()).hexdigest()

    def is_deployed(self):
        """Whether the services read what lies here."""
        return self.stamp.is_file() and self.stamp.read_text() == self.digest()

    def request(self):
        """A signing request for a new key, PEM."""
        self.home.mkdir(mode=0o755, exist_ok=True)
        key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        write(self.new_key, key, 0o600)
        return openssl("req", "-new", "-key", str(self.new_key), "-subj", "/", "-batch")

    def install(self, pem):
        """Put a certificate in place with the key that it was asked for.

        Raises:
            FaultError: It is not for that key, or not of the site's authority. Nothing was changed.
        """
        with tempfile.NamedTemporaryFile("w", dir=self.home, prefix=".check-", suffix=".pem") as file:
            file.write(pem)
            file.flush()
            if public_key_of_certificate(file.name) != public_key_of_key(self.new_key):
                raise FaultError(f"{self.name}: the certificate is not for the key that was asked for")
            openssl("verify", "-CAfile", str(self.authority), file.name)
        key = self.new_key.read_text()
        self._place(pem, key)
        self.new_key.unlink()

    def copy(self):
        """Copy a certificate that others keep.

        Raises:
            FaultError: Key and certificate do not belong together. Nothing was changed.
        """
        certificate, key = self.given
        for path in self.given:
            if not path.is_file():
                raise FaultError(f"{self.name}: there is no file {path}")
        if public_key_of_certificate(certificate) != public_key_of_key(key):
            raise FaultError(f"{self.name}: {key} is not the key of {certificate}")
        self.home.mkdir(mode=0o755, exist_ok=True)
        self._place(certificate.read_text(), key.read_text())

    def _place(self, certificate, key):
        try:
            uid, gid = pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid
        except KeyError as error:
            raise FaultError(
                f"{self.name}: there is no user {self.owner} or no group {self.group}"
            ) from error
        write(self.key, key, self.mode, uid, gid)
        write(self.certificate, certificate, 0o644)

    def deploy(self):
        """Have services read it; a failure leaves it due."""
        for command in self.reload:
            done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise FaultError(f"{self.name}: `{command}` failed: {done.stderr.strip()}")
        write(self.stamp, self.digest(), 0o600)


def write(path, text, mode, uid=0, gid=0):
    """Replace a file in one step; it is never open to others than the mode says."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), uid, gid)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def due(certificates):
    """Print what is not in order; the process status."""
    found = {
        one.name: one.reason() or ("" if one.is_deployed() else "its services have not read it")
        for one in certificates
    }
    for name, reason in found.items():
        if reason:
            print(f"{name}: {reason}")
    return 1 if any(found.values()) else 0


def main():
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=Path("/etc/casa-install/tls/certificates.json"))
    parser.add_argument("command", choices=["due", "request", "install", "deploy"])
    given = parser.parse_args()
    try:
        rows = json.loads(given.table.read_text())
        certificates = [Certificate(row, given.table.parent) for row in rows]
        if given.command == "due":
            return due(certificates)
        if given.command == "request":
            wanted = [one for one in certificates if one.source == OUR_CA and one.reason()]
            print(json.dumps({one.name: one.request() for one in wanted}))
        elif given.command == "install":
            signed = json.load(sys.stdin)
            for one in certificates:
                if one.name in signed:
                    one.install(signed[one.name])
        else:
            for one in certificates:
                if one.source not in (OUR_CA, "controller") and one.reason():
                    one.copy()
                if one.digest() and not one.is_deployed():
                    one.deploy()
                    print(f"deployed {one.name}")
    except (FaultError, OSError, ValueError, KeyError) as fault:
        print(f"casa-certificate: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
