"""Our public keys, for anybody: the did:web document, the key set, and what verifiers of SD-JWT VCs look for.

Source: spec credentials.md 2; did:web; RFC 7517; SD-JWT VC, "JWT VC Issuer Metadata".
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from credentials import addresses, claims, keys, policy
from credentials.web import cacheable_json, open_to_all


@open_to_all
def did_document(request: HttpRequest) -> HttpResponse:
    """Our did:web document."""
    document = claims.did_document(settings.ISSUER_DID, _keys())
    return cacheable_json(
        request, document, content_type="application/did+ld+json", max_age=policy.keys_max_age_seconds()
    )


@open_to_all
def jwks(request: HttpRequest) -> HttpResponse:
    """Our keys as a JWKS, under every kid that occurs in a header."""
    document = claims.jwks(settings.ISSUER_DID, _keys())
    return cacheable_json(
        request, document, content_type="application/jwk-set+json", max_age=policy.keys_max_age_seconds()
    )


@open_to_all
def jwt_vc_issuer(request: HttpRequest) -> HttpResponse:
    """The same key set under the name by which an SD-JWT VC's `iss` is looked up: our address, not our DID."""
    document = {"issuer": addresses.base(), "jwks": claims.jwks(settings.ISSUER_DID, _keys())}
    return cacheable_json(request, document, content_type="application/json", max_age=policy.keys_max_age_seconds())


def _keys() -> list[tuple[str, str, dict[str, str]]]:
    return [(row.kid, row.multikey, row.public_jwk) for row in keys.published()]
