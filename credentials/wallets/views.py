"""The addresses a wallet asks, and the one where its owner gets an offer.

Every answer may be read from any origin (wallets also run in browsers): no cookie counts here, only what is sent.
Source: OpenID4VCI 1.0, 4, 6, 7, 8 and 12; RFC 6749, 5; RFC 6750, 3.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt

from audit import clock, log
from audit.log import Actor, ActorKind
from credentials import addresses, qr
from credentials.claims import TYPES
from credentials.holding import holds_link
from credentials.models import IssuedCredential
from credentials.wallets import configurations, handing_over, nonces, offers
from credentials.wallets.configurations import DETAILS, GRANT
from credentials.web import allow_all_origins, cacheable_json, open_to_all, problem, wants_page

MAXIMUM_BODY = 64 * 1024
_METADATA_MAX_AGE = 300
_HOLDER = Actor(ActorKind.SYSTEM, "credential-link", log.Channel.PORTAL)
View = Callable[..., HttpResponse]


class _Bad(Exception):
    """The request cannot be read; the text says why, in ASCII."""


def _asked_by_wallets(method: str) -> Callable[[View], View]:
    """Let every origin use this address with one method; answer its preflight; let nobody keep the answer."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "OPTIONS":
                response = HttpResponse(status=204)
                response.headers["Access-Control-Allow-Methods"] = method
                response.headers["Access-Control-Allow-Headers"] = "Accept, Authorization, Content-Type"
                response.headers["Access-Control-Max-Age"] = "86400"
            elif request.method not in method.split(", "):
                response = HttpResponseNotAllowed([*method.split(", "), "OPTIONS"])
            else:
                response = view(request, *args, **kwargs)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Referrer-Policy"] = "no-referrer"
            return allow_all_origins(response)

        return asked

    return decorate


@open_to_all
def issuer_metadata(request: HttpRequest) -> HttpResponse:
    """What we issue to wallets, and where."""
    return _document(request, configurations.issuer_metadata())


@open_to_all
def server_metadata(request: HttpRequest) -> HttpResponse:
    """Where a code is traded for a token."""
    return _document(request, configurations.server_metadata())


@open_to_all
def type_metadata(request: HttpRequest, name: str) -> HttpResponse:
    """What an SD-JWT VC of a type says, and what its holder may keep back."""
    document = configurations.type_metadata(name)
    return problem(404, "There is no such credential type.") if document is None else _document(request, document)


@_asked_by_wallets("GET, HEAD, POST")
def offer(request: HttpRequest, credential_id: str) -> HttpResponse:
    """For whoever holds a credential's link: GET says what a wallet can have of it, POST makes an offer.

    The credential itself is not enough: every verifier has seen it, and would get a copy bound to its own key.
    As a page or, for apps, as JSON. The transaction code is told in the answer to the POST and never again.
    """
    try:
        row = _held(request, credential_id)
    except UnreadablePostError:
        return problem(400, "The form did not come through. Please try again.")
    if row is None:
        return problem(404, "There is no such credential, or this link does not open it.")
    now = clock.now()
    if request.method != "POST":
        response = _offer_page(request, row, None) if wants_page(request) else JsonResponse(_offerable(row))
    else:
        try:
            made = offers.make(row, now=now, actor=_HOLDER)
        except offers.NotOffered as error:
            return problem(409, gettext(str(error)))
        response = _offer_page(request, row, made) if wants_page(request) else JsonResponse(_told(made), status=201)
    patch_vary_headers(response, ["Accept", "Authorization"])
    return response


@_asked_by_wallets("GET, HEAD")
def offer_object(request: HttpRequest, reference: str) -> HttpResponse:
    """The credential offer object, while the offer is open."""
    found = offers.read(reference, clock.now())
    if found is None:
        return problem(404, "There is no such offer (any more). Please ask for a new one.")
    return JsonResponse(found)


@_asked_by_wallets("POST")
def token(request: HttpRequest) -> HttpResponse:
    """A pre-authorised code and its transaction code become an access token."""
    try:
        form = _form(request)
        if form.get("grant_type") != GRANT:
            return _error("unsupported_grant_type", f"Only {GRANT} is supported.")
        details = _details(form.get("authorization_details", ""))
    except _Bad as bad:
        return _error("invalid_request", str(bad))
    code, transaction_code = form.get("pre-authorized_code", ""), form.get("tx_code", "")
    if not code or not transaction_code:
        return _error("invalid_request", "Both pre-authorized_code and tx_code are needed.")
    given = offers.redeem(code, transaction_code, now=clock.now())
    if isinstance(given, offers.NotGiven):
        return _error(given.code, given.description)
    answer: dict[str, Any] = {"access_token": given.token, "token_type": "Bearer", "expires_in": given.seconds}
    if details is not None:
        answer["authorization_details"] = _authorized(details, given.configuration_ids)
    return JsonResponse(answer, headers={"Pragma": "no-cache"})


@_asked_by_wallets("POST")
def nonce(request: HttpRequest) -> HttpResponse:
    """A nonce to be signed in the proof; asking for one changes nothing."""
    return JsonResponse({"c_nonce": nonces.new(clock.now())})


@_asked_by_wallets("POST")
def credential(request: HttpRequest) -> HttpResponse:
    """The credential, in one form, bound to the key that the proof shows."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown.strip():
        return _unauthorized()
    try:
        wanted = _wanted(request)
        issued = handing_over.hand_over(shown.strip(), wanted, now=clock.now())
    except _Bad as bad:
        return _error("invalid_credential_request", str(bad))
    except handing_over.NoAccess:
        return _unauthorized("invalid_token")
    except handing_over.Refused as refused:
        return _error(refused.code, str(refused))
    return JsonResponse({"credentials": [{"credential": issued}]})


def _document(request: HttpRequest, document: dict[str, Any]) -> HttpResponse:
    return cacheable_json(request, document, content_type="application/json", max_age=_METADATA_MAX_AGE)


def _held(request: HttpRequest, credential_id: str) -> IssuedCredential | None:
    found = addresses.resolve_id(credential_id)
    row = IssuedCredential.objects.select_related("status_list").filter(pk=found).first() if found else None
    return row if row is not None and holds_link(request, row) else None


def _offerable(row: IssuedCredential) -> dict[str, Any]:
    return {
        "credentialConfigurationIds": [each.id for each in configurations.of_row(row)],
        "reason": offers.why_not(row, clock.now()),
        "minutes": int(offers.LIFETIME.total_seconds() // 60),
    }


def _told(made: offers.Made) -> dict[str, str]:
    return {
        "credentialOffer": made.link,
        "credentialOfferUri": made.uri,
        "transactionCode": made.transaction_code,
        "expiresAt": made.expires_at.isoformat(timespec="seconds"),
    }


def _offer_page(request: HttpRequest, row: IssuedCredential, made: offers.Made | None) -> HttpResponse:
    why = offers.why_not(row, clock.now())
    shown = made and {
        "link": made.link,
        "qr": qr.data_uri(made.link),
        "transaction_code": made.transaction_code,
        "expires_at": made.expires_at,
        "minutes": int(offers.LIFETIME.total_seconds() // 60),
    }
    context = {
        "row": row,
        "type": TYPES[row.kind],
        "program": row.claims.get("programName", ""),
        "begins": row.valid_from,
        "ends": row.valid_until,
        "issuer_name": configurations.issuer_name(),
        "token": request.GET.get("t", "") or request.POST.get("t", ""),
        "post_url": reverse("wallet-offer", args=[row.pk]),
        "offer": shown,
        "refusal": why and gettext(why),
        "base": addresses.base(),
    }
    return render(request, "credentials/offer.html", context)


def _form(request: HttpRequest) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise _Bad("The request is to be application/x-www-form-urlencoded.")
    _check_length(request)
    try:
        fields = request.POST
    except UnreadablePostError:
        raise _Bad("The body did not come through.") from None
    except (BadRequest, SuspiciousOperation):
        raise _Bad("The form is none in UTF-8, or has too many fields.") from None
    twice = [name for name in fields if len(fields.getlist(name)) > 1]
    if twice:
        raise _Bad("A parameter stands twice.")
    return {name: str(fields[name]) for name in fields}


def _wanted(request: HttpRequest) -> handing_over.Wanted:
    if request.content_type != "application/json":
        raise _Bad("The request is to be application/json.")
    _check_length(request)
    try:
        asked = json.loads(request.body)
    except (UnreadablePostError, ValueError, RecursionError):
        raise _Bad("The body is no JSON.") from None
    if not isinstance(asked, dict):
        raise _Bad("The body is no JSON object.")
    if "credential_response_encryption" in asked:
        raise handing_over.Refused("invalid_encryption_parameters", "Responses are not encrypted beside TLS.")
    # The identifiers we give out in authorization_details are those of the configurations.
    named = [asked[name] for name in ("credential_configuration_id", "credential_identifier") if name in asked]
    if len(named) != 1 or not isinstance(named[0], str):
        raise _Bad("Either credential_configuration_id or credential_identifier is needed.")
    return handing_over.Wanted(named[0], _proof(asked))


def _proof(asked: dict[str, Any]) -> object:
    given = asked.get("proofs")
    if not isinstance(given, dict) or list(given) != ["jwt"]:
        raise handing_over.Refused("invalid_proof", "A proof of type jwt is needed in proofs.")
    if not isinstance(given["jwt"], list) or len(given["jwt"]) != 1:
        raise handing_over.Refused("invalid_proof", "Exactly one proof is needed: there is no batch issuance.")
    return given["jwt"][0]


def _details(text: str) -> list[str] | None:
    """The configurations that authorization_details asks for (RFC 9396); None where there are none."""
    if not text:
        return None
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise _Bad("authorization_details is no JSON.") from None
    found = asked if isinstance(asked, list) else [asked]
    if not found or not all(isinstance(each, dict) and each.get("type") == DETAILS for each in found):
        raise _Bad(f"authorization_details is a list of objects of type {DETAILS}.")
    return [str(each.get("credential_configuration_id", "")) for each in found]


def _authorized(asked: list[str], offered: list[str]) -> list[dict[str, Any]]:
    return [
        {"type": DETAILS, "credential_configuration_id": each, "credential_identifiers": [each]}
        for each in dict.fromkeys(asked)
        if each in offered
    ]


def _check_length(request: HttpRequest) -> None:
    length = request.headers.get("Content-Length", "0")
    if not length.isdigit() or int(length) > MAXIMUM_BODY:
        raise _Bad(f"The body may have {MAXIMUM_BODY} bytes.")


def _error(code: str, description: str) -> HttpResponse:
    return JsonResponse({"error": code, "error_description": description}, status=400)


def _unauthorized(code: str = "") -> HttpResponse:
    """RFC 6750, 3.1: without a token no error is named."""
    response = JsonResponse({"error": code} if code else {}, status=401)
    response.headers["WWW-Authenticate"] = f'Bearer error="{code}"' if code else "Bearer"
    return response
