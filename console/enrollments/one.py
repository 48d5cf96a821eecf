"""One enrolment: its facts, what was found when it was decided, consents, credential, what happened, who was told, and
the acts that are possible now (screens C3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit import readers
from audit.log import ActorKind
from beckn.models import Inbox, Outbox
from console import words
from console.enrollments import finding, names
from console.notices import said_of, subject_of
from console.personal import Data, ShowsPersonalData, masked
from console.programs import wording
from console.rights import Right, may
from enrollment import by_staff
from enrollment.models import (
    CaseCheck,
    Consent,
    ConsentText,
    CustomerNotice,
    Enrollment,
    StaffAct,
    UtilityNotice,
)
from enrollment.states import ConsentState
from identity.models import SubjectUtilityLink

LINES, MESSAGES = 200, 20
#: The address of each act, and the right it takes.
ACTS: Mapping[str, tuple[str, Right, Any]] = {
    by_staff.Kind.RELEASE: ("enrollment-release", Right.DECIDE, _("Release the stopped order")),
    by_staff.Kind.RESUME: ("enrollment-resume", Right.ACT, _("Resume")),
    by_staff.Kind.SUSPEND: ("enrollment-suspend", Right.ACT, _("Suspend")),
    by_staff.Kind.STAY: ("enrollment-stay", Right.ACT, _("Take the planned end back")),
    by_staff.Kind.END: ("enrollment-end", Right.ACT, _("End")),
}
_PERSONAL = ("name", "email", "phone", "did", "account")


def enrollment_of(pk: int) -> Enrollment:
    """The enrolment with what its pages show of it; 404 where there is none."""
    rows = Enrollment.objects.select_related(
        "case", "subject", "program_version__program", "credential__status_list"
    ).defer("case__payload", "credential__personal_claims", "credential__document", "credential__claims")
    found: Enrollment = get_object_or_404(rows, pk=pk)
    return found


class EnrollmentPage(ShowsPersonalData):
    """Read-only; every act has a page of its own."""

    template_name = "console/enrollments/one.html"

    def setup(self, *args: Any, **kwargs: Any) -> None:
        super().setup(*args, **kwargs)
        self._found: Enrollment | None = None

    @property
    def row(self) -> Enrollment:
        if self._found is None:
            self._found = enrollment_of(self.kwargs["pk"])
        return self._found

    def personal_data(self) -> Data:
        return Data(str(self.row.subject_id), "enrollment", self.row.enrollment_id, _PERSONAL)

    def context(self) -> dict[str, Any]:
        row = self.row
        acts = self._acts(row)
        asked = {str(each.get("kind")): wording.condition_said(each) for each in row.program_version.criteria}
        staff_acts = list(row.case.staff_acts.order_by("-at"))
        lines = readers.lines_about([("enrollment", row.enrollment_id), ("case", str(row.case_id))], most=LINES)
        people = names.of_users(
            {act.by for act in staff_acts} | {line.actor_id for line in lines if line.actor_kind == ActorKind.STAFF}
        )
        return {
            "title": row.order_number,
            "trail": [(reverse("admin:enrollments"), gettext("Enrolments"))],
            "row": row,
            "state": finding.STATES.get(row.state, row.state),
            "because": names.reason(row.suspension_reason or row.end_reason),
            "channel": finding.CHANNELS.get(row.case.channel, row.case.channel),
            "acts": [each for each in acts if not each["obstacle"]],
            "obstacles": [each for each in acts if each["obstacle"]],
            "meters": list(row.meters.order_by("pk").values_list("umid", flat=True)),
            "ders": list(row.ders.order_by("pk").values_list("der_ref", flat=True)),
            "person": self._person(row),
            "checks": [_check(each, asked) for each in CaseCheck.objects.filter(case=row.case_id).order_by("at", "pk")],
            "consents": self._consents(row),
            "lines": [_line(line, people) for line in lines],
            "most": LINES,
            "notices": [
                {"row": each, "of": subject_of(each.template, row.program_version)}
                for each in CustomerNotice.objects.filter(case=row.case_id).order_by("pk")
            ],
            "told": [
                {"row": each, "of": said_of(each)}
                for each in UtilityNotice.objects.filter(enrollment=row).order_by("pk")
            ],
            "received": _messages(Inbox, row),
            "sent": _messages(Outbox, row),
            "staff_acts": [_staff_act(act, people) for act in staff_acts],
            "may_read_notes": may(self.request, Right.UNMASK),
            "story": self._story(row),
        }

    def _acts(self, row: Enrollment) -> list[dict[str, Any]]:
        """What its state allows whoever asks, with what is in the way."""
        found = by_staff.possible(row)
        return [
            {
                "url": reverse(f"admin:{name}", args=[row.pk]),
                "text": text,
                "is_final": kind == by_staff.Kind.END,
                "obstacle": found[kind],
            }
            for kind, (name, right, text) in ACTS.items()
            if kind in found and may(self.request, right)
        ]

    def _person(self, row: Enrollment) -> list[tuple[Any, str]]:
        """Who it is, masked unless somebody has just asked to see it."""
        told = str if self.is_unmasked else masked
        subject = row.subject
        links = SubjectUtilityLink.objects.filter(subject=subject, status="ACTIVE", customer_index__isnull=False)
        accounts = [f"{told(link.utility_customer_id)} ({link.utility_id})" for link in links.order_by("pk")]
        did = (subject.did or "") if self.is_unmasked else _masked_did(subject.did or "")
        return [
            (_("Name"), told(subject.name)),
            (_("E-mail"), told(subject.email)),
            (_("Telephone"), told(subject.phone)),
            (_("On the network"), did),
            (_("Account"), ", ".join(accounts)),
        ]

    def _consents(self, row: Enrollment) -> list[dict[str, Any]]:
        consents = list(
            Consent.objects.filter(enrollment=row)
            .select_related("credential__status_list")
            .order_by("granted_at", "pk")
        )
        texts = {
            (text.consent_type, text.version, text.locale): text
            for text in ConsentText.objects.filter(
                program=row.program_version.program_id, consent_type__in={each.consent_type for each in consents}
            )
        }
        may_act = may(self.request, Right.ACT)
        return [
            {
                "row": each,
                "name": words.consent(each.consent_type),
                "text": texts.get((each.consent_type, each.text_version, each.locale)),
                "may_revoke": may_act and each.state == ConsentState.GRANTED,
            }
            for each in consents
        ]

    def _story(self, row: Enrollment) -> str:
        if not may(self.request, Right.READ_AUDIT):
            return ""
        try:
            return f"{reverse('admin:journal-story')}?of={row.order_number}"
        except NoReverseMatch:
            return ""


def _messages(model: type[Inbox] | type[Outbox], row: Enrollment) -> list[dict[str, Any]]:
    """The newest messages of the order's transactions: what, how it stands, when."""
    at = "received_at" if model is Inbox else "created_at"
    rows = model._default_manager.filter(transaction_id__in=row.case.transaction_ids).order_by("-pk")
    found = rows.values("pk", "action", "state", "last_error", at)[:MESSAGES]
    return [{**each, "at": each[at]} for each in found][::-1]


def _check(check: CaseCheck, asked: Mapping[str, str]) -> dict[str, Any]:
    """A finding: what was looked at in words, its code where that says why not, and what was found.

    `asked` is what the version of the enrolment asks, by the kind of its conditions.
    """
    detail = dict(check.detail or {})
    said: list[str] = []
    what, code = words.check(check.kind), check.code
    if check.kind == "CRITERION":
        what, code = f"{what}: {wording.condition_name(check.code)}", ""
        if asked.get(check.code, "–") != "–":
            said.append(asked[check.code])
    elif type_ := str(detail.pop("type", "")):
        what = f"{what}: {wording.CREDENTIALS.get(type_, type_)}"
    for key, value in detail.items():
        if key == "met":
            said.append(ngettext("met", "met by all %(count)d", value) % {"count": value})
        elif value not in ("", None, [], {}):
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            said.append(f"{_DETAILS.get(key, key)}: {text}")
    return {"row": check, "what": what, "code": code, "details": " · ".join(said)}


_DETAILS: Mapping[str, Any] = {
    "needed": _("needed"),
    "actual": _("found"),
    "for": _("for"),
    "enrollment": _("enrolment"),
}


def _line(line: readers.ReadLine, people: Mapping[str, str]) -> dict[str, Any]:
    who = people.get(line.actor_id, "") if line.actor_kind == ActorKind.STAFF else ""
    is_named = line.actor_kind in (ActorKind.PARTICIPANT, ActorKind.AGENCY)
    details = {key: value for key, value in line.details.items() if value not in ("", None, [], {})}
    return {
        "at": line.at,
        "what": names.LINES.get(line.action, line.action),
        "who": who or (line.actor_id if is_named else names.ACTORS[line.actor_kind]),
        "details": _said(details),
        "reference": line.reference,
    }


def _said(details: Mapping[str, Any]) -> str:
    """The details of a line as words: codes and ids stay as they are. What was counted and is none is left out."""
    shown = []
    for key, value in details.items():
        if isinstance(value, Mapping) or (value == 0 and not isinstance(value, bool)):
            continue
        if key in ("consents", "types") and isinstance(value, list | tuple):
            value = [words.consent(str(each)) for each in value]
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        if key in ("state", "bases"):
            text = words.from_code(text).lower()
        shown.append(names.reason(text) if key == "reason" else f"{_KEYS.get(key, key.replace('_', ' '))}: {text}")
    return " · ".join(shown)


_KEYS: Mapping[str, Any] = {"ders": _("devices"), "types": _("consents"), "bases": _("agreed by")}


def _staff_act(act: StaffAct, people: Mapping[str, str]) -> dict[str, Any]:
    return {"row": act, "who": people.get(act.by, ""), "reason": names.reason(act.reason)}


def _masked_did(did: str) -> str:
    method = ":".join(did.split(":")[:2])
    return f"{method}:…{did[-4:]}" if len(did) > len(method) + 8 else ("…" if did else "")
