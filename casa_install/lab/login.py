"""The lab's OpenID provider as this computer knows it: people, their passwords, and its client, the hub."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.lab.federation import Federation

PORT = 8445
CLIENT = "lab-hub"
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"uid": 6001, "full_name": "Ada Lovelace", "groups": ["/casa", "/casa/users"]},
    "emmy": {"uid": 6002, "full_name": "Emmy Noether", "groups": ["/casa", "/casa/users"]},
    # Belongs to the federation, but not to this facility: she has no account on its machines.
    "eve": {"uid": None, "full_name": "Eve Outside", "groups": ["/elsewhere"]},
}
SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
"""The same as in the provider's ``people.py``, which imports nothing of casa-install."""


class Login:
    """The provider of one lab.

    Args:
        federation: Keeps its files, in the lab's directory and mode 0600.
        hubs: Fully qualified names of the hosts whose hubs are clients.
        domain: Of the people's mail addresses.
    """

    def __init__(self, federation: Federation, hubs: Iterable[str], domain: str) -> None:
        self._federation = federation
        self.hubs = sorted(hubs)
        self.domain = domain

    @property
    def people(self) -> dict[str, dict[str, Any]]:
        """Login name -> ``password``, ``uid``, ``sub``, ``full_name``, ``email`` and ``groups``."""
        return {
            name: {
                **PEOPLE[name],
                "email": f"{name}@{self.domain}",
                "sub": kept["sub"],
                "password": kept["password"],
            }
            for name, kept in self._kept.items()
        }

    @property
    def _kept(self) -> dict[str, dict[str, str]]:
        kept: dict[str, dict[str, str]] = json.loads(self._federation.once("people.json", _new_people))
        return kept

    def files(self, fqdn: str) -> dict[str, str]:
        """The provider's files on the machine that plays it: name -> content; no password is in them.

        Args:
            fqdn: The machine's name.
        """
        settings = {
            "issuer": login_url(fqdn),
            "clients": {
                CLIENT: {
                    "secret": self._secret,
                    "redirect_uris": [f"https://{hub}/hub/oauth_callback" for hub in self.hubs],
                    "post_logout_redirect_uris": [
                        f"https://{hub}{path}" for hub in self.hubs for path in ("/", "/hub/", "/hub/login")
                    ],
                }
            },
            "people": {
                name: _known(person, self._kept[name]["salt"]) for name, person in self.people.items()
            },
        }
        return {
            "login.json": json.dumps(settings, indent=2) + "\n",
            "key.pem": self._federation.once("login-key.pem", _new_key),
        }

    def variables(self, fqdn: str) -> dict[str, Any]:
        """What an inventory needs to know of the provider."""
        return {
            "lab_login_issuer": login_url(fqdn),
            "lab_login_client_id": CLIENT,
            "lab_login_client_secret": self._secret,
            "lab_people": self.people,
            "lab_hubs": self.hubs,
        }

    @property
    def _secret(self) -> str:
        return self._federation.once("login-client-secret", lambda: secrets.token_urlsafe(32))


def login_url(fqdn: str) -> str:
    """The provider's address and the claim ``iss`` of its ID tokens."""
    return f"https://{fqdn}:{PORT}"


def _new_people() -> str:
    return json.dumps(
        {
            name: {
                "password": secrets.token_urlsafe(12),
                "salt": secrets.token_hex(16),
                "sub": str(uuid.uuid4()),
            }
            for name in PEOPLE
        }
    )


def _known(person: dict[str, Any], salt: str) -> dict[str, Any]:
    """What the provider knows of a person."""
    return {
        "sub": person["sub"],
        "salt": salt,
        "hash": hashlib.scrypt(person["password"].encode(), salt=bytes.fromhex(salt), **SCRYPT).hex(),
        "claims": {
            "name": person["full_name"],
            "email": person["email"],
            "email_verified": True,
            "groups": person["groups"],
        },
    }


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
