"""The doors of the VC API. Issuing and status need an operator's token; verifying is for everybody, and limited.

Each finds what is asked for, calls the one function that does it, and says what came of it.
Source: VC API 0.3; spec credentials.md 5.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from audit import clock
from audit.log import Actor, ActorKind, Channel
from credentials import general, keys, limits, lists, problems
from credentials.models import Form
from credentials.problems import Problem
from credentials.vc_api import shapes, statuses
from credentials.vc_api.shapes import BadRequest
from credentials.verification import Presented, verify, verify_presentation
from credentials.web import allow_all_origins
from identity.access import operator_of

View = Callable[[HttpRequest], HttpResponse]


def _door(view: View) -> View:
    """POST only, no cookie is looked at, and nothing is cached."""

    @csrf_exempt
    @wraps(view)
    def opened(request: HttpRequest) -> HttpResponse:
        response = view(request) if request.method == "POST" else HttpResponseNotAllowed(["POST"])
        response.headers["Cache-Control"] = "no-store"
        return response

    return opened


def _open_door(view: View) -> View:
    """The same for pages of any origin: a wallet in a browser may ask."""

    @csrf_exempt
    @wraps(view)
    def opened(request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = "Accept, Content-Type"
            return allow_all_origins(response)
        return allow_all_origins(limits.limited(_door(view))(request))

    return opened


@_door
def issue(request: HttpRequest) -> HttpResponse:
    """Sign a credential document with an embedded proof."""
    return _issue(request, Form.JSON_2_0)


@_door
def issue_jwt(request: HttpRequest) -> HttpResponse:
    """Sign a credential document as `vc+jwt`, answered in its envelope."""
    return _issue(request, Form.JWT_2_0)


@_open_door
def verify_credential(request: HttpRequest) -> HttpResponse:
    """Check a credential in any form, of any issuer that proves itself."""
    now = clock.now()
    try:
        body = shapes.read_body(request)
        options = shapes.read_options(body, purpose="assertionMethod")
        presented = Presented.of(shapes.secured(body, "verifiableCredential"))
    except BadRequest as error:
        return shapes.not_verified(error)
    verdict = verify(presented, policy=options.policy(), now=now, waiting=limits.waiting(request))
    return shapes.verified(verdict, now=now)


@_open_door
def verify_held(request: HttpRequest) -> HttpResponse:
    """Check a presentation and every credential in it."""
    now = clock.now()
    try:
        body = shapes.read_body(request)
        options = shapes.read_options(body, purpose="authentication")
        presented = Presented.of(shapes.secured(body, "verifiablePresentation"))
    except BadRequest as error:
        return shapes.not_verified(error)
    found = verify_presentation(presented, policy=options.policy(), now=now, waiting=limits.waiting(request))
    return shapes.verified_presentation(found.ok, found.checks, found.problems, found.credentials, now=now)


@_door
def set_status(request: HttpRequest) -> HttpResponse:
    """Revoke, suspend or resume a credential that was issued here; its list is published when the answer comes."""
    try:
        body = shapes.read_body(request)
        changes = statuses.read_changes(body)
        standing = statuses.apply(body.get("credentialId"), changes, now=clock.now(), actor=_actor(request))
    except BadRequest as error:
        return shapes.refused(error.status, error.problem)
    except statuses.BadChange as error:
        return _refused(400, problems.MALFORMED_VALUE, str(error))
    except statuses.NoSuchCredential as error:
        return _refused(404, "about:blank", str(error))
    except statuses.NotPossible as error:
        return _refused(409, "about:blank", str(error))
    return JsonResponse(
        {
            "credentialId": body["credentialId"],
            "revoked": standing.revoked,
            "suspended": standing.suspended,
            "published": standing.published,
        }
    )


def _issue(request: HttpRequest, form: Form) -> HttpResponse:
    try:
        body = shapes.read_body(request)
        document = shapes.member(body, "credential")
        shapes.read_options(body, purpose="")
        made = general.issue_document(document, form=form, now=clock.now(), actor=_actor(request))
    except BadRequest as error:
        return shapes.refused(error.status, error.problem)
    except general.Refused as error:
        return _refused(400, problems.MALFORMED_VALUE, str(error))
    except (keys.NoActiveKey, lists.NoPlaceLeft):
        response = _refused(503, "about:blank", "Nothing can be issued now: a key or a status list is not ready.")
        response.headers["Retry-After"] = "10"
        return response
    return shapes.issued(made)


def _refused(status: int, kind: str, detail: str) -> HttpResponse:
    title = kind.rpartition("#")[2] if "#" in kind else detail
    return shapes.refused(status, Problem(kind, title, detail))


def _actor(request: HttpRequest) -> Actor:
    """The machine behind the operator's token, by the token's name (`identity.access` has let it in)."""
    return Actor(ActorKind.STAFF, f"operator:{operator_of(request)}", Channel.SYSTEM)
