"""Why an application stands as it does: its check replayed on that moment's facts, and as it would come out now.

The page is read by who decides, in words: each criterion, what was needed, what was there. Asking the utility again
writes nothing about the application; that it was asked is a line of the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import log
from audit.log import Action
from console.deciding import queue
from console.pages import ConsolePage
from console.rights import Right
from console.site import actor_of
from enrollment import replaying
from enrollment.leases import Thing
from enrollment.models import CaseCheck, Document, EnrollmentCase
from enrollment.replaying import Replay
from enrollment.states import Decidable
from utility_systems.ports import UtilityUnavailable

CRITERIA = {
    "UTILITY": _("Utility"),
    "REGION": _("Region"),
    "CONNECTION_TYPE": _("Kind of connection"),
    "METER_ROLE": _("The applicant at the meter"),
    "INTERVAL_METER": _("Interval (smart) meter"),
    "NET_METER": _("Net meter"),
    "SANCTIONED_LOAD": _("Sanctioned load"),
    "ACCOUNT_STANDING": _("Standing of the account"),
    "DER_TYPE": _("Kind of device"),
    "DER_CERTIFIED": _("Certificate of the device"),
    "DER_SOURCE": _("Whose word there is for the device"),
    "SANCTIONED_EXPORT": _("Power to feed in"),
    "MIN_ACR": _("Level of the sign-in"),
    "SUBJECT_KIND": _("Person or organisation"),
}
_OUTCOMES = {
    "REFUSED": _("Refused"),
    "MISSING": _("A credential is missing"),
    "QUESTIONS": _("The applicant is asked something"),
    "IN_REVIEW": _("Waits for two persons to look at a file"),
    "READY": _("May be confirmed"),
}
_KINDS = {
    "CREDENTIAL": _("Presented credential"),
    "METER": _("Meter"),
    "CRITERION": _("Criterion"),
    "REQUIRED_CREDENTIAL": _("Required credential"),
    "CONFLICTS": _("Conflicts"),
    "UTILITY": _("Utility's answer"),
}


@dataclass(frozen=True)
class Verdict:
    """One criterion as a line: `then` and `now` are None where it was not asked."""

    criterion: str
    target: str
    needed: str
    then: Any
    now: Any

    @property
    def is_changed(self) -> bool:
        return self.then is not None and self.now is not None and self.then.is_met != self.now.is_met


class Why(ConsolePage):
    right = Right.DECIDE
    title = _("Why it stands like this")
    template_name = "console/deciding/why.html"
    afresh: Replay | None = None

    @cached_property
    def case(self) -> EnrollmentCase:
        rows = EnrollmentCase.objects.select_related("program_version__program", "subject")
        if "document" in self.kwargs:
            row = rows.filter(documents__document_id=self.kwargs["document"]).first()
        else:
            row = rows.filter(pk=self.kwargs["order"]).first()
        if row is None:
            raise Http404(_("There is no such application."))
        return row

    def context(self) -> dict[str, Any]:
        then = replaying.then(self.case)
        return {
            "case": self.case,
            "then": then,
            "afresh": self.afresh,
            "then_outcome": _OUTCOMES[then.outcome] if then is not None else "",
            "now_outcome": _OUTCOMES[self.afresh.outcome] if self.afresh is not None else "",
            "is_same_version": then is not None and self.afresh is not None and then.version == self.afresh.version,
            "verdicts": _verdicts(then, self.afresh),
            "written": [(each.at, [_written(line) for line in each.lines]) for each in replaying.written(self.case)],
            "can_be_asked": self.case.payload is not None,
            "trail": [(reverse("admin:cases-to-decide"), gettext("Cases to decide")), *self._way()],
        }

    def _way(self) -> list[tuple[str, str]]:
        """The page this one belongs to."""
        if "document" in self.kwargs:
            row = Document.objects.select_related("case__program_version").get(document_id=self.kwargs["document"])
            item = queue.item_of(Thing(Decidable.DOCUMENT, row.document_id), row)
        else:
            item = queue.item_of(Thing(Decidable.ORDER, str(self.case.pk)), self.case)
        return [(item.address, item.what)]

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """Ask the utilities now; what they say is shown and kept nowhere."""
        try:
            self.afresh = replaying.afresh(self.case, self.now)
        except UtilityUnavailable as outage:
            told = {"utility": outage.utility_id}
            return self.page(status=503, problem=gettext("%(utility)s does not answer. Try again later.") % told)
        if self.afresh is None:
            return self.page(status=409, problem=gettext("What was applied for is not kept any more."))
        log.record(
            Action.METER_RESOLVED,
            actor=actor_of(request),
            at=self.now,
            subject=str(self.case.subject_id or ""),
            object_type="case",
            object_id=str(self.case.pk),
            details={"meters": len(self.afresh.facts.meters), "ders": len(self.afresh.facts.ders), "why": "REPLAY"},
        )
        return self.page()


def _verdicts(then: Replay | None, afresh: Replay | None) -> list[Verdict]:
    """Each criterion of either, those that are not met first."""
    before = {(f.criterion, f.target): f for f in then.findings} if then is not None else {}
    now = {(f.criterion, f.target): f for f in afresh.findings} if afresh is not None else {}
    found = []
    for key in dict.fromkeys([*before, *now]):
        either = before.get(key) or now[key]
        criterion = str(CRITERIA.get(either.criterion, either.criterion))
        found.append(Verdict(criterion, either.target, either.needed, before.get(key), now.get(key)))
    return found


def _written(line: CaseCheck) -> dict[str, Any]:
    """A line of the case's checks in words."""
    code = str(CRITERIA.get(line.code, line.code))
    detail = line.detail if isinstance(line.detail, dict) else {}
    said = [
        gettext("needed: %(needed)s") % {"needed": detail["needed"]} if detail.get("needed") else "",
        gettext("there was: %(actual)s") % {"actual": detail["actual"]} if detail.get("actual") else "",
        gettext("for %(count)s") % {"count": detail["met"]} if detail.get("met") else "",
        str(detail.get("type", "")),
    ]
    return {
        "kind": _KINDS.get(line.kind, line.kind),
        "target": line.target,
        "result": line.result,
        "code": code,
        "said": " · ".join(each for each in said if each),
    }
