"""The table "URL name → who may ask", enforced: an address that is not in it is answered to nobody.

Source: design, identity. Which participant, holder or operator it is, the views find out; here stands what kind.
"""

import hashlib
import hmac
from collections.abc import Callable
from enum import Enum, auto
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseRedirect, JsonResponse
from django.urls import reverse

from audit import clock
from identity import agents, staff

View = Callable[..., HttpResponse]


class Who(Enum):
    PUBLIC = auto()  # anybody, also without a sign-in
    PARTICIPANT = auto()  # the view proves the sender by the message's signature
    BEARER = auto()  # the address or a Bearer token is the proof, checked by the view
    OPERATOR = auto()  # a machine of ours, by an operator's token
    STAFF = auto()  # a person who works here, signed in
    PERSON = auto()  # anybody who is signed in, but for an agency's people, who are nobody's customers by it
    AGENT = auto()  # somebody who works for an agency, signed in there as strongly as it wants and not stopped


TABLE: dict[str, Who] = {
    "healthz": Who.PUBLIC,
    "readyz": Who.PUBLIC,
    "metrics": Who.PUBLIC,
    "journal-seals": Who.PUBLIC,
    "journal-seal": Who.PUBLIC,
    "journal-keys": Who.PUBLIC,
    "beckn-receive": Who.PARTICIPANT,
    "bap-receive": Who.PARTICIPANT,
    "consent-text": Who.PUBLIC,
    "document-upload": Who.BEARER,
    "utility-changes": Who.BEARER,
    "not-me": Who.BEARER,
    "credential": Who.BEARER,
    "credential-receipt": Who.BEARER,
    "wallet-offer": Who.BEARER,
    "wallet-offer-object": Who.BEARER,
    "wallet-token": Who.BEARER,
    "wallet-nonce": Who.PUBLIC,
    "wallet-credential": Who.BEARER,
    "wallet-issuer-metadata": Who.PUBLIC,
    "wallet-server-metadata": Who.PUBLIC,
    "wallet-type-metadata": Who.PUBLIC,
    "vc-issue": Who.OPERATOR,
    "vc-issue-jwt": Who.OPERATOR,
    "vc-status": Who.OPERATOR,
    "vc-verify": Who.PUBLIC,
    "vp-verify": Who.PUBLIC,
    "verify": Who.PUBLIC,
    "verify-credential": Who.PUBLIC,
    "status-list": Who.PUBLIC,
    "status-list-number": Who.PUBLIC,
    "status-list-form": Who.PUBLIC,
    "status-list-number-form": Who.PUBLIC,
    "dedi-record": Who.PUBLIC,
    "credential-context": Who.PUBLIC,
    "credential-deg-context": Who.PUBLIC,
    "credential-schema": Who.PUBLIC,
    "did-document": Who.PUBLIC,
    "jwks": Who.PUBLIC,
    "jwt-vc-issuer": Who.PUBLIC,
    "oidc-sign-in": Who.PUBLIC,
    "oidc-callback": Who.PUBLIC,
    "oidc-meter": Who.PUBLIC,
    "oidc-code": Who.PUBLIC,
    "oidc-ended": Who.PUBLIC,
    "oidc-sign-out": Who.PUBLIC,
    "oidc-signed-out": Who.PUBLIC,
    "oidc-back-channel": Who.BEARER,
    "oidc-account": Who.PERSON,
    "oidc-step-up": Who.PERSON,
    "oidc-link": Who.PERSON,
    "agency-sign-in": Who.PUBLIC,
    "agency-blocked": Who.PUBLIC,
    "handover-link": Who.PUBLIC,
    "handover-page": Who.PUBLIC,
    "handover-sign-in": Who.PUBLIC,
    "handover-arrived": Who.PUBLIC,
    "handover-answer": Who.PUBLIC,
    "handover-consent": Who.PUBLIC,
    "handover-consent-no": Who.PUBLIC,
    "handover-leave": Who.PUBLIC,
    "handover-withdraw": Who.PUBLIC,
    "handover-ended": Who.PUBLIC,
    "handover-finish": Who.PUBLIC,
    "handover-back": Who.PUBLIC,
    "agency-desk": Who.AGENT,
    "agency-new": Who.AGENT,
    "agency-find": Who.AGENT,
    "agency-help-code": Who.AGENT,
    "agency-look-ups": Who.AGENT,
    "agency-look-ups-go-on": Who.AGENT,
    "agency-case": Who.AGENT,
    "agency-go-on": Who.AGENT,
    "agency-read": Who.AGENT,
    "agency-proof": Who.AGENT,
    "agency-code": Who.AGENT,
    "agency-hand-over": Who.AGENT,
    "agency-consents": Who.AGENT,
    "agency-send-link": Who.AGENT,
    "agency-take-back": Who.AGENT,
    "agency-ask": Who.AGENT,
    "agency-assign": Who.AGENT,
    "agency-take": Who.AGENT,
    "agency-drop-case": Who.AGENT,
    "agency-account": Who.AGENT,
    "agency-meters": Who.AGENT,
    "agency-equipment": Who.AGENT,
    "agency-eligibility": Who.AGENT,
    "agency-documents": Who.AGENT,
    "agency-dates": Who.AGENT,
    "agency-check": Who.AGENT,
    "agency-waiting": Who.AGENT,
    "agency-enrolled": Who.AGENT,
    "agency-receipt": Who.AGENT,
    "agency-refused": Who.AGENT,
    "agency-ending": Who.AGENT,
    "agency-choose": Who.PUBLIC,
    "agency-step-up": Who.PUBLIC,
    "agency-imports": Who.AGENT,
    "agency-import-template": Who.AGENT,
    "agency-import": Who.AGENT,
    "agency-import-start": Who.AGENT,
    "agency-import-cancel": Who.AGENT,
    "agency-import-release": Who.AGENT,
    "agency-import-result": Who.AGENT,
    "agency-paper": Who.AGENT,
    "agency-paper-print": Who.AGENT,
    "agency-reviews": Who.AGENT,
    "agency-review": Who.AGENT,
    "agency-review-file": Who.AGENT,
    "agency-join": Who.PUBLIC,
    "agency-scorecard": Who.AGENT,
    "agency-scorecard-csv": Who.AGENT,
    "agency-activity": Who.AGENT,
    "agency-activity-csv": Who.AGENT,
    "agency-signals": Who.AGENT,
    "agency-signal": Who.AGENT,
    "agency-members": Who.AGENT,
    "agency-member-invite": Who.AGENT,
    "agency-member": Who.AGENT,
    "agency-member-role": Who.AGENT,
    "agency-member-off": Who.AGENT,
    "agency-member-on": Who.AGENT,
    "agency-member-invite-again": Who.AGENT,
    "portal-programs": Who.PUBLIC,
    "portal-program": Who.PUBLIC,
    "portal-start": Who.PERSON,
    "portal-application": Who.PERSON,
    "portal-account": Who.PERSON,
    "portal-meters": Who.PERSON,
    "portal-equipment": Who.PERSON,
    "portal-eligibility": Who.PERSON,
    "portal-documents": Who.PERSON,
    "portal-dates": Who.PERSON,
    "portal-check": Who.PERSON,
    "portal-waiting": Who.PERSON,
    "portal-enrolled": Who.PERSON,
    "portal-refused": Who.PERSON,
    "portal-drop": Who.PERSON,
    "portal-consent": Who.PERSON,
    "portal-consent-no": Who.PERSON,
    "portal-help": Who.PERSON,
    "portal-my-data": Who.PERSON,
    "portal-my-data-ask": Who.PERSON,
    "portal-my-data-request": Who.PERSON,
    "portal-mandates": Who.PERSON,
    "portal-mandate": Who.PERSON,
    "mandate-link": Who.BEARER,
    "portal-matrix": Who.PERSON,
    "portal-matrix-csv": Who.PERSON,
    "portal-matrix-cell": Who.PERSON,
    "portal-basket": Who.PERSON,
    "portal-enrolment-meters": Who.PERSON,
    "portal-batch": Who.PERSON,
    "portal-enrolments": Who.PERSON,
    "portal-enrolment": Who.PERSON,
    "portal-credential": Who.PERSON,
    "portal-credential-file": Who.PERSON,
    "portal-credential-qr": Who.PERSON,
    "portal-withdraw": Who.PERSON,
    "portal-grant": Who.PERSON,
    "portal-leave": Who.PERSON,
    "portal-left": Who.PERSON,
    "portal-stay": Who.PERSON,
    "portal-receipt": Who.PERSON,
    "portal-receipt-json": Who.PERSON,
    "portal-language": Who.PUBLIC,
    "portal-accessibility": Who.PUBLIC,
    "portal-privacy": Who.PUBLIC,
    "portal-cookies": Who.PUBLIC,
    "portal-idle": Who.PUBLIC,
    "admin:index": Who.STAFF,
    "admin:app_list": Who.STAFF,
    "admin:login": Who.PUBLIC,
    "admin:sign-in-callback": Who.PUBLIC,
    "admin:sign-in-ended": Who.PUBLIC,
    "admin:step-up": Who.PUBLIC,
    "admin:signed-out": Who.PUBLIC,
    "admin:join": Who.PUBLIC,
    "admin:break-glass": Who.PUBLIC,
    "admin:logout": Who.PUBLIC,
    "admin:password_change": Who.STAFF,
    "admin:password_change_done": Who.STAFF,
    "admin:credentials_issuerkey_changelist": Who.STAFF,
    "admin:credentials_issuerkey_change": Who.STAFF,
    "admin:credentials_issuerkey_announce": Who.STAFF,
    "admin:credentials_issuerkey_activate": Who.STAFF,
    "admin:credentials_issuerkey_retire": Who.STAFF,
    "admin:credentials_issuerkey_revoke": Who.STAFF,
    "admin:utility_systems_systemhealth_changelist": Who.STAFF,
    "admin:utility_systems_systemhealth_change": Who.STAFF,
    "admin:enrollment_customernotice_changelist": Who.STAFF,
    "admin:enrollment_customernotice_change": Who.STAFF,
    "admin:enrollment_utilitynotice_changelist": Who.STAFF,
    "admin:enrollment_utilitynotice_change": Who.STAFF,
    "admin:enrollment_utilitychange_changelist": Who.STAFF,
    "admin:enrollment_utilitychange_change": Who.STAFF,
    "admin:identity_agency_changelist": Who.STAFF,
    "admin:identity_agency_change": Who.STAFF,
    "admin:identity_agency_suspend": Who.STAFF,
    "admin:identity_agency_resume": Who.STAFF,
    "admin:identity_agency_resume-member": Who.STAFF,
    "admin:enrollment_recheck_changelist": Who.STAFF,
    "admin:enrollment_recheck_change": Who.STAFF,
    "admin:enrollment_recheck_done": Who.STAFF,
    "admin:credentials_statuslist_changelist": Who.STAFF,
    "admin:credentials_statuslist_change": Who.STAFF,
    "admin:credentials_statuslist_publish": Who.STAFF,
    "admin:credentials_issuedcredential_changelist": Who.STAFF,
    "admin:credentials_issuedcredential_change": Who.STAFF,
    "admin:programs": Who.STAFF,
    "admin:program-new": Who.STAFF,
    "admin:program": Who.STAFF,
    "admin:program-draft": Who.STAFF,
    "admin:program-close": Who.STAFF,
    "admin:program-retire": Who.STAFF,
    "admin:program-version": Who.STAFF,
    "admin:program-compare": Who.STAFF,
    "admin:program-try": Who.STAFF,
    "admin:program-publish": Who.STAFF,
    "admin:program-drop": Who.STAFF,
    "admin:program-section": Who.STAFF,
    "admin:program-language": Who.STAFF,
    "admin:program-condition": Who.STAFF,
    "admin:program-credential": Who.STAFF,
    "admin:program-consent": Who.STAFF,
    "admin:consent-texts": Who.STAFF,
    "admin:consent-text-new": Who.STAFF,
    "admin:consent-text": Who.STAFF,
    "admin:conflict-rules": Who.STAFF,
    "admin:conflict-pair": Who.STAFF,
    "admin:staff": Who.STAFF,
    "admin:staff-invite": Who.STAFF,
    "admin:alarms": Who.STAFF,
    "admin:staff-member": Who.STAFF,
    "admin:staff-roles": Who.STAFF,
    "admin:staff-switch-off": Who.STAFF,
    "admin:staff-switch-on": Who.STAFF,
    "admin:staff-invite-again": Who.STAFF,
    "admin:inbox": Who.STAFF,
    "admin:received-message": Who.STAFF,
    "admin:received-message-payload": Who.STAFF,
    "admin:received-message-retry": Who.STAFF,
    "admin:received-message-give-up": Who.STAFF,
    "admin:outbox": Who.STAFF,
    "admin:sent-message": Who.STAFF,
    "admin:sent-message-payload": Who.STAFF,
    "admin:sent-message-retry": Who.STAFF,
    "admin:sent-message-give-up": Who.STAFF,
    "admin:refused-messages": Who.STAFF,
    "admin:participants": Who.STAFF,
    "admin:participant": Who.STAFF,
    "admin:participant-suspend": Who.STAFF,
    "admin:participant-resume": Who.STAFF,
    "admin:operations": Who.STAFF,
    "admin:retention": Who.STAFF,
    "admin:person-requests": Who.STAFF,
    "admin:person-request-new": Who.STAFF,
    "admin:person-request": Who.STAFF,
    "admin:person-request-copy": Who.STAFF,
    "admin:person-request-erase": Who.STAFF,
    "admin:person-request-refuse": Who.STAFF,
    "admin:person-request-file": Who.STAFF,
    "admin:cases-to-decide": Who.STAFF,
    "admin:next-case-to-decide": Who.STAFF,
    "admin:cases-decided": Who.STAFF,
    "admin:document-to-decide": Who.STAFF,
    "admin:document-to-decide-file": Who.STAFF,
    "admin:document-to-decide-why": Who.STAFF,
    "admin:paper-to-decide": Who.STAFF,
    "admin:paper-to-decide-file": Who.STAFF,
    "admin:order-to-decide": Who.STAFF,
    "admin:order-to-decide-why": Who.STAFF,
    "admin:case-to-decide-release": Who.STAFF,
    "admin:enrollments": Who.STAFF,
    "admin:bulk-ask": Who.STAFF,
    "admin:enrollment": Who.STAFF,
    "admin:enrollment-end": Who.STAFF,
    "admin:enrollment-stay": Who.STAFF,
    "admin:enrollment-suspend": Who.STAFF,
    "admin:enrollment-resume": Who.STAFF,
    "admin:enrollment-release": Who.STAFF,
    "admin:consent-revoke": Who.STAFF,
    "admin:staff-act": Who.STAFF,
    "admin:bulk-acts": Who.STAFF,
    "admin:bulk-act": Who.STAFF,
    "admin:bulk-act-approve": Who.STAFF,
    "admin:bulk-act-refuse": Who.STAFF,
    "admin:bulk-act-take-back": Who.STAFF,
    "admin:figures": Who.STAFF,
    "admin:figures-enrollments": Who.STAFF,
    "admin:figures-times": Who.STAFF,
    "admin:figures-utilities": Who.STAFF,
    "admin:figures-lists": Who.STAFF,
    "admin:figures-table": Who.STAFF,
    "admin:journal": Who.STAFF,
    "admin:journal-line": Who.STAFF,
    "admin:journal-story": Who.STAFF,
    "admin:journal-checks": Who.STAFF,
    "admin:journal-check": Who.STAFF,
    "admin:journal-exports": Who.STAFF,
    "admin:journal-export": Who.STAFF,
}


class AccessTable:
    """Middleware that holds every request against the table before its view runs."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Return a refusal, or None to go on to the view."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        who = who_may(name)
        if who is None:
            return HttpResponseForbidden("This address is not in the access table.")
        if who is Who.OPERATOR and operator_of(request) is None:
            return _needs_a_token()
        if who is Who.STAFF:
            return _for_staff(request)
        back = request.get_full_path() if request.method in ("GET", "HEAD") else request.path
        if who is Who.PERSON and name == "oidc-account" and agents.is_one(request):
            return HttpResponseRedirect(agents.DESK, status=303)
        if who is Who.PERSON and (not request.user.is_authenticated or agents.is_one(request)):
            return redirect_to_login(back, login_url="oidc-sign-in")
        if who is Who.AGENT:
            return _for_agents(request, back)
        return None


def who_may(name: str) -> Who | None:
    """Return who may ask for a URL name; None where the table does not say, which is nobody."""
    return TABLE.get(name)


def operator_required(view: View) -> View:
    """Let a view run only with an operator's Bearer token; `request.operator` is then the token's name."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        operator = operator_of(request)
        if operator is None:
            return _needs_a_token()
        request.operator = operator  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return checked


def operator_of(request: HttpRequest) -> str | None:
    """Return the name of the operator's token in the request, None without a good one.

    `settings.OPERATOR_TOKENS` holds "name:sha256 in hex": the token itself is kept nowhere.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    digest = hashlib.sha256(token.strip().encode()).hexdigest()
    known = [entry.rpartition(":") for entry in settings.OPERATOR_TOKENS]
    # All are compared, so that the time taken tells nothing.
    names = [name for name, _, expected in known if hmac.compare_digest(digest, expected.lower())]
    return names[0] if names else None


def _for_staff(request: HttpRequest) -> HttpResponse | None:
    """Send away who is no staff, or not as strongly signed in as it takes; asked with every request."""
    found = staff.standing(request)
    if found.member is not None and found.is_in:
        staff.seen(found.member, clock.now())
    if found.is_in:
        return None
    if request.method not in ("GET", "HEAD"):
        return HttpResponseForbidden("For staff.")
    return redirect_to_login(request.get_full_path())


def _for_agents(request: HttpRequest, back: str) -> HttpResponse | None:
    """Send away who may not act now. Asked with every request, so that a suspension counts at once."""
    found, now = agents.standing(request), clock.now()
    if found.state is not agents.State.MEMBER or found.member is None:
        return redirect_to_login(back, login_url="agency-sign-in")
    if agents.blocked(found.member, now) is not None:
        return HttpResponseRedirect(reverse("agency-blocked"), status=303)
    agents.seen(found.member, now)
    request.member = found.member  # type: ignore[attr-defined]
    request.has_several_agencies = len(found.memberships) > 1  # type: ignore[attr-defined]
    return None


def _needs_a_token() -> HttpResponse:
    problem = {"type": "about:blank", "title": "An operator's token is needed.", "status": 401}
    response = JsonResponse(problem, status=401, content_type="application/problem+json")
    response["WWW-Authenticate"] = "Bearer"
    return response
