"""A credential for its holder, and the answer to "is this credential good?" for everybody.

What `/verify/{id}` shows is type, issuer, dates and status; who holds the credential shows it and sees the subject
(decision 50). Source: spec credentials.md 5; contract.md "Addresses".
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audit import clock
from credentials import addresses, forms, limits, pages, reports
from credentials.holding import holds
from credentials.models import Form, IssuedCredential
from credentials.posted import NothingToVerify, read_posted
from credentials.verification import Policy, Presented, Verdict, verify, verify_kept
from credentials.web import allow_all_origins, open_to_all, problem, wants_page

MAXIMUM_BODY = 256 * 1024
# Our own credential of an order of 500 meters is longer than what a message may carry of others.
_POLICY = Policy(trust_ourselves=True, wait_seconds=4.0, maximum_bytes=MAXIMUM_BODY)
_FORMS = {
    "application/jwt": Form.JWT_1_1,
    "application/vc+jwt": Form.JWT_2_0,
    "application/vc": Form.JSON_2_0,
    "application/ld+json": Form.JSON_2_0,
    "application/json": Form.JSON_2_0,
}
# `?as=…`: a link cannot set Accept.
_DOWNLOADS = {"jwt": "application/jwt", "vc-jwt": "application/vc+jwt", "json": "application/vc"}


@csrf_exempt  # another method is refused as such, not for a form's missing token
@require_safe
def credential(request: HttpRequest, credential_id: str) -> HttpResponse:
    """A credential in the form that Accept asks for, to whoever has the link's token or the credential itself.

    Everybody else gets 404, whether it exists or not. The one GET that may write: a JSON form that is wanted for the
    first time is signed and kept (decision 51).
    """
    response = _credential(request, credential_id)
    patch_vary_headers(response, ["Accept", "Authorization"])
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Referrer-Policy"] = "no-referrer"  # the address holds the token
    return response


@csrf_exempt  # the token is the proof, and a page that sends no referrer sends no origin either
@require_http_methods(["GET", "HEAD", "POST"])
def receipt(request: HttpRequest, credential_id: str) -> HttpResponse:
    """A credential's receipt to print. POST keeps the token out of the address that browsers print on the sheet."""
    row = _row(addresses.resolve_id(credential_id))
    if row is None or not holds(request, row):
        response = problem(404, "There is no such credential, or this link does not open it.")
    else:
        verdict = _own_verdict(row)
        response = pages.receipt(request, row, reports.of_issued(row, verdict), verdict)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@limits.limited
@open_to_all
def verify_issued(request: HttpRequest, credential_id: str) -> HttpResponse:
    """Whether a credential of ours is good, without it: type, issuer, dates and status, no more."""
    row = _row(addresses.resolve_id(credential_id))
    if row is None:
        return _answer(request, reports.not_found(), 404, None, typed=credential_id)
    verdict = _own_verdict(row)
    return _answer(request, reports.of_issued(row, verdict), 200, verdict, address=addresses.verification(row.pk))


@csrf_exempt
@limits.limited
def verify_posted(request: HttpRequest) -> HttpResponse:
    """Check the credential in the body: a bare JWT, an envelope, {credentialData}, or an on_confirm message.

    GET is the page that asks for one; what it posts is read by `pages.read_form`.
    """
    if request.method == "OPTIONS":
        return _preflight()
    if request.method in ("GET", "HEAD"):
        return pages.ask(request)
    if request.method != "POST":
        return allow_all_origins(HttpResponseNotAllowed(["GET", "HEAD", "POST", "OPTIONS"]))
    return allow_all_origins(_verify_posted(request))


def _verify_posted(request: HttpRequest) -> HttpResponse:
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > MAXIMUM_BODY:
        return problem(413, f"The body may have {MAXIMUM_BODY} bytes.")
    entered = pages.read_form(request) if pages.is_form(request) else None
    if isinstance(entered, HttpResponse):
        return entered
    try:
        data = read_posted(request.body[: MAXIMUM_BODY + 1] if entered is None else entered.encode())
    except NothingToVerify as error:
        return JsonResponse(reports.nothing(str(error)), status=400) if entered is None else pages.unread(request)
    verdict = verify(Presented.of(data), policy=_POLICY, now=clock.now(), waiting=limits.waiting(request))
    return _answer(request, reports.of_presented(verdict), 200, verdict)


def _credential(request: HttpRequest, credential_id: str) -> HttpResponse:
    row = _row(addresses.resolve_id(credential_id))
    if row is None or not holds(request, row):
        return problem(404, "There is no such credential, or this link does not open it.")
    taken_along = request.GET.get("as", "")
    wanted = _DOWNLOADS.get(taken_along) or request.get_preferred_type([*_FORMS, "text/html"])
    if wanted is None:
        return problem(406, "A credential is served as " + ", ".join([*_FORMS, "text/html"]) + ".")
    if wanted == "text/html":
        verdict = _own_verdict(row)
        return pages.credential(request, row, reports.of_issued(row, verdict), verdict, jwt=_shown(row))
    try:
        response = HttpResponse(forms.text_of(row, _FORMS[wanted]), content_type=wanted)
    except forms.NoSuchForm as error:
        return problem(406, f"This credential is {error}.")
    if taken_along in _DOWNLOADS:
        response.headers["Content-Disposition"] = f'attachment; filename="credential-{row.pk}.{taken_along}"'
    return response


def _own_verdict(row: IssuedCredential) -> Verdict:
    return verify_kept(row, _shown(row), policy=_POLICY, now=clock.now())


def _row(credential_id: UUID | None) -> IssuedCredential | None:
    if credential_id is None:
        return None
    return IssuedCredential.objects.select_related("status_list").filter(pk=credential_id).first()


def _shown(row: IssuedCredential) -> str:
    """The form that stands for a credential: its 1.1 JWT, or, made through the VC API, the one that was asked for.

    Empty where its content was forgotten, long after its end (`credentials.retention`).
    """
    kept = {form.form: form.text for form in row.forms.all()}
    return next((kept[form] for form in (Form.JWT_1_1, Form.JWT_2_0, Form.JSON_2_0) if form in kept), "")


def _answer(
    request: HttpRequest,
    report: dict[str, Any],
    status: int,
    verdict: Verdict | None,
    *,
    address: str = "",
    typed: str | None = None,
) -> HttpResponse:
    """The report as JSON or as a page. `address` is where it is found again; `typed` the id that we do not know."""
    if not wants_page(request):
        response: HttpResponse = JsonResponse(report, status=status)
    elif typed is not None:
        response = pages.unknown(request, report, typed)
    else:
        response = pages.verdict(request, report, verdict, status=status, address=address)
    patch_vary_headers(response, ["Accept"])
    response.headers["Cache-Control"] = "no-store"
    return response


def _preflight() -> HttpResponse:
    response = HttpResponse(status=204)
    response.headers["Access-Control-Allow-Methods"] = "POST"
    response.headers["Access-Control-Allow-Headers"] = "Accept, Content-Type"
    return allow_all_origins(response)
