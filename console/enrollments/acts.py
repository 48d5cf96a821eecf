"""The acts on one enrolment: each on a page of its own that says what will happen, and POST only (screens C4)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.enrollments import forms, names
from console.enrollments.one import enrollment_of
from console.pages import ConsolePage
from console.rights import Right
from console.site import actor_of
from enrollment import by_staff
from enrollment.by_staff import Asked, Kind, NotPossible
from enrollment.models import Consent, Enrollment, StaffAct
from enrollment.states import LIVE_ENROLLMENT_STATES, ConsentState, OnConsentRevoked
from utility_systems import news


class ActPage(ConsolePage):
    """GET says what will happen, POST does it, or says why not."""

    right = Right.ACT
    kind: ClassVar[StaffAct.Kind]
    button: ClassVar[str | Promise] = ""
    template_name = "console/enrollments/act.html"

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        problem = self.problem()
        return self.page(problem=problem, status=409 if problem else 200)

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        form = self.form(request.POST)
        if problem := self.problem():
            return self.page(problem=problem, status=409)
        if not form.is_valid():
            return self.page(form=form, errors=form.errors, status=400)
        said = form.cleaned_data
        asked = Asked(said["reason"], actor_of(request), self.now, said["note"].strip())
        try:
            act = self.act(asked, form)
        except NotPossible as sentence:
            return self.page(problem=str(sentence.sentence), status=409)
        return HttpResponseRedirect(reverse("admin:staff-act", args=[act.pk]))

    @cached_property
    def row(self) -> Enrollment:
        return enrollment_of(self.kwargs["pk"])

    def form(self, data: Any = None) -> Any:
        return forms.ActForm(data, reasons=by_staff.REASONS[self.kind], wanted=self.row.order_number)

    def problem(self) -> str:
        """Why it is not possible now, "" where it is."""
        found = by_staff.possible(self.row)
        if self.kind not in found:
            return gettext(
                "The enrolment is in a state in which there is nothing to do here. Somebody may have been faster."
            )
        return str(found[self.kind] or "")

    def act(self, asked: Asked, form: Any) -> StaffAct:
        raise NotImplementedError

    def context(self) -> dict[str, Any]:
        row = self.row
        granted = list(
            Consent.objects.filter(enrollment=row, state=ConsentState.GRANTED).select_related("credential__status_list")
        )
        here = reverse("admin:enrollment", args=[row.pk])
        utilities = sorted(set(row.meters.values_list("meter__utility_id", flat=True)))
        return {
            "trail": [(reverse("admin:enrollments"), gettext("Enrolments")), (here, row.order_number)],
            "row": row,
            "back": here,
            "kind": self.kind,
            "button": self.button,
            "granted": granted,
            "outliving": sum(each.outlives_enrollment for each in granted),
            "billing": [each for each in utilities if news.has_billing(each)],
            "form": self.form(),
            "because": names.reason(row.suspension_reason),
        }


class End(ActPage):
    kind = Kind.END
    title = _("End this enrolment")
    button = _("End the enrolment")

    def form(self, data: Any = None) -> forms.EndForm:
        outliving = Consent.objects.filter(
            enrollment=self.row, state=ConsentState.GRANTED, outlives_enrollment=True
        ).count()
        return forms.EndForm(
            data,
            reasons=by_staff.REASONS[Kind.END],
            wanted=self.row.order_number,
            now=self.now,
            outliving=outliving,
        )

    def act(self, asked: Asked, form: Any) -> StaffAct:
        keep = bool(form.cleaned_data.get("keep_outliving"))
        return by_staff.end(self.row, asked, at=form.moment, keep_outliving=keep)


class Stay(ActPage):
    kind = Kind.STAY
    title = _("Take the planned end back")
    button = _("Let it go on")

    def act(self, asked: Asked, form: Any) -> StaffAct:
        return by_staff.stay(self.row, asked)


class Suspend(ActPage):
    kind = Kind.SUSPEND
    title = _("Suspend this enrolment")
    button = _("Suspend the enrolment")

    def act(self, asked: Asked, form: Any) -> StaffAct:
        return by_staff.suspend(self.row, asked)


class Resume(ActPage):
    kind = Kind.RESUME
    title = _("Resume this enrolment")
    button = _("Resume the enrolment")

    def act(self, asked: Asked, form: Any) -> StaffAct:
        return by_staff.resume(self.row, asked)


class Release(ActPage):
    right = Right.DECIDE
    kind = Kind.RELEASE
    title = _("Release the stopped order")
    button = _("Release the order")

    def act(self, asked: Asked, form: Any) -> StaffAct:
        return by_staff.release(self.row.case, asked)


class RevokeConsent(ActPage):
    kind = Kind.REVOKE_CONSENT
    title = _("Revoke this consent")
    button = _("Revoke the consent")

    @cached_property
    def consent(self) -> Consent:
        rows = Consent.objects.select_related("enrollment__case", "credential__status_list")
        found = rows.filter(pk=self.kwargs["consent"], enrollment=self.row.pk).first()
        if found is None:
            raise Http404(gettext("There is no such consent."))
        return found

    def problem(self) -> str:
        if self.consent.state != ConsentState.GRANTED:
            return gettext("The consent is not given any more.")
        return ""

    def act(self, asked: Asked, form: Any) -> StaffAct:
        return by_staff.revoke_consent(self.consent, asked)

    def context(self) -> dict[str, Any]:
        follows = self.row.program_version.on_required_consent_revoked
        is_live = self.row.state in LIVE_ENROLLMENT_STATES
        applies = self.consent.is_required and is_live
        return {
            **super().context(),
            "consent": self.consent,
            "ends": applies and follows == OnConsentRevoked.CANCEL,
            "suspends": applies and follows == OnConsentRevoked.SUSPEND,
        }
