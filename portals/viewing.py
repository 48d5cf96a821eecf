"""How an enrolment stands, for the person whose it is: put together from what the provider has told. Pure.

`told` keeps the newest answer of each action, and the newest update of each kind; a full order (`on_status`,
`on_confirm`) tells everything as of its moment, an update only what it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from portals import consents, reading
from portals.consents import Asked
from portals.models import Application, ConsentReceipt, HeldCredential
from portals.reading import EnrollmentView, MeterLine, RefusalView

States = Application.State
_EPOCH = "0000"
#: Why people leave, as the program's owner may count it.
LEAVING = ("MOVING", "NO_BENEFIT", "COMFORT", "PRIVACY", "OTHER_PROGRAM", "OTHER")
#: The provider notes what it did a moment before its answer is here.
_MOMENT = timedelta(seconds=5)
_PLANS = {"PENDING": "END_PLANNED", "WITHDRAWN": "END_TAKEN_BACK"}


@dataclass(frozen=True)
class ConsentState:
    """A consent and how it stands: GIVEN, WITHDRAWN, ENDED (with the enrolment), REFUSED, NOT_ASKED, or ON_ITS_WAY
    (given again, and not yet taken by the provider).
    """

    asked: Asked
    state: str
    at: datetime | None = None
    ended_at: datetime | None = None
    receipt: ConsentReceipt | None = None
    credential: HeldCredential | None = None


@dataclass(frozen=True)
class Act:
    """One line of the history. `what` is a code that the template has words for, `by` CUSTOMER, PROGRAM, UTILITY …"""

    at: datetime
    what: str
    by: str = ""
    about: str = ""


@dataclass(frozen=True)
class Enrolment:
    """One journey as its person sees it.

    `status`: DRAFT, CONFIRMING, SCHEDULED, ACTIVE, SUSPENDED, ENDING, ENDED, REFUSED or DROPPED.
    """

    application: Application
    status: str
    facts: EnrollmentView
    consents: tuple[ConsentState, ...]
    credential: HeldCredential | None
    history: tuple[Act, ...]
    refusal: RefusalView | None = None
    asked: str = ""

    @property
    def is_live(self) -> bool:
        return self.status in ("SCHEDULED", "ACTIVE", "SUSPENDED", "ENDING")

    @property
    def can_be_left(self) -> bool:
        return self.is_live and self.status != "ENDING" and not self.asked

    @property
    def meters(self) -> tuple[MeterLine, ...]:
        """Those that take part."""
        return tuple(each for each in self.facts.meters if each.status in ("ENROLLED", ""))

    @property
    def ended_at(self) -> datetime | None:
        return self.facts.cancelled_at or self.application.finished_at

    @property
    def has_begun(self) -> bool:
        """Whether it ever ran: who steps back before the start never took part."""
        starts_at, ended_at = self.facts.starts_at, self.ended_at
        return starts_at is not None and (self.status != "ENDED" or ended_at is None or starts_at < ended_at)

    @property
    def pause_reason(self) -> str:
        """Why it is paused: an update says only that it is, and a consent that was taken back explains it."""
        reason = self.facts.suspension.get("reason")
        needed = any(each.state == "WITHDRAWN" and each.asked.is_required for each in self.consents)
        return reason if isinstance(reason, str) and reason else ("REQUIRED_CONSENT_REVOKED" if needed else "")

    @property
    def repair_until(self) -> datetime | None:
        """Until when what paused it can be mended."""
        return reading.instant(self.facts.suspension.get("repairUntil"))

    @property
    def end_reason(self) -> str:
        """Why it ended, as the provider's code."""
        told = self.application.told
        newest = told.get("on_update:UNENROLLMENT") or told.get("on_cancel")
        leaving = _attributes(newest).get("unenrollment")
        reason = leaving.get("reason") if isinstance(leaving, Mapping) else ""
        return reason if isinstance(reason, str) else ""

    @property
    def was_left(self) -> bool:
        """Whether it ended because the customer wished it."""
        return self.end_reason in ("", "USER_REQUESTED", *LEAVING)

    @property
    def last_moment(self) -> datetime | None:
        """A planned end as people say it: the midnight after a day is the end of that day."""
        at = self.facts.ends_early_at
        return at - timedelta(seconds=1) if at is not None else None


def enrolment(application: Application, now: datetime) -> Enrolment:
    """How it stands now; asks the database for its receipts and credentials."""
    held = [each for each in application.credentials.all() if each.replaced_at is None]
    receipts = list(application.receipts.all())
    facts = facts_of(application)
    credential = next((each for each in held if each.kind == HeldCredential.Kind.ENROLLMENT), None)
    status = _status(application, facts, now)
    states = tuple(_consent(application, each, receipts, held, status) for each in consents.asked(application))
    return Enrolment(
        application=application,
        status=status,
        facts=facts,
        consents=states,
        credential=credential,
        history=history(application, facts, receipts),
        refusal=refusal_of(application),
        asked=application.asked_action,
    )


def facts_of(application: Application) -> EnrollmentView:
    """The newest full account, with what later updates changed in it."""
    told = application.told
    full = max(("on_confirm", "on_status"), key=lambda action: (_at(told.get(action)), action))
    facts = reading.enrollment(told.get(full) or told.get("on_confirm"))
    since = _at(told.get(full))
    confirmed = reading.enrollment(told.get("on_confirm"))
    facts = replace(
        facts,
        enrollment_id=facts.enrollment_id or confirmed.enrollment_id or application.enrollment_id,
        order_number=facts.order_number or confirmed.order_number or application.order_number,
        starts_at=facts.starts_at or confirmed.starts_at,
        ends_at=facts.ends_at or confirmed.ends_at,
        enrolled_at=facts.enrolled_at or confirmed.enrolled_at,
        meters=facts.meters or confirmed.meters,
    )
    for update in sorted(_updates(told), key=_at):
        if _at(update) >= since:
            facts = _with(facts, reading.enrollment(update), update)
    return facts


def refusal_of(application: Application) -> RefusalView | None:
    """Why the newest update was refused, if it was and nothing newer was told."""
    newest = application.told.get("on_update")
    if newest is None or _at(newest) < _at(application.told.get("on_status")):
        return None
    return reading.enrollment(newest).refusal


def acts_after(told: Mapping[str, Any], update: Mapping[str, Any], at: datetime) -> list[dict[str, Any]]:
    """What has happened here, with an update's news at its end: the provider's account comes only when it is asked."""
    acts, about = list(told.get("acts") or []), _attributes(update)
    leaving = about.get("unenrollment")
    what = _PLANS.get(str(leaving.get("status")), "") if isinstance(leaving, Mapping) else ""
    if about.get("updateType") in ("ADD_METER", "REMOVE_METER"):
        what = "METERS_CHANGED"
    before, after = (str(_attributes(each).get("status", "")) for each in (told.get("now"), update))
    if after == "SUSPENDED" != before:
        what = "SUSPENDED"
    elif before == "SUSPENDED" and after == "ACTIVE":
        what = "RESUMED"
    return [*acts, {"at": at.isoformat(), "act": what}][-100:] if what else acts


def history(
    application: Application, facts: EnrollmentView, receipts: Sequence[ConsentReceipt] = ()
) -> tuple[Act, ...]:
    """What has happened, the newest first: the provider's own account, and what was done here."""
    acts = [Act(application.started_at, "BEGUN", "AGENCY" if application.agency_id else "CUSTOMER")]
    answered = {each.consent_type for each in receipts if each.is_granted}
    told = [each for each in map(_act, facts.history) if each is not None]
    # Of a Yes that was said here the receipt knows the moment; the provider knows when it took it.
    acts += [each for each in told if not (each.what == "CONSENT_GIVEN" and each.about in answered)]
    newest = max((each.at for each in told), default=None)
    since = [each for each in map(_act, application.told.get("acts") or []) if each is not None]
    acts += [each for each in since if newest is None or each.at > newest + _MOMENT]
    withdrawn = {each.about for each in told if each.what == "CONSENT_WITHDRAWN"}
    codes = {each.what for each in acts}
    if facts.enrolled_at is not None and "ENROLLED" not in codes:
        acts.append(Act(facts.enrolled_at, "ENROLLED", "PROGRAM"))
    for receipt in receipts:
        what = "CONSENT_GIVEN" if receipt.is_granted else "CONSENT_REFUSED"
        acts.append(Act(receipt.answered_at, what, "CUSTOMER", receipt.consent_type))
        is_told = receipt.consent_type in withdrawn or application.state == States.ENDED
        if receipt.withdrawn_at is not None and not is_told:
            acts.append(Act(receipt.withdrawn_at, "CONSENT_WITHDRAWN", "CUSTOMER", receipt.consent_type))
    if application.state == States.ENDED and "ENDED" not in codes and application.finished_at is not None:
        acts.append(Act(facts.cancelled_at or application.finished_at, "ENDED"))
    in_time = sorted(_once(acts), key=lambda each: each.at)
    return tuple(in_time[::-1])  # of two at one moment, what was told later stands above


def _once(acts: Iterable[Act]) -> list[Act]:
    """A consent is in the provider's account and among our receipts: told once."""
    found: dict[tuple[str, str, str], Act] = {}
    for each in acts:
        found.setdefault((each.what, each.about, each.at.isoformat()), each)
    return list(found.values())


def _act(told: Mapping[str, Any]) -> Act | None:
    at = reading.instant(told.get("at"))
    what = told.get("act")
    if at is None or not isinstance(what, str):
        return None
    by, types = told.get("by"), told.get("consentTypes")
    about = types[0] if isinstance(types, list) and types and isinstance(types[0], str) else ""
    return Act(at, what, by if isinstance(by, str) else "", about)


def _status(application: Application, facts: EnrollmentView, now: datetime) -> str:
    if application.state != States.ENROLLED:
        return str(application.state)
    if facts.status == "SUSPENDED":
        return "SUSPENDED"
    if facts.ends_early_at is not None:
        return "ENDING"
    if facts.starts_at is not None and facts.starts_at > now:
        return "SCHEDULED"
    return "ACTIVE"


def _consent(
    application: Application,
    asked: Asked,
    receipts: Sequence[ConsentReceipt],
    held: Sequence[HeldCredential],
    status: str,
) -> ConsentState:
    answer = (application.answers.get("consents") or {}).get(asked.key) or {}
    receipt = next((each for each in receipts if str(each.pk) == answer.get("receipt")), None)
    mine = [each for each in held if each.kind == HeldCredential.Kind.CONSENT and each.consent_type == asked.key]
    credential = mine[-1] if mine else None
    if receipt is None:
        return ConsentState(asked, "NOT_ASKED", credential=credential)
    if not receipt.is_granted:
        return ConsentState(asked, "REFUSED", receipt.answered_at, receipt=receipt)
    if receipt.withdrawn_at is not None:
        state = "ENDED" if status == "ENDED" else "WITHDRAWN"
        return ConsentState(asked, state, receipt.answered_at, receipt.withdrawn_at, receipt, credential)
    if credential is not None and credential.revoked_at is not None and status != "ENDED":
        return ConsentState(asked, "ON_ITS_WAY", receipt.answered_at, receipt=receipt)
    return ConsentState(asked, "GIVEN", receipt.answered_at, receipt=receipt, credential=credential)


def _updates(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    kinds = [value for name, value in told.items() if name.startswith("on_update:")]
    return [each for each in kinds or [told.get("on_update")] if isinstance(each, Mapping)]


def _with(facts: EnrollmentView, update: EnrollmentView, told: Mapping[str, Any]) -> EnrollmentView:
    """Lay an update over what was known before it."""
    if update.refusal is not None:
        return facts
    changed = replace(facts, status=update.status or facts.status)
    if update.update_type == "UNENROLLMENT":
        changed = replace(changed, ends_early_at=update.ends_early_at, cancelled_at=update.cancelled_at)
    if update.update_type in ("ADD_METER", "REMOVE_METER") and update.meters:
        changed = replace(changed, meters=update.meters)
    return replace(changed, log_reference=update.log_reference or facts.log_reference)


def _attributes(told: Any) -> Mapping[str, Any]:
    for name in ("message", "order", "beckn:orderAttributes"):
        told = told.get(name) if isinstance(told, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _at(told: Any) -> str:
    """When an answer came, as its ISO instant; in one zone, so that text order is time order."""
    value = told.get("at") if isinstance(told, Mapping) else None
    return value if isinstance(value, str) else _EPOCH
