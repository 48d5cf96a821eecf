"""What follows for an agency's cases when somebody, or the whole agency, is suspended; whoever suspended them.

The rows say what is due, so nothing has to be told: every worker looks, and what one has begun another finishes.

- An agent who is suspended or switched off: their open cases are nobody's, and colleagues find them on the desk.
- An agency that is suspended: its open cases are closed to it, drafts end and give back what they held (the program
  owner ends its orders itself, `enrollment.agency_suspensions`), and each customer who had agreed is told by their
  utility that this agency cannot help further, and how to go on without it. A case whose enrolment is just being
  confirmed is left until the answer is here; enrolments stay.

Source: issue 6 point 8, personas EA-7.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from identity import contacts
from identity.inserting import insert_if_new
from identity.models import Agency, Membership
from portals import houses, reading
from portals.agency import cases
from portals.models import Application, AssistedCase, CaseLetter

logger = logging.getLogger(__name__)
State = AssistedCase.State
AT_ONCE, SECONDS_AT_ONCE = 100, 1.0
LETTER = "agency-suspended"
FIRST_PAUSE = timedelta(minutes=1)  # doubled with each try
LONGEST_PAUSE = timedelta(hours=6)
MOST_TRIES = 20  # some three days


def follow(now: datetime) -> int:
    """Do what is due; return how many cases changed and letters went. Safe to run twice at once."""
    changed = _each(_of_stopped_people(now), _nobodys, now) + _each(_of_stopped_agencies(now), _closed, now)
    return changed + _write(now)


def is_due(now: datetime) -> bool:
    """Whether `follow` would find something."""
    return _of_stopped_people(now).exists() or _of_stopped_agencies(now).exists() or _letters(now).exists()


def closed_by_suspension(agency: Agency | None = None) -> QuerySet[AssistedCase]:
    """The cases that suspensions have closed, the newest first: whom the program owner and the utility look after."""
    found = AssistedCase.objects.filter(state=State.CLOSED, outcome=cases.SUSPENDED)
    found = found.select_related("agency", "program", "application", "letter")
    return (found.filter(agency=agency) if agency is not None else found).order_by("-closed_at", "pk")


# --- cases -----------------------------------------------------------------------------------------------------------


def _of_stopped_people(now: datetime) -> QuerySet[AssistedCase]:
    """Open cases of people who may not act, in agencies that may."""
    stopped = Membership.objects.filter(Q(active=False) | Q(suspended_at__lte=now), agency__suspended_at=None)
    return AssistedCase.objects.filter(operator__in=stopped, not_me_at=None).exclude(state=State.CLOSED)


def _of_stopped_agencies(now: datetime) -> QuerySet[AssistedCase]:
    """Open cases of agencies that may not act, but for those whose enrolment is just being confirmed."""
    rows = AssistedCase.objects.filter(agency__suspended_at__lte=now, not_me_at=None).exclude(state=State.CLOSED)
    rows = rows.exclude(application__state=Application.State.CONFIRMING)
    # A file's cases that nobody has agreed in may be 100,000: the worker of imports closes them by batches.
    return rows.exclude(source=AssistedCase.Source.IMPORT, state=State.PROVING, subject=None, operator=None)


def _letters(now: datetime) -> QuerySet[CaseLetter]:
    return CaseLetter.objects.filter(sent_at=None, given_up_at=None, due_at__lte=now)


def _each(rows: QuerySet[AssistedCase], do: Callable[[AssistedCase, datetime], bool], now: datetime) -> int:
    """Do one case after the other for a while; one that fails is logged and does not stop the others."""
    changed, last, began = 0, None, time.monotonic()
    while time.monotonic() - began < SECONDS_AT_ONCE:
        batch = list(
            (rows.filter(pk__gt=last) if last else rows).select_related("application").order_by("pk")[:AT_ONCE]
        )
        for case in batch:
            try:
                changed += do(case, now)
            except Exception:  # the next look tries this one again
                logger.exception("a case could not follow a suspension", extra={"row": str(case.pk)})
        if len(batch) < AT_ONCE:
            break
        last = batch[-1].pk
    return changed


def _nobodys(case: AssistedCase, now: datetime) -> bool:
    try:
        return cases.assign(case, None, by=None, now=now).operator_id is None
    except cases.NotPossible:  # closed, or stopped by its customer, in this moment
        return False


@transaction.atomic
def _closed(case: AssistedCase, now: datetime) -> bool:
    is_one = Agency.objects.select_for_update(of=("self",), no_key=True).filter(pk=case.agency_id)
    if not is_one.filter(suspended_at__lte=now).exists():
        return False  # lifted in this moment
    kept = cases.close(case, cases.SUSPENDED, now)
    if kept.outcome != cases.SUSPENDED:
        return False
    if kept.subject_id is not None:
        # Of the order the program owner tells; here is told whoever has none yet.
        has_order = kept.application is not None and kept.application.told.get("on_init")
        if not has_order:
            insert_if_new(CaseLetter(case=kept, made_at=now, due_at=now), unique=("case",))
    return True


# --- letters ---------------------------------------------------------------------------------------------------------


def _write(now: datetime) -> int:
    """Send what is due, for a while: a utility that is slow holds up the others only so long."""
    count, began = 0, time.monotonic()
    while time.monotonic() - began < SECONDS_AT_ONCE and (row := _claimed(now)) is not None:
        count += _send(row, now)
    return count


def _claimed(now: datetime) -> CaseLetter | None:
    """Take one for a while: who crashes with it leaves it to the next."""
    with transaction.atomic():
        row = _letters(now).select_for_update(skip_locked=True, of=("self",)).order_by("due_at").first()
        if row is not None:
            pause = min(FIRST_PAUSE * 2 ** min(row.tries, 16), LONGEST_PAUSE)
            CaseLetter.objects.filter(pk=row.pk).update(due_at=now + pause, tries=F("tries") + 1)
            row.tries += 1
    return row


def _send(row: CaseLetter, now: datetime) -> bool:
    case = AssistedCase.objects.select_related("agency", "program", "subject").get(pk=row.case_id)
    unsent = CaseLetter.objects.filter(pk=row.pk, sent_at=None, given_up_at=None)
    locale = case.locale or "en"
    title, text, parameters = words(case, locale)
    is_sent = contacts.write(
        case.utility_id,
        subject=case.subject,
        template=LETTER,
        locale=locale,
        parameters=parameters,
        title=title,
        text=text,
        notice_id=f"case-letter-{row.pk}",
    )
    if is_sent:
        unsent.update(sent_at=now)
    elif row.tries >= MOST_TRIES:
        logger.error("a letter to a customer is given up", extra={"letter": str(row.pk)})
        unsent.update(given_up_at=now)
    return is_sent


def words(case: AssistedCase, locale: str) -> tuple[str, str, dict[str, str]]:
    """Title, text and parameters of what the customer is told, in their language."""
    with translation.override(locale):
        house = houses.house_of(case.utility_id)
        address = f"{settings.PUBLIC_URL}{reverse('portal-programs')}"
        named = {
            "agency": case.agency.name or case.agency.agency_id,
            "program": reading.program(case.program.item, locale).name or case.program.program_id,
            "address": address,
            "phone": house.phone,
        }
        title = _("%(agency)s cannot help you further") % named
        paragraphs = [
            _("%(agency)s may not act for customers at the moment. What it began for you in “%(program)s” has been"
              " closed. Nothing was agreed, and you are enrolled in nothing by it.") % named,
            _("You can go on yourself: open %(address)s and sign in with your electricity company. Or ask another"
              " agency.") % named,
        ]  # fmt: skip
        if house.phone:
            paragraphs.append(_("Questions? Call %(phone)s.") % named)
    return title, "\n\n".join(paragraphs), {key: value for key, value in named.items() if value}
