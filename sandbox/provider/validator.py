"""The library's rules with our claims: strength and time of the sign-in, the person's meters, JWT access tokens.

Access tokens follow RFC 9068, their audience is the `resource` asked for (RFC 8707).
"""

import hashlib
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from django.conf import settings
from oauth2_provider.models import get_grant_model, get_refresh_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.utils import jwk_from_pem

from sandbox.provider.models import Mark, Sitting
from sandbox.provider.people import account_of


def now() -> int:
    """Unix seconds by the deployment's clock."""
    return int(time.time() + settings.CLOCK_OFFSET_SECONDS)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def signed(claims: Mapping[str, Any], *, typ: str) -> str:
    """A JWT of this provider under its present key."""
    pem = str(oauth2_settings.OIDC_RSA_PRIVATE_KEY)
    kid = jwk_from_pem(pem).thumbprint()
    return jwt.encode(dict(claims), pem, algorithm="RS256", headers={"kid": kid, "typ": typ})


def access_token(request: Any, refresh_token: bool = False) -> str:
    """An access token as RFC 9068 has it: for the resources asked for, else for nobody but the client."""
    issued_at = now()
    return signed(
        {
            **claims_of(request),
            "iss": settings.ISSUER,
            "sub": request.user.get_username(),
            "aud": list(getattr(request, "resource", None) or [request.client.client_id]),
            "client_id": request.client.client_id,
            "scope": " ".join(request.scopes),
            "iat": issued_at,
            "exp": issued_at + oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS,
            "jti": uuid.uuid4().hex,
        },
        typ="at+jwt",
    )


def claims_of(request: Any) -> dict[str, Any]:
    """What a token says of the person and of the sign-in it came from."""
    sitting: Sitting | None = getattr(request, "sitting", None)
    account = account_of(request.user)
    said = dict(account.claims) if account else {}
    if sitting is not None:
        amr = ["pwd", "otp", "mfa"] if sitting.acr == "2" else ["pwd"]
        said |= {"acr": sitting.acr, "amr": amr, "auth_time": sitting.auth_time, "sid": sitting.sid}
    return said


class Validator(OAuth2Validator):  # type: ignore[misc]
    """Carries the sitting from the authorization to every token that comes of it; ends with it."""

    oidc_claim_scope = None

    def validate_silent_login(self, request: Any) -> bool:
        """The library leaves this open; `views.Authorize` answers prompt=none itself."""
        return True

    def validate_silent_authorization(self, request: Any) -> bool:
        return True

    def save_authorization_code(self, client_id: str, code: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        super().save_authorization_code(client_id, code, request, *args, **kwargs)
        Mark.objects.create(digest=digest(code["code"]), sitting_id=request.sitting_id, client_id=client_id)

    def validate_code(self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        if not super().validate_code(client_id, code, client, request, *args, **kwargs):
            self._end_what_came_of(client_id, code)
            return False
        grant = get_grant_model().objects.get(code=code, application=client)
        if not getattr(request, "resource", None):
            request.resource = list(grant.resource or [])  # the access token is made before the library looks
        return self._find_sitting(code, client_id, request)

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        if not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return False
        if not getattr(request, "resource", None):
            request.resource = list(request.refresh_token_instance.resource or [])
        return self._find_sitting(refresh_token, client.client_id, request)

    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        result = super().save_bearer_token(token, request, *args, **kwargs)
        if token.get("refresh_token") and getattr(request, "sitting", None):
            found = {"sitting": request.sitting, "client_id": request.client.client_id}
            Mark.objects.update_or_create(digest=digest(token["refresh_token"]), defaults=found)
        return result

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        return {**claims_of(request), "sub": request.user.get_username()}

    def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Any) -> tuple[dict[str, Any], Any]:
        claims, expires = super().get_id_token_dictionary(token, token_handler, request)
        issued_at = now()
        claims |= {"iat": issued_at, "exp": issued_at + oauth2_settings.ID_TOKEN_EXPIRE_SECONDS}
        claims["azp"] = request.client.client_id
        if getattr(request, "sitting", None):
            claims["auth_time"] = request.sitting.auth_time
        return claims, expires

    @staticmethod
    def _end_what_came_of(client_id: str, code: str) -> None:
        """A code that comes a second time was seen by another: nothing given for it counts (RFC 6749 4.1.2)."""
        mark = Mark.objects.select_related("sitting").filter(digest=digest(code), client_id=client_id).first()
        if mark is None or get_grant_model().objects.filter(code=code).exists():
            return
        given = get_refresh_token_model().objects.filter(user=mark.sitting.user, application__client_id=client_id)
        for token in given.filter(revoked__isnull=True):
            if Mark.objects.filter(digest=digest(token.token), sitting=mark.sitting).exists():
                token.revoke()

    @staticmethod
    def _find_sitting(text: str, client_id: str, request: Any) -> bool:
        mark = Mark.objects.select_related("sitting").filter(digest=digest(text), client_id=client_id).first()
        if mark is None or mark.sitting.ended:
            return False
        request.sitting = mark.sitting
        return True
