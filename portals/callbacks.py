"""What a provider answers to our portals: each callback is joined to its journey and taken once.

A callback counts for the journey whose provider sent it and whose portal it names, and nowhere else: that its sender is
who it says has been proven at the door. What nobody asked for (`on_status`, `on_update`) is joined by the order.

Answers come late, twice, and in another order than they were sent. An answer counts while its question is the newest;
that somebody is enrolled is a fact and counts whenever it is told (docs/decisions/portal-answers.md).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import log
from audit.log import SYSTEM, Action
from beckn.door import Door
from beckn.messages import Received
from beckn.models import Outbox
from portals import catalogue, drafts, holding, mandates, matrix, reading, receipts, verifying, viewing
from portals.agency import cases
from portals.models import Application, AssistedCase

logger = logging.getLogger(__name__)
State = Application.State

#: The provider's word could not be checked yet; it is looked at again by `settle`.
UNCHECKED = "UNCHECKED"
#: The credential that came is not what the provider said it is.
FORGED = "FORGED"
#: Nobody answered; the person may ask again (`portals.overdue`).
NO_ANSWER = "NO_ANSWER"
#: Refusals of a confirmation that lacks an agreement.
AGREEMENTS = ("CONSENT_REQUIRED", "CROSS_UTILITY_CONSENT_REQUIRED")
#: An application in one of these is over.
FINAL = ("REJECTED", "CANCELLED", "EXPIRED")


def take(message: Received, *, our_request: Outbox | None, door: Door, now: datetime) -> None:
    """Take one callback; `door.done` is in the transaction of what it changes. No transaction is open here."""
    if message.action in ("on_search", "on_discover"):
        catalogue.take(message, door=door, now=now)
        return
    application = _application_of(message, our_request)
    if application is None and matrix.take(message, our_request=our_request, door=door, now=now):
        return
    if application is None:
        logger.info("a callback belongs to no journey", extra={"action": message.action, "inbox": message.inbox_id})
        return
    told: dict[str, Any] = {
        "message": message.message,
        "at": now.isoformat(),
        "said": str(message.context.get("timestamp", "")),
        "request": our_request.message_id if our_request is not None else "",
    }
    if isinstance(message.body.get("error"), Mapping):
        told["error"] = message.body["error"]
    checked = _checked(application, told, now)

    def change(row: Application) -> None:
        _Taker(row, message.action, told, checked, now).take()

    with transaction.atomic():
        door.done(message, now=now)
        if application.agency_id:  # the case first, as everywhere
            _follow_in_the_case(application, told, now)
        taken = drafts.change(application, None, change, now=now)
    if taken.agency_id:
        cases.settle(taken, now=now)  # a transaction of its own: what is missed here the worker finds


def _follow_in_the_case(application: Application, told: Mapping[str, Any], now: datetime) -> None:
    """What the customer has said to the program owner, for the agency: not me, or no longer (personas EA-4)."""
    case = AssistedCase.objects.select_related("mandate").filter(application=application).first()
    if case is None:
        return
    if reading.is_stopped(told):
        cases.not_me(application, now=now)
    mandates.follow(case, now=now)


def settle(now: datetime) -> int:
    """Look again at confirmations whose credential nobody could check; return how many were looked at."""
    rows = list(
        Application.objects.filter(trouble=UNCHECKED).select_related("program__bpp", "subject").order_by("pk")[:50]
    )
    for application in rows:
        told = application.told.get("on_confirm") or {}
        checked = _checked(application, told, now)

        def change(
            row: Application, told: Mapping[str, Any] = told, checked: dict[str, verifying.Found] = checked
        ) -> None:
            if row.trouble == UNCHECKED:
                _Taker(row, "on_confirm", dict(told), checked, now).take()

        taken = drafts.change(application, None, change, now=now)
        if taken.agency_id:
            cases.settle(taken, now=now)
    return len(rows)


def _application_of(message: Received, our_request: Outbox | None) -> Application | None:
    rows = Application.objects.filter(
        portal=str(message.context.get("bap_id", "")), program__bpp=message.participant
    ).select_related("program__bpp", "subject")
    order = message.message.get("order")
    order_id = order.get("beckn:id") if isinstance(order, Mapping) else ""
    found = rows.filter(order_id=order_id).first() if isinstance(order_id, str) and order_id else None
    if found is None and not order_id and our_request is not None:
        found = rows.filter(asked_message_id=our_request.message_id).first()
    return found


def _checked(application: Application, told: Mapping[str, Any], now: datetime) -> dict[str, verifying.Found]:
    """Every credential that came along, by its id, with what a check of it found."""
    view = reading.enrollment(told)
    found: dict[str, verifying.Found] = {}
    if view.credential is not None and view.credential.data:
        found[view.credential.credential_id] = verifying.of_enrollment(application, view, now)
    consents = [each.credential for each in view.consents if each.credential.data]
    # The enrolment's own verdict stands over what a consent of the same id may say.
    return verifying.of_consents(application, consents, now) | found


class _Taker:
    """One callback and the locked journey it changes."""

    def __init__(
        self,
        row: Application,
        action: str,
        told: dict[str, Any],
        checked: Mapping[str, verifying.Found],
        now: datetime,
    ) -> None:
        self.row, self.action, self.told, self.checked, self.now = row, action, told, checked, now
        self.view = reading.enrollment(told)

    def take(self) -> None:
        request = self.told.get("request", "")
        is_answer = request != "" and request == self.row.asked_message_id
        if not is_answer and not self._counts(request):
            logger.info("a callback came too late", extra={"action": self.action, "application": str(self.row.pk)})
            return
        if is_answer:
            self._close_question()
        if self.action in ("on_select", "on_init"):
            self._keep(self.action)
            if self.row.trouble == NO_ANSWER:
                self.row.trouble = ""
        elif self.action == "on_cancel":
            self._cancelled()
        elif self.view.enrollment_id:
            self._enrolment()
        else:
            self._no_enrolment()

    def _counts(self, request: str) -> bool:
        """Whether what answers no open question still says something about the journey as it is now."""
        row = self.row
        if self.action in ("on_select", "on_init"):
            if request == "":
                return False
            late = row.told.get("given_up", {})  # the question that nobody waits for any more, if all else is as it was
            if late.get("request") == request:
                return bool(late.get("version") == row.version and row.state == State.DRAFT and not row.asked_action)
            return bool(row.told.get(self.action, {}).get("request") == request)
        if self.action == "on_cancel" or self.view.enrollment_id:
            return True
        if request != "":  # an older question about an application: the newer one's answer tells more
            return False
        if row.state == State.CONFIRMING:
            return row.asked_action == "" or self._status() in FINAL
        return row.asked_action == "" and "on_init" in row.told

    def _close_question(self) -> None:
        self.row.asked_action, self.row.asked_message_id, self.row.asked_at = "", "", None

    def _keep(self, name: str) -> None:
        self.row.told = {**self.row.told, name: self.told}

    def _no_enrolment(self) -> None:
        """An order that is not enrolled (yet): what an on_init says, however it is called, and a confirm's refusal."""
        prepared = reading.prepared(self.told)
        self._keep(self.action)
        if self.action == "on_confirm" or self.row.state == State.CONFIRMING:
            self._keep("on_confirm")
            self._not_confirmed(prepared)
        elif self.action == "on_status" and self.row.state == State.DRAFT and prepared.state is not None:
            if self._is_over(prepared):
                self._end(State.DROPPED)
            self.row.told = {**self.row.told, "on_init": self.told}

    def _not_confirmed(self, prepared: reading.PreparedView) -> None:
        if prepared.state is reading.Outcome.WAITING:
            return
        if prepared.refusal is not None and self._status() in FINAL:
            self._end(State.REFUSED)
        else:  # READY still, or something is missing: the customer goes on from there
            self.row.state = State.DRAFT
            self.row.answers = {k: v for k, v in self.row.answers.items() if k != "declared"}
            if prepared.refusal is not None and prepared.refusal.code in AGREEMENTS:
                # What is to be agreed to is not what was asked: only the provider can say what it is now.
                self.row.told = {name: told for name, told in self.row.told.items() if name != "on_init"}
        self.row.trouble = prepared.refusal.code[:64] if prepared.refusal is not None else ""

    def _is_over(self, prepared: reading.PreparedView) -> bool:
        return self._status() in ("CANCELLED", "EXPIRED") and prepared.refusal is None

    def _status(self) -> str:
        order = self.told["message"].get("order")
        return str(order.get("beckn:status", "")) if isinstance(order, Mapping) else ""

    def _enrolment(self) -> None:
        """A message about an enrolment: the first one makes it one, if its credential is good; later ones change it."""
        if self.view.refusal is not None:
            self._keep(self.action)
            self.row.trouble = self.view.refusal.code[:64]
            return
        if self.row.state in (State.DRAFT, State.CONFIRMING) and not self._begin():
            return
        holding.keep(self.row, self.view, self.checked, self.now)
        self.told = holding.without_secrets(self.told)
        self._keep(self.action)
        if self.view.update_type:  # of each kind the newest: a consent's update does not hide a planned end
            self._keep(f"{self.action}:{self.view.update_type}")
        if self.action != "on_confirm" and not self._is_older_than(self.row.told.get("now", {})):
            self.row.told = {**self.row.told, "acts": viewing.acts_after(self.row.told, self.told, self.now)}
            self._keep("now")
        if self.row.answers.get("adding") is not None and self.view.update_type in ("ADD_METER", "REMOVE_METER"):
            self._meters_changed()
        self._withdrawals()
        if self.view.status in ("CANCELLED", "EXPIRED", "ENDED"):
            receipts.ended(self.row, self.view.cancelled_at or self.now)
            self._end(State.ENDED)

    def _is_older_than(self, other: Mapping[str, Any]) -> bool:
        """Whether the provider said this before the other."""
        mine, theirs = (reading.instant(each.get("said")) for each in (self.told, other))
        return mine is not None and theirs is not None and mine < theirs

    def _meters_changed(self) -> None:
        """From here on the enrolment is about the meters that the provider named."""
        answers = {key: value for key, value in self.row.answers.items() if key != "adding"}
        enrolled = [line.meter_id for line in self.view.meters if line.status in ("ENROLLED", "")]
        self.row.answers = {**answers, "meters": enrolled or answers.get("meters", [])}

    def _begin(self) -> bool:
        issued = self.view.credential
        found = self.checked.get(issued.credential_id) if issued is not None else None
        if found is None and self.action != "on_confirm":
            return False  # news of an enrolment whose confirmation, with the credential, is still on its way
        found = found or verifying.Found("NO_CREDENTIAL")
        if found.problem:
            self.row.told = {**self.row.told, "on_confirm": self.told}
            self.row.trouble = UNCHECKED if found.is_open else FORGED
            if not found.is_open:
                facts = {"application": str(self.row.pk), "problem": found.problem}
                logger.error("a provider's confirmation does not hold", extra=facts)
                log.record(
                    Action.CREDENTIAL_DISBELIEVED,
                    actor=SYSTEM,
                    at=self.now,
                    subject=str(self.row.subject_id),
                    object_type="application",
                    object_id=str(self.row.pk),
                    details={"problem": found.problem, "participant": self.row.program.bpp.subscriber_id},
                )
            return False
        if self.row.asked_action in ("confirm", "status", "init"):
            self._close_question()  # whatever else we asked meanwhile: this settles it
        self.row.state, self.row.trouble = State.ENROLLED, ""
        self.row.enrollment_id, self.row.order_number = self.view.enrollment_id[:255], self.view.order_number[:64]
        self.row.told = {**self.row.told, "on_confirm": holding.without_secrets(self.told)}
        return True

    def _withdrawals(self) -> None:
        for key, at in holding.withdrawn(self.row, self.told, self.now):
            receipts.withdrawn(self.row, key, at, reference=self.view.log_reference)

    def _cancelled(self) -> None:
        self._keep("on_cancel")
        if self.view.refusal is None:
            self._end(State.ENDED if self.row.enrollment_id else State.DROPPED)

    def _end(self, state: str) -> None:
        self.row.state, self.row.finished_at = state, self.row.finished_at or self.now
