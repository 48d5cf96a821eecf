"""What a provider answers to our portals: each callback is joined to its journey and taken once.

A callback counts for the journey whose provider sent it and whose portal it names, and nowhere else: that its sender is
who it says has been proven at the door. What nobody asked for (`on_status`, `on_update`) is joined by the order.
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
from portals import catalogue, drafts, holding, matrix, reading, receipts, verifying, viewing
from portals.models import Application

logger = logging.getLogger(__name__)
State = Application.State

#: The provider's word could not be checked yet; it is looked at again by `settle`.
UNCHECKED = "UNCHECKED"
#: The credential that came is not what the provider said it is.
FORGED = "FORGED"


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
    told = {"message": message.message, "at": now.isoformat()}
    if isinstance(message.body.get("error"), Mapping):
        told["error"] = message.body["error"]
    checked = _checked(application, told, now)
    request_id = our_request.message_id if our_request is not None else ""

    def change(row: Application) -> None:
        if request_id and row.asked_message_id and request_id != row.asked_message_id:
            return  # the answer to an older question: a newer one is open, and its answer counts
        _Taker(row, message.action, told, checked, now).take()

    with transaction.atomic():
        door.done(message, now=now)
        drafts.change(application, None, change, now=now)


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

        drafts.change(application, None, change, now=now)
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
    return found | verifying.of_consents(application, consents, now)


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
        answered = self.row.asked_action == self.action.removeprefix("on_")
        if answered:
            self.row.asked_action, self.row.asked_message_id, self.row.asked_at = "", "", None
        if self.action == "on_select":
            self._keep("on_select")
        elif self.action == "on_init":
            self._keep("on_init")
        elif self.action == "on_cancel":
            self._cancelled()
        elif self.view.enrollment_id:
            self._enrolment(answered)
        else:
            self._no_enrolment(answered)

    def _keep(self, name: str) -> None:
        self.row.told = {**self.row.told, name: self.told}

    def _no_enrolment(self, answered: bool) -> None:
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
        if prepared.refusal is not None and self._status() in ("REJECTED", "CANCELLED"):
            self._end(State.REFUSED)
        else:  # READY still, or something is missing: the customer goes on from there
            self.row.state = State.DRAFT
            self.row.answers = {k: v for k, v in self.row.answers.items() if k != "declared"}
        self.row.trouble = prepared.refusal.code[:64] if prepared.refusal is not None else ""

    def _is_over(self, prepared: reading.PreparedView) -> bool:
        return self._status() in ("CANCELLED", "EXPIRED") and prepared.refusal is None

    def _status(self) -> str:
        order = self.told["message"].get("order")
        return str(order.get("beckn:status", "")) if isinstance(order, Mapping) else ""

    def _enrolment(self, answered: bool) -> None:
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
            self.row.told = {**self.row.told, "acts": viewing.acts_after(self.row.told, self.told, self.now)}
        if self.action != "on_confirm":
            self.row.told = {**self.row.told, "now": self.told}
        self._withdrawals()
        if self.view.status in ("CANCELLED", "EXPIRED", "ENDED"):
            receipts.ended(self.row, self.view.cancelled_at or self.now)
            self._end(State.ENDED)

    def _begin(self) -> bool:
        issued = self.view.credential
        found = self.checked.get(issued.credential_id) if issued is not None else None
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
