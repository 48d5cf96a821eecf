"""Proving who a customer is by the token a message carried (`userAuth`; decisions 46 and 56).

A token counts if it was made for us, or for a client that belongs to the participant who sent it. It is bound to the
participant and order of its first use and refused anywhere else.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from identity import claims as reading
from identity import jwts
from identity.acr import reaches
from identity.jwts import Expired, Rejected, Token
from identity.models import ProofUse
from identity.providers import AT_WORK, Provider, ProviderUnavailable, introspect, provider_for

TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a code, no secret
TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code, no secret
AUTH_REQUIRED = "AUTH_REQUIRED"
IDP_UNAVAILABLE = "IDP_UNAVAILABLE"
RETRY_AFTER_SECONDS = 60

_OPAQUE = re.compile(r"[A-Za-z0-9._~+/-]{16,4096}=*")


@dataclass(frozen=True)
class Proven:
    """Who the customer is. `subject_did` is empty where the provider names no DID. Ids stay out of repr."""

    issuer: str
    sub: str = field(repr=False)
    subject_did: str = field(repr=False)
    utility_id: str
    acr: str
    amr: tuple[str, ...]
    auth_time: datetime | None
    expires_at: datetime
    meter_ids: tuple[str, ...] = field(default=(), repr=False)
    utility_customer_ids: tuple[str, ...] = field(default=(), repr=False)
    scope: str = ""


@dataclass(frozen=True)
class Unproven:
    """Why nothing is proven: TOKEN_INVALID, TOKEN_EXPIRED, AUTH_REQUIRED or IDP_UNAVAILABLE, and a sentence."""

    code: str
    message: str
    retry_after_seconds: int | None = None


class _NotForUs(Rejected):
    """A good token, made for somebody else: another one of the same message may still prove."""


def prove(
    user_auth: Mapping[str, Any], *, participant_id: str, order_id: str, now: datetime, nonce: str = ""
) -> Proven | Unproven:
    """Return who the token's customer is, or why that is not proven. Asks the provider for keys: no transaction open.

    `user_auth` is `{authMethod: OIDC|OAUTH2, accessToken, idToken?, utilityId?}`; `order_id` may be empty where a
    message names no order, and the token is then bound to the participant until an order comes; `nonce` is one we
    issued, if any.
    """
    method = str(user_auth.get("authMethod", "")).upper()
    if method not in ("OIDC", "OAUTH2"):
        return Unproven(AUTH_REQUIRED, "Send a token of the customer's identity provider in userAuth.")
    given = {name: user_auth.get(name) for name in ("accessToken", "idToken")}
    utility_id = str(user_auth.get("utilityId") or "")
    if any(not isinstance(each, str) for each in given.values() if each is not None) or not any(given.values()):
        return Unproven(TOKEN_INVALID, "userAuth carries no token.")
    try:
        texts = _Texts(str(given["accessToken"] or ""), str(given["idToken"] or ""), utility_id)
        tokens = _believed(texts, participant_id, now, nonce)
        provider = tokens[0][1].provider
        if provider.kind in AT_WORK:
            return Unproven(TOKEN_INVALID, "The token is of somebody who works for an agency, not of a customer.")
        proven, least = proven_of(tokens[0][1]), provider.minimum_acr
        if provider.utilities and not proven.utility_id:
            # Without this, a provider trusted for two utilities would speak for every other one, too.
            return Unproven(TOKEN_INVALID, "The token names no utility that its provider may speak for.")
        if not reaches(proven.acr, least, provider.acr_levels):
            return Unproven(AUTH_REQUIRED, f"The sign-in is not strong enough; it needs acr {least}.")
        for text, token in tokens:
            _bind(text, token, participant_id, order_id, now)
    except Expired as error:
        return Unproven(TOKEN_EXPIRED, str(error))
    except Rejected as error:
        return Unproven(TOKEN_INVALID, str(error))
    except ProviderUnavailable:
        return Unproven(IDP_UNAVAILABLE, "The identity provider does not answer; try again.", RETRY_AFTER_SECONDS)
    return proven


def bind(proof: str, *, participant_id: str, order_id: str, expires_at: datetime, now: datetime) -> bool:
    """Keep where a proof was first used; say whether that was here. Only its digest is kept (decision 46).

    `proof` names it: its issuer and its id there, or all that was signed. An empty `order_id` is filled by the first
    order that comes.
    """
    with connection.cursor() as cursor:
        # One statement decides, however many messages bring the same proof at once.
        cursor.execute(
            "INSERT INTO proof_uses AS used (digest, participant_id, order_id, first_used_at, expires_at)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (digest) DO UPDATE SET order_id ="
            " CASE WHEN used.order_id = '' AND used.participant_id = EXCLUDED.participant_id"
            " THEN EXCLUDED.order_id ELSE used.order_id END RETURNING participant_id, order_id",
            [hashlib.sha256(proof.encode()).digest(), participant_id, order_id, now, expires_at],
        )
        bound_to = cursor.fetchone()
    return bound_to == (participant_id, order_id) or (bound_to[0] == participant_id and not order_id)


def purge(now: datetime) -> int:
    """Forget uses of tokens that are refused for their age anyway; return how many."""
    return ProofUse.objects.filter(expires_at__lt=now - jwts.LONGEST_LIFE).delete()[0]


@dataclass(frozen=True)
class _Texts:
    """What a message carried; the utility it names says only whom to ask about a token that says nothing itself."""

    access: str = field(repr=False)
    id: str = field(repr=False)
    utility_id: str


def _believed(texts: _Texts, participant_id: str, now: datetime, nonce: str) -> list[tuple[str, Token]]:
    """Return the tokens of the message that count, at least one.

    One that was made for somebody else may stand beside one that counts; one that is wrong may not.
    """
    believed: list[tuple[str, Token]] = []
    not_for_us: Rejected | None = None
    for text, is_id in ((texts.id, True), (texts.access, False)):
        if not text or (believed and not jwts.is_jwt(text)):
            continue  # nobody needs to be asked about an opaque token when the other one proves
        try:
            if is_id:
                believed.append((text, _check_id_token(text, participant_id, now, nonce)))
            else:
                believed.append((text, _check_access_token(text, texts.utility_id, now)))
        except _NotForUs as error:
            not_for_us = error
    if not believed:
        raise not_for_us or Rejected("userAuth carries no token.")
    if len({(token.provider.issuer, token.claims["sub"]) for _, token in believed}) > 1:
        raise Rejected("The tokens speak of two people.")
    return believed


def _check_id_token(text: str, participant_id: str, now: datetime, nonce: str) -> Token:
    token = jwts.read(text, now=now)
    if token.typ == "at+jwt":
        raise Rejected("idToken is an access token.")
    clients = {each.client_id for each in token.provider.clients if each.participant_id == participant_id}
    audience, party = reading.texts(token.claims, "aud"), reading.text(token.claims, "azp")
    if not audience or (len(audience) > 1 and not party):
        raise Rejected("The ID token does not say for which client it was made.")
    if (party and party not in clients) or not clients.intersection(audience):
        raise _NotForUs("The ID token was made for a client that does not belong to this participant.")
    if nonce and reading.text(token.claims, "nonce") != nonce:
        raise Rejected("The ID token does not answer our request.")
    return token


def _check_access_token(text: str, utility_id: str, now: datetime) -> Token:
    token = jwts.read(text, now=now) if jwts.is_jwt(text) else _introspected(text, utility_id, now)
    ours = set(token.provider.audiences) or {settings.PUBLIC_URL}
    if not ours.intersection(reading.texts(token.claims, "aud")):
        raise _NotForUs("The access token was not made for us.")
    return token


def _introspected(text: str, utility_id: str, now: datetime) -> Token:
    """Ask the one provider we can ask: that of the utility the message names, or the only one there is.

    Never one after the other: no provider may learn a token that is another's.
    """
    asked = [
        each
        for each in settings.OIDC_PROVIDERS
        if each.client_id
        and each.client_secret
        and each.kind not in AT_WORK
        and (not utility_id or utility_id in each.utilities)
    ]
    if len(asked) != 1 or not _OPAQUE.fullmatch(text):
        raise _NotForUs("The access token is no JWT.")
    provider: Provider = asked[0]
    answer = introspect(provider, text)
    claims = reading.allowed(answer)
    if answer.get("active") is not True or not reading.text(claims, "sub"):
        raise Rejected("The identity provider does not know the access token.")
    if "iss" in claims and provider_for(reading.text(claims, "iss")) is not provider:
        raise Rejected("The access token is another issuer's.")
    return Token(provider, "", claims, jwts.check_dates(claims, now))


def proven_of(token: Token) -> Proven:
    """Return what a token that holds says of its subject.

    Who is a utility's customer only a utility's provider may say: any other proves its own `sub` and nothing more.
    """
    said, is_a_utilitys = token.claims, bool(token.provider.utilities)
    return Proven(
        issuer=token.provider.issuer,
        sub=reading.text(said, "sub"),
        subject_did=reading.subject_did(said) if is_a_utilitys else "",
        utility_id=_utility(token.provider, reading.text(said, "utility_id")),
        acr=str(said.get("acr", "")),
        amr=reading.texts(said, "amr"),
        auth_time=reading.instant(said, "auth_time"),
        expires_at=token.expires_at,
        meter_ids=reading.texts(said, "meter_ids") if is_a_utilitys else (),
        utility_customer_ids=reading.texts(said, "utility_customer_ids") if is_a_utilitys else (),
        scope=reading.text(said, "scope"),
    )


def _utility(provider: Provider, named: str) -> str:
    """Return the utility the token speaks for; a provider of several has to name one of its own."""
    if len(provider.utilities) == 1:
        return provider.utilities[0]
    return named if named in provider.utilities else ""


def _bind(text: str, token: Token, participant_id: str, order_id: str, now: datetime) -> None:
    jti = reading.text(token.claims, "jti")
    # Without its signature: an ES256 one can be turned into a second good one by anybody who has seen it.
    content = text.rpartition(".")[0] if jwts.is_jwt(text) else text
    proof = f"{token.provider.issuer}\x00{jti}" if jti else content
    if not bind(proof, participant_id=participant_id, order_id=order_id, expires_at=token.expires_at, now=now):
        raise Rejected("The token was used for something else before.")
