"""The credentials we have issued, and what a verifier sees of one now (screen C5). Nothing can be changed here.

Neither the claims nor the whole DID of the subject are shown: what the console needs is the credential's state.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import clock
from console.pages import ListOfMany
from credentials import addresses, bitstring
from credentials.models import IssuedCredential, Kind, Purpose, StatusListVersion
from credentials.verification import Policy, verify_kept
from enrollment.models import Enrollment

_LONGEST_FORM = 256 * 1024


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("good", _("good")), ("suspended", _("suspended")), ("revoked", _("revoked")), ("over", _("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        over = Q(valid_until__lte=clock.now())
        wanted = {
            "revoked": Q(revoked_at__isnull=False),
            "suspended": Q(revoked_at=None, suspended_at__isnull=False),
            "over": Q(revoked_at=None) & over,
            "good": Q(revoked_at=None, suspended_at=None) & ~over,
        }.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(wanted)


@admin.register(IssuedCredential)
class CredentialAdmin(ListOfMany):
    list_display = ("called", "state", "issued", "ends", "place", "profile")
    list_filter = ("kind", "profile", StateFilter)
    list_select_related = ("status_list",)
    search_fields = ("url",)  # turns the search field on; `get_search_results` says what is found
    search_help_text = _("A credential's number or address")
    change_list_template = "console/issuedcredential_list.html"
    ordering = ("-issued_at", "-pk")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": gettext("Issued credentials"), **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[IssuedCredential]:
        return IssuedCredential.objects.select_related("status_list").defer("personal_claims", "document")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By id alone: a search in claims or subjects would be a search for people."""
        if not search_term.strip():
            return queryset, False
        found = addresses.resolve_id(search_term.strip())
        return queryset.filter(Q(pk=found) if found else Q(wire_id=search_term.strip())), False

    @admin.display(description=_("credential"))
    def called(self, row: IssuedCredential) -> str:
        """Its kind and the beginning of its number: enough to tell two of a list apart; its page has all of it."""
        return f"{row.get_kind_display()} {str(row.pk)[:8]}…".capitalize()

    @admin.display(description=_("list and index"), ordering="status_list")
    def place(self, row: IssuedCredential) -> str:
        return f"{row.status_list} · {row.status_index}"

    @admin.display(description=_("issued (UTC)"), ordering="issued_at")
    def issued(self, row: IssuedCredential) -> str:
        return f"{row.issued_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("valid until (UTC)"), ordering="valid_until")
    def ends(self, row: IssuedCredential) -> str:
        return f"{row.valid_until:%Y-%m-%d %H:%M}" if row.valid_until else "–"

    @admin.display(description=_("state"))
    def state(self, row: IssuedCredential) -> Any:
        if row.is_revoked:
            return _("revoked")
        if _is_over(row):
            return _("over")
        return _("suspended") if row.is_suspended else _("good")

    def title_of(self, row: IssuedCredential) -> str:
        kind = {
            Kind.ENROLLMENT: gettext("Credential of an enrolment, %(number)s"),
            Kind.CONSENT: gettext("Credential of a consent, %(number)s"),
        }.get(Kind(row.kind), gettext("Credential %(number)s"))
        return kind % {"number": str(row.pk)[:8]}

    def told_of(self, request: HttpRequest, row: IssuedCredential) -> dict[str, Any]:
        form = row.forms.order_by("form").first()
        policy = Policy(trust_ourselves=True, wait_seconds=4.0, maximum_bytes=_LONGEST_FORM)
        verdict = verify_kept(row, form.text, policy=policy, now=clock.now()) if form else None
        return {
            "state": self.state(row),
            "verdict": verdict,
            "published": [_published(row, purpose) for purpose in Purpose],
            "kept": row.forms.order_by("form").only("form", "kid", "signed_at"),
            "enrollment": _enrollment_of(row),
            "is_good": not row.is_revoked and not row.is_suspended and not _is_over(row),
            "checks": [{"check": check, "name": _CHECKS.get(check.name, check.name)} for check in verdict.checks]
            if verdict
            else [],
            "subject": masked(row.subject_did),
            "verification_url": addresses.verification(row.pk),
            "wallet_copies": row.wallet_copies.count(),
        }


def _is_over(row: IssuedCredential) -> bool:
    return row.valid_until is not None and row.valid_until <= clock.now()


def _enrollment_of(row: IssuedCredential) -> Enrollment | None:
    """The enrolment that a credential is of, or whose consent it tells; None for what was issued otherwise."""
    found = Enrollment.objects.only("pk", "order_number")
    mine: Enrollment | None = found.filter(credential=row).first()
    return mine or found.filter(consents__credential=row).first()  # one OR of both would read all consents


_CHECKS = {
    "format": _("Written as a credential is"),
    "issuer": _("By an issuer that is known"),
    "signature": _("Signed by that issuer, unchanged since"),
    "trust": _("By an issuer that is trusted"),
    "status": _("Neither revoked nor suspended"),
    "dates": _("Within its dates"),
}


def _published(row: IssuedCredential, purpose: Purpose) -> dict[str, Any]:
    """What the list shows that is served now: its bit for this credential, read out of the published bytes."""
    version = (
        StatusListVersion.objects.filter(status_list=row.status_list_id, purpose=purpose).order_by("-version").first()
    )
    return {
        "purpose": purpose.label,
        "url": addresses.status_list(row.kind, purpose, row.status_list.number),
        "version": version,
        "is_set": bitstring.bit_at(_bits(version), row.status_index) if version else None,
    }


def _bits(version: StatusListVersion) -> bytes:
    return bitstring.decode_list(bitstring.encode_compressed(bytes(version.bits)))


def masked(did: str) -> str:
    """A DID's method and last characters: enough to compare with what somebody reads out, not to look people up."""
    method = ":".join(did.split(":")[:2])
    return f"{method}:…{did[-4:]}" if len(did) > len(method) + 8 else f"{method}:…"
