"""The pages of this package: what a person reads where a machine gets JSON. Nothing is judged or written here.

They work without JavaScript, say nothing that the JSON does not say, and take no address from the Host header.
Source: spec credentials.md 5; screens.md, "Patterns" and "Words, languages, access".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from audit import clock
from credentials import addresses, qr
from credentials.models import IssuedCredential, Kind
from credentials.verification import Verdict
from credentials.web import wants_page

_TONES = {
    "VERIFIED": "good",
    "NOT_YET_VALID": "wait",
    "SUSPENDED": "wait",
    "STATUS_UNAVAILABLE": "wait",
    "UNKNOWN_KEY": "wait",
}
# What may come out, each with a code that has the same words. The problem types `/verify#<code>` lead to these.
_ANSWERS = (
    ("VERIFIED", ""),
    ("NOT_YET_VALID", ""),
    ("SUSPENDED", ""),
    ("REVOKED", ""),
    ("EXPIRED", ""),
    ("UNTRUSTED_ISSUER", "TYPE_NOT_ALLOWED_FOR_ISSUER"),
    ("STATUS_UNAVAILABLE", "UNKNOWN_KEY"),
    ("BAD_SIGNATURE", "MALFORMED"),
)
_SIGNED = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*(?:~[\w~.=-]*)?")  # a JWT, or an SD-JWT with its disclosures
_ORDER = re.compile(r"(?:enr-\d{4}-\d+|enrol\S*|order\S*)", re.IGNORECASE)
_LISTS = ("meters", "ders", "roles", "purposes")
_LONGEST_SHOWN = 20_000


class SeeOther(HttpResponseRedirect):
    """The answer is at another address, and is fetched with GET."""

    status_code = 303


@dataclass(frozen=True)
class Mistyped:
    """Why what was entered can be no credential: a code for the template, and how many characters a number had."""

    code: str
    characters: int = 0


def ask(request: HttpRequest, *, typed: str = "", mistake: Mistyped | None = None) -> HttpResponse:
    """The page that asks for a number, a link, or a credential; again, with what is wrong, after a mistake."""
    answers = () if mistake else _ANSWERS
    context = {"typed": typed[:_LONGEST_SHOWN], "mistake": mistake, "host": _host(), "answers": answers}
    return render(request, "credentials/ask.html", context, status=400 if mistake else 200)


def is_form(request: HttpRequest) -> bool:
    """Whether the body is what our own page sends; a bare JWT from curl calls itself a form, too."""
    if request.content_type == "multipart/form-data":
        return True
    return request.content_type == "application/x-www-form-urlencoded" and "credential" in request.POST


def read_form(request: HttpRequest) -> str | HttpResponse:
    """Return the credential that was entered, or a response: the answer's address, or the page with the mistake."""
    text = _entered(request)
    if not wants_page(request):
        return text
    known = addresses.read_typed(text)
    if known is not None:
        return SeeOther(reverse("verify-credential", args=[known]))
    unwrapped = text if text[:1] in ("{", "[", '"') else "".join(text.split())
    mistake = _mistake(text, unwrapped)
    return ask(request, typed=text, mistake=mistake) if mistake else unwrapped


def unread(request: HttpRequest) -> HttpResponse:
    """The page again, after a text in which no credential was found."""
    return ask(request, typed=_entered(request), mistake=Mistyped("nothing"))


def verdict(
    request: HttpRequest, report: Mapping[str, Any], found: Verdict | None, *, status: int = 200, address: str = ""
) -> HttpResponse:
    """The answer to "is this credential good?". `address` is where anybody may ask again, "" if nowhere."""
    return render(request, "credentials/verify.html", _about(report, found, address), status=status)


def unknown(request: HttpRequest, report: Mapping[str, Any], typed: str) -> HttpResponse:
    """The answer about an id that we never gave; one in another spelling is first led to its own address."""
    meant = addresses.read_typed(typed)
    if meant is not None and addresses.resolve_id(typed) is None:
        return SeeOther(reverse("verify-credential", args=[meant]))
    shown = addresses.for_reading(meant) if meant else typed[:_LONGEST_SHOWN]
    mistake = None if meant else _mistake(typed, typed)
    context = {**_about(report, None), "typed": shown, "mistake": mistake, "host": _host()}
    return render(request, "credentials/unknown.html", context, status=404)


def credential(
    request: HttpRequest, row: IssuedCredential, report: Mapping[str, Any], found: Verdict, *, jwt: str
) -> HttpResponse:
    """A credential for its holder: how it stands, what it says, and how it is taken along."""
    more = {
        "jwt": jwt,
        "for_wallets": row.kind == Kind.ENROLLMENT and report.get("code") in ("VERIFIED", "NOT_YET_VALID", "SUSPENDED"),
    }
    return render(request, "credentials/credential.html", {**_held(request, row, report, found), **more})


def receipt(request: HttpRequest, row: IssuedCredential, report: Mapping[str, Any], found: Verdict) -> HttpResponse:
    """A sheet to print: the number, the QR code, and what to do with nothing but this paper."""
    return render(request, "credentials/receipt.html", _held(request, row, report, found))


def _about(report: Mapping[str, Any], found: Verdict | None, address: str = "") -> dict[str, Any]:
    said = report.get("credential") or {}
    known = addresses.read_typed(address) if address else None
    return {
        "report": report,
        "tone": _TONES.get(str(report.get("code")), "bad"),
        "begins": found.valid_from if found else None,
        "ends": found.valid_until if found else None,
        "checked_at": clock.now(),
        "proven": any(check["name"] == "signature" and check["ok"] for check in report.get("checks", ())),
        "ours": said.get("issuer") == settings.ISSUER_DID,
        "issuer_name": getattr(settings, "ISSUER_NAME", ""),
        "address": address,
        "code": qr.data_uri(address) if address else "",
        "number": addresses.for_reading(known) if known else "",
    }


def _held(request: HttpRequest, row: IssuedCredential, report: Mapping[str, Any], found: Verdict) -> dict[str, Any]:
    says = {**row.claims, **(row.personal_claims or {})}
    if row.kind == Kind.GENERAL:
        subject = (row.document or {}).get("credentialSubject")
        says = _as_ours_say(subject) if isinstance(subject, dict) else {}
    return {
        **_about(report, found, addresses.verification(row.pk)),
        "row": row,
        "says": {"id": row.subject_did, **says},
        "token": request.POST.get("t") or request.GET.get("t", ""),
        "host": _host(),
    }


def _as_ours_say(subject: Mapping[str, Any]) -> dict[str, Any]:
    """What an operator's document says, with lists where ours have them: elsewhere one thing may stand alone."""
    lists = {name: [] if subject[name] is None else subject[name] for name in _LISTS if name in subject}
    return {**subject, **{name: each if isinstance(each, list) else [each] for name, each in lists.items()}}


def _host() -> str:
    """Our address as people say and type it."""
    return addresses.base().partition("://")[2]


def _entered(request: HttpRequest) -> str:
    file = request.FILES.get("file")
    text = str(request.POST.get("credential", "")).strip()
    if text or file is None:
        return text
    return str(file.read().decode("utf-8", "replace")).strip()


def _mistake(text: str, unwrapped: str) -> Mistyped | None:
    if not text:
        return Mistyped("empty")
    if text[0] in '{["' or _SIGNED.fullmatch(unwrapped) or text.startswith("data:"):
        return None
    if re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        return Mistyped("elsewhere")
    if _ORDER.fullmatch(unwrapped):
        return Mistyped("order")
    number = addresses.number_of(text)
    if re.fullmatch("[0-9a-z]{20,44}", number):
        return Mistyped("number" if len(number) == 32 else "length", len(number))
    return Mistyped("unknown")
