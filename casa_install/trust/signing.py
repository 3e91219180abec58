"""Everything that a host asked for at once, signed or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError
from casa_install.trust.authority import load_authority, load_certificate
from casa_install.trust.leaf import may_sign, require_valid, sign_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta


def sign_all(
    certificate_pem: str,
    key_pem: str,
    *,
    certificates: Sequence[Mapping[str, Any]],
    requests: Mapping[str, str],
    lifetime: timedelta,
    now: datetime,
) -> dict[str, str]:
    """Sign a host's requests.

    Args:
        certificate_pem: The CA certificate.
        key_pem: Its key; may be empty where there is nothing to sign.
        certificates: What the host may have: `name`, `names`, `purposes`.
        requests: Name -> signing request, PEM.
        lifetime: How long the certificates are valid.
        now: The current time, with a time zone.

    Returns:
        Name -> certificate, PEM.

    Raises:
        CasaError: The authority or a request cannot be used; nothing was signed.
    """
    if not certificates:
        # A site may keep its key elsewhere once all is signed; the certificate is on every host all the same.
        load_certificate(certificate_pem, "the CA certificate `trust_ca_certificate`")
        return {}
    if not key_pem.strip():
        raise CasaError(
            "`trust_ca_key` is not set, and the host is to have a certificate of the site's authority.",
            hint="make an authority: casa-install certs ca -i INVENTORY --vault-password-file FILE",
        )
    authority = load_authority(certificate_pem, key_pem)
    require_valid(authority, now)
    wanted = {str(one["name"]): one for one in certificates}
    refused = [
        name for one in wanted.values() for name in one["names"] if not may_sign(authority.certificate, name)
    ]
    if refused:
        raise CasaError(
            f"The authority may not sign for {', '.join(refused)}: its name constraints do not allow it.",
            hint="use a name of the site's domains, or make an authority for more domains",
        )
    strangers = sorted(set(requests) - set(wanted))
    if strangers:
        raise CasaError(f"The host asked for certificates that it may not have: {', '.join(strangers)}.")
    return {
        name: sign_request(
            authority,
            request,
            names=wanted[name]["names"],
            lifetime=lifetime,
            now=now,
            purposes=wanted[name].get("purposes") or ("server",),
        )
        for name, request in requests.items()
    }
