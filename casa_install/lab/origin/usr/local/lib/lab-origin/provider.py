"""The OpenID provider of the lab, without its HTTP face: requests in, replies out.

Authorization code flow with PKCE only. Sources: OpenID Connect Core 1.0, OpenID Connect RP-Initiated
Logout 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9207 (`iss`), RFC 9700
(why PKCE, exact redirect URIs, and no rotation for clients with a secret).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import pages
from grants import Grant, Grants, Request, Session
from issuer import Issuer, credentials, encode
from people import People, TooManyTriesError
from replies import Asked, Reply, as_json, redirect, set_cookie
from signed import Signer

if TYPE_CHECKING:
    from pathlib import Path

SCOPES = ["openid", "profile", "email", "groups", "wlcg.groups", "offline_access", "storage.read:/"]
CLAIMS = {
    "profile": ["name", "preferred_username", "groups"],
    "email": ["email", "email_verified"],
    "groups": ["groups"],
}
"""Scope -> claims that it opens. Like INDIGO IAM, `profile` brings the groups along."""

SESSION_COOKIE = "__Host-lab-session"
FORM_COOKIE = "__Host-lab-form"


class Provider:
    """The provider.

    Args:
        directory: With ``login.json`` and ``key.pem`` (RSA), beside the directory of the issuer ``site``,
            whose key signs the access tokens: storage trusts that issuer.
    """

    def __init__(self, directory: Path) -> None:
        settings = json.loads((directory / "login.json").read_text(encoding="utf-8"))
        self.url: str = settings["issuer"]
        self.clients: dict[str, dict[str, Any]] = settings["clients"]
        self.people = People(settings["people"])
        self.grants = Grants(settings.get("lifetimes"))
        self.storage = Issuer(directory.parent / "site")
        self.signer = Signer(directory / "key.pem")

    def configuration(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, section 3."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/logout",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": SCOPES,
            "claims_supported": ["sub", *sorted({name for names in CLAIMS.values() for name in names})],
            "prompt_values_supported": ["none", "login"],
            "authorization_response_iss_parameter_supported": True,
        }

    def authorize(self, asked: Asked) -> Reply:
        """A browser comes from a client: back with a code, or a login form first."""
        given = asked.parameters
        client = self.clients.get(given.get("client_id", ""))
        uri = given.get("redirect_uri", "")
        # Until both are known to belong together nobody is sent anywhere.
        if client is None or uri not in client["redirect_uris"]:
            text = "The client or its redirect address is not known here."
            return Reply(400, pages.notice("Refused", text))
        back = {"state": given.get("state", ""), "iss": self.url}
        error = _fault(given)
        if error:
            return redirect(uri, {"error": error[0], "error_description": error[1], **back})
        request = Request(
            client=given["client_id"],
            redirect_uri=uri,
            scope=given["scope"],
            state=back["state"],
            nonce=given.get("nonce", ""),
            challenge=given["code_challenge"],
        )
        session = self.grants.session(asked.cookies.get(SESSION_COOKIE, ""))
        oldest = given.get("max_age", "")
        too_old = session and oldest.isdigit() and time.time() - session.auth_time > int(oldest)
        if session and not too_old and given.get("prompt") != "login":
            return self._send_back(request, session)
        if given.get("prompt") == "none":
            return redirect(uri, {"error": "login_required", **back})
        with self.grants.lock:
            form = self.grants.forms.add(request)
        page = pages.login_form(form, client=request.client)
        # The form counts only from the browser that got it: nobody logs another in under his own name.
        return Reply(200, page, headers=[set_cookie(FORM_COOKIE, form)])

    def _send_back(self, request: Request, session: Session) -> Reply:
        code = self.grants.code(request, session)
        return redirect(request.redirect_uri, {"code": code, "state": request.state, "iss": self.url})

    def login(self, asked: Asked) -> Reply:
        """A person has filled in the form."""
        form, name = asked.parameters.get("form", ""), asked.parameters.get("username", "").strip()
        request = self.grants.forms.get(form)
        if request is None or not hmac.compare_digest(form, asked.cookies.get(FORM_COOKIE, "")):
            text = "This form is no longer valid. Go back to the page from which you came, and log in again."
            return Reply(400, pages.notice("Start again", text))
        try:
            person = self.people.check(name, asked.parameters.get("password", ""), asked.address)
        except TooManyTriesError as refusal:
            text = f"Too many wrong passwords: wait {refusal.seconds} seconds."
            page = pages.login_form(form, client=request.client, name=name, error=text)
            return Reply(429, page, headers=[("Retry-After", str(refusal.seconds))])
        if person is None:
            text = "User name or password is wrong."
            return Reply(401, pages.login_form(form, client=request.client, name=name, error=text))
        session = Session(person, int(time.time()))
        with self.grants.lock:
            self.grants.forms.remove(form)
            cookie = self.grants.sessions.add(session)
        reply = self._send_back(request, session)
        reply.headers += [set_cookie(SESSION_COOKIE, cookie), set_cookie(FORM_COOKIE, "")]
        return reply

    def token(self, asked: Asked) -> Reply:
        """A client wants tokens for a code or a refresh token (RFC 6749, sections 4.1.3, 5.2 and 6)."""
        name, secret = credentials(asked.parameters, asked.authorization)
        client = self.clients.get(name)
        if client is None or not hmac.compare_digest(client["secret"].encode(), secret.encode()):
            challenge = ("WWW-Authenticate", 'Basic realm="lab"')
            return as_json(401, {"error": "invalid_client"}, challenge)
        kind, given = asked.parameters.get("grant_type"), asked.parameters
        if kind == "authorization_code":
            grant = self.grants.redeem(given.get("code", ""))
            good = grant is not None and _matches(grant.request, name, given)
        elif kind == "refresh_token":
            grant = self.grants.refresh_tokens.get(given.get("refresh_token", ""))
            good = grant is not None and grant.is_good and grant.request.client == name
        else:
            return as_json(400, {"error": "unsupported_grant_type"})
        if grant is None or not good:
            return as_json(400, {"error": "invalid_grant"})
        scope = given.get("scope", "") if kind == "refresh_token" else ""
        if not set(scope.split()) <= set(grant.request.scope.split()):
            return as_json(400, {"error": "invalid_scope"})
        return as_json(200, self._tokens(grant, scope or grant.request.scope, first=kind != "refresh_token"))

    def _tokens(self, grant: Grant, scope: str, *, first: bool) -> dict[str, Any]:
        lifetime = self.grants.lifetimes["access_token"]
        person = grant.session.person
        claims: dict[str, Any] = {"client_id": grant.request.client, "auth_time": grant.session.auth_time}
        if "wlcg.groups" in scope.split():
            claims["wlcg.groups"] = person.claims.get("groups", [])
        access = self.storage.mint(
            subject=person.subject,
            audience=self.storage.audience,
            scope=scope,
            lifetime=lifetime,
            claims=claims,
        )
        body: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": scope,
            "id_token": self._id_token(grant, access, lifetime),
        }
        with self.grants.lock:
            self.grants.access_tokens.add(grant, access)
            if first and "offline_access" in scope.split():
                body["refresh_token"] = self.grants.refresh_tokens.add(grant)
        return body

    def _id_token(self, grant: Grant, access: str, lifetime: int) -> str:
        now = int(time.time())
        body: dict[str, Any] = {
            "iss": self.url,
            "sub": grant.session.person.subject,
            "aud": grant.request.client,
            "iat": now,
            "exp": now + lifetime,
            "auth_time": grant.session.auth_time,
            "sid": grant.session.name,
            "at_hash": encode(hashlib.sha256(access.encode()).digest()[:16]),
            **_opened(grant),
        }
        if grant.request.nonce:
            body["nonce"] = grant.request.nonce
        return self.signer.sign(body)

    def userinfo(self, asked: Asked) -> Reply:
        """Who holds this access token (OpenID Connect Core 1.0, section 5.3)."""
        kind, _, token = asked.authorization.partition(" ")
        grant = self.grants.access_tokens.get(token) if kind.lower() == "bearer" else None
        if grant is None or not grant.is_good:
            challenge = ("WWW-Authenticate", 'Bearer error="invalid_token"')
            return as_json(401, {"error": "invalid_token"}, challenge)
        return as_json(200, {"sub": grant.session.person.subject, **_opened(grant)})

    def logout(self, asked: Asked, *, posted: bool) -> Reply:
        """End the session of a browser (OpenID Connect RP-Initiated Logout 1.0)."""
        given, cookie = asked.parameters, asked.cookies.get(SESSION_COOKIE, "")
        hint = self.signer.read(given.get("id_token_hint", ""))
        client = self.clients.get(given.get("client_id") or str(hint.get("aud", "")))
        uri = given.get("post_logout_redirect_uri", "")
        if uri and (client is None or uri not in client["post_logout_redirect_uris"]):
            text = "The address to go to after logging out is not known here."
            return Reply(400, pages.notice("Refused", text))
        session = self.grants.session(cookie)
        if session:
            proof = hmac.new(cookie.encode(), b"log out", "sha256").hexdigest()
            confirmed = posted and hmac.compare_digest(given.get("confirmed", ""), proof)
            # Without proof that a client of this session asks, the person is asked (section 2).
            if not confirmed and hint.get("sid") != session.name:
                names = ("client_id", "post_logout_redirect_uri", "state")
                kept = {name: given[name] for name in names if name in given}
                return Reply(200, pages.logout_form(proof, kept))
            session.ended = True
        if uri:
            reply = redirect(uri, {"state": given.get("state", "")})
        else:
            reply = Reply(200, pages.notice("Logged out", "You are logged out of the lab's provider."))
        reply.headers.append(set_cookie(SESSION_COOKIE, ""))
        return reply


def _fault(given: dict[str, str]) -> tuple[str, str] | None:
    """What is wrong with an authorization request: OAuth's word for it and ours."""
    scopes = given.get("scope", "").split()
    if given.get("response_type") != "code":
        return "unsupported_response_type", "only the authorization code flow is served"
    if given.get("code_challenge_method") != "S256" or len(given.get("code_challenge", "")) != 43:
        return "invalid_request", "PKCE with S256 is required"
    if "openid" not in scopes:
        return "invalid_scope", "the scope openid is missing"
    unknown = [name for name in scopes if name not in SCOPES and not name.startswith("storage.read:/")]
    if unknown:
        return "invalid_scope", f"not known: {unknown[0]}"
    return None


def _matches(request: Request, client: str, given: dict[str, str]) -> bool:
    """Whether who redeems a code is who asked for it (RFC 7636, section 4.6)."""
    challenge = encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
    return (
        request.client == client
        and request.redirect_uri == given.get("redirect_uri", "")
        and hmac.compare_digest(request.challenge, challenge)
    )


def _opened(grant: Grant) -> dict[str, Any]:
    names = {name for scope in grant.request.scope.split() for name in CLAIMS.get(scope, ())}
    return {name: value for name, value in grant.session.person.claims.items() if name in names}
