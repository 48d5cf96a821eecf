"""What utilities were told of enrolments, informed or not yet, and what they have told us. Nothing is changed here.

Trying again is `manage.py utility retry`. Source: issue 4 (7, 8).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from console.pages import ListOfMany, OfUtility
from enrollment import wording
from enrollment.models import CustomerNotice, Enrollment, ProgramVersion, UtilityChange, UtilityNotice

EVENTS: Mapping[str, str | Promise] = {
    "STARTED": _("Enrolled"),
    "CHANGED": _("Meters changed"),
    "SUSPENDED": _("Suspended"),
    "RESUMED": _("Resumed"),
    "ENDED": _("Ended"),
}
KINDS: Mapping[str, str | Promise] = {"BILLING": _("Billing"), "PERSON": _("Letter to a customer")}
STATES: Mapping[str, str | Promise] = {
    "WAITING": _("waiting"),
    "SENT": _("sent"),
    "ACKNOWLEDGED": _("told"),
    "NOBODY": _("nobody is known to be told"),
    "STUCK": _("stuck"),
}
CHANGES: Mapping[str, str | Promise] = {
    "MOVE_OUT": _("Somebody moved out"),
    "NEW_HOLDER": _("The meter has another holder"),
    "METER_EXCHANGE": _("The meter was exchanged"),
    "SANCTIONED_LOAD": _("Another sanctioned load"),
    "ACCOUNT_STANDING": _("The account stands otherwise"),
    "DISCONNECTION": _("Disconnected"),
    "RECONNECTION": _("Connected again"),
    "CERTIFICATE_REVOKED": _("A device's certificate was revoked"),
}
OUTCOMES: Mapping[str, str | Promise] = {
    "ENDED": _("ended"),
    "SUSPENDED": _("suspended"),
    "RESUMED": _("resumed"),
    "RECHECKED": _("checked again"),
    "NOTHING": _("nothing"),
}
#: Subjects that several notices have, told apart; the plain one of each is left as it is.
_APART: Mapping[str, str | Promise] = {
    "agency-started": "",
    "agency-started-allowed": _("with a mandate"),
    "document-refused": "",
    "document-refused-for-good": _("for good"),
    "enrollment-confirmed": "",
    "enrollment-confirmed-agency": _("through an agency"),
    "enrollment-confirmed-several": "",
    "enrollment-confirmed-several-agency": _("through an agency"),
    "enrollment-suspended": "",
    "enrollment-suspended-until": _("until a day"),
}
_FILLED = re.compile(r"\$\{(\w+)\}")


@cache
def subjects() -> Mapping[str, str]:
    """What each notice is about, by its template: the subject that customers read, told apart where two have one."""
    said = {name: _FILLED.sub("…", words["subject"]) for name, words in wording.book("en")["notices"].items()}
    often = Counter(said.values())
    return {
        name: f"{text} ({_APART.get(name, name)})" if often[text] > 1 and _APART.get(name) != "" else text
        for name, text in said.items()
    }


def subject_of(template: str, version: ProgramVersion | None = None) -> str:
    """What a notice is about, of which program; one that there are no words for any more by its name."""
    text = subjects().get(template, template)
    return text if version is None or "several" in template else text.replace("…", version.name)


def said_of(row: UtilityNotice) -> str:
    """What a utility was told, in a few words."""
    if row.kind == "PERSON":
        return gettext("Letter: %(subject)s") % {"subject": subject_of(row.event)}
    return f"{KINDS.get(row.kind, row.kind)}: {EVENTS.get(row.event, row.event)}"


class _InWords(admin.SimpleListFilter):
    """A column of codes, chosen by words."""

    words: ClassVar[Mapping[str, str | Promise]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.words.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(**{str(self.parameter_name): chosen}) if chosen in self.words else queryset


class OfUtilityNoticeState(_InWords):
    title = _("state")
    parameter_name = "state"
    words = {code: STATES[code] for code in ("WAITING", "ACKNOWLEDGED", "STUCK")}


class OfCustomerNoticeState(_InWords):
    title = _("state")
    parameter_name = "state"
    words = {code: STATES[code] for code in ("WAITING", "SENT", "NOBODY", "STUCK")}


class OfKind(_InWords):
    title = _("kind")
    parameter_name = "kind"
    words = KINDS


class OfTemplate(admin.SimpleListFilter):
    """Which notice, of those that there are words for."""

    title = _("notice")
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(subjects().items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(template=self.value()) if self.value() else queryset


class _List(ListOfMany):
    """A list whose lines say everything; a row has no page of its own."""

    change_list_template = "console/list.html"
    list_display_links = None
    title = ""
    lead: ClassVar[str | Promise] = ""
    empty: ClassVar[str | Promise] = ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        said = {
            "title": self.title,
            "lead": self.lead,
            "empty": self.empty,
            "none_fits": gettext("None is like that. Choose less in the filter, or search for something else."),
        }
        return super().changelist_view(request, {**said, **(extra_context or {})})

    def row_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        self.row(request, pk)
        return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))


@admin.register(UtilityNotice)
class NoticeAdmin(_List):
    list_display = ("enrollment_number", "said", "informed", "utility", "effective", "problem")
    list_filter = (OfUtilityNoticeState, OfKind, OfUtility)
    search_help_text = _("The whole number or id of an enrolment")
    search_fields = ("enrollment__enrollment_id",)
    ordering = ("-pk",)
    title = _("What utilities are told")  # type: ignore[assignment]
    lead = _(
        "Each enrolment that begins, changes or ends, told to the utility of its meters. What is not acknowledged is"
        " told again by itself; what is stuck is tried again by whoever runs this service, with “utility retry”."
    )
    empty = _("No utility had to be told anything yet.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UtilityNotice]:
        return UtilityNotice.objects.select_related("enrollment")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the enrolment's whole id or number."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id = queryset.filter(enrollment__enrollment_id=term)
        return by_id | queryset.filter(enrollment__order_number=term), False

    @admin.display(description=_("enrolment"))
    def enrollment_number(self, row: UtilityNotice) -> str:
        return _to_enrollment(row.enrollment)

    @admin.display(description=_("what was said"))
    def said(self, row: UtilityNotice) -> str:
        return said_of(row)

    @admin.display(description=_("utility"))
    def utility(self, row: UtilityNotice) -> str:
        return row.utility_id

    @admin.display(description=_("holds from (UTC)"), ordering="effective_at")
    def effective(self, row: UtilityNotice) -> str:
        return f"{row.effective_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("acknowledged (UTC)"))
    def informed(self, row: UtilityNotice) -> str:
        if row.acknowledged_at is not None:
            return f"{row.acknowledged_at:%Y-%m-%d %H:%M} · {row.acknowledgement}"
        return gettext("stuck") if row.state == "STUCK" else gettext("not yet")

    @admin.display(description=_("trouble"))
    def problem(self, row: UtilityNotice) -> str:
        return _trouble(row)


@admin.register(CustomerNotice)
class CustomerNoticeAdmin(_List):
    list_display = ("about", "subject", "sent", "written", "stopped", "problem")
    list_filter = (OfCustomerNoticeState, OfTemplate, OfUtility)
    search_help_text = _("The whole id of an order")
    search_fields = ("case__order_id",)
    ordering = ("-pk",)
    title = _("What customers are told")  # type: ignore[assignment]
    lead = _(
        "The letters that their utility sends them for us. One that did not leave is tried again by itself; what is"
        " stuck is tried again by whoever runs this service, with “utility retry”."
    )
    empty = _("No customer had to be told anything yet.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerNotice]:
        return CustomerNotice.objects.select_related("case__enrollment", "case__program_version")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the order's whole id."""
        term = search_term.strip()
        return (queryset.filter(case__order_id=term) if term else queryset), False

    @admin.display(description=_("enrolment"))
    def about(self, row: CustomerNotice) -> str:
        """The enrolment; what is none yet by its order and the portal that it came from."""
        enrollment = getattr(row.case, "enrollment", None)
        if enrollment is not None:
            return _to_enrollment(enrollment)
        return gettext("application %(order)s of %(portal)s") % {"order": row.case.order_id, "portal": row.case.bap_id}

    @admin.display(description=_("about what"))
    def subject(self, row: CustomerNotice) -> str:
        return subject_of(row.template, row.case.program_version)

    @admin.display(description=_("stopped (UTC)"))
    def stopped(self, row: CustomerNotice) -> str:
        return f"{row.case.frozen_at:%Y-%m-%d %H:%M}" if row.case.frozen_at else "–"

    @admin.display(description=_("written (UTC)"), ordering="created_at")
    def written(self, row: CustomerNotice) -> str:
        return f"{row.created_at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("sent (UTC)"))
    def sent(self, row: CustomerNotice) -> str:
        if row.sent_at is not None:
            return f"{row.sent_at:%Y-%m-%d %H:%M} · {row.locale}"
        return {"STUCK": gettext("stuck"), "NOBODY": gettext("nobody is known to be told")}.get(
            row.state, gettext("not yet")
        )

    @admin.display(description=_("trouble"))
    def problem(self, row: CustomerNotice) -> str:
        return _trouble(row)


@admin.register(UtilityChange)
class ChangeAdmin(_List):
    list_display = ("told", "what", "followed", "utility", "effective", "way")
    list_filter = (OfUtility,)
    ordering = ("-pk",)
    title = _("What utilities have told us")  # type: ignore[assignment]
    lead = _("Somebody moved out, a meter was exchanged or cut off: what utilities say of it, and what followed here.")
    empty = _("No utility has told us of a change yet. They are asked again and again, or send it by themselves.")

    @admin.display(description=_("what happened"))
    def told(self, row: UtilityChange) -> str:
        return str(CHANGES.get(row.kind) or row.kind.replace("_", " ").capitalize())

    @admin.display(description=_("utility"))
    def utility(self, row: UtilityChange) -> str:
        return row.utility_id

    @admin.display(description=_("how it came"))
    def way(self, row: UtilityChange) -> str:
        return gettext("we asked") if row.came_by == "POLL" else gettext("it was sent")

    @admin.display(description=_("meter or device"))
    def what(self, row: UtilityChange) -> str:
        return row.umid or row.der_id or "–"

    @admin.display(description=_("from (UTC)"), ordering="at")
    def effective(self, row: UtilityChange) -> str:
        return f"{row.at:%Y-%m-%d %H:%M}"

    @admin.display(description=_("what followed"))
    def followed(self, row: UtilityChange) -> str:
        if row.handled_at is None:
            return gettext("not yet handled, tried %(count)d times") % {"count": row.attempts}
        if row.outcome == "NOTHING" or not row.enrollments:
            return str(OUTCOMES.get(row.outcome, row.outcome))
        count = ngettext("%(count)d enrolment", "%(count)d enrolments", row.enrollments) % {"count": row.enrollments}
        return f"{count}: {OUTCOMES.get(row.outcome, row.outcome)}"


def _trouble(row: UtilityNotice | CustomerNotice) -> str:
    """What went wrong last; how often it was tried only says something then."""
    if not row.last_problem:
        return "–"
    count = ngettext("tried %(count)d time", "tried %(count)d times", row.attempts) % {"count": row.attempts}
    return f"{row.last_problem} · {count}"


def _to_enrollment(row: Enrollment) -> str:
    return format_html('<a href="{}">{}</a>', reverse("admin:enrollment", args=[row.pk]), row.order_number)
