"""A customer's control over who may act for them: what they have allowed, and taking it back at once.

Signed in, or by the address in a message of ours, which is good for that one mandate. Source: issue 6 points 4 and 5.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import formats, translation
from django.utils.translation import gettext as _

from identity import contacts, mandates
from identity.encryption import blind_index
from identity.models import Mandate, Membership, Subject
from portals import houses, reading
from portals.agency import cases, papers
from portals.models import AssistedCase, CatalogProgram, MandateLink, MandatePaper

#: How long a message's address takes its mandate back, where that does not end sooner.
LINK_LASTS = timedelta(days=90)
#: How often and how long we try to write to a customer about a paper.
TELL_AT_ONCE, GIVE_UP_AFTER = 20, timedelta(days=7)
#: After so long a utility that does not answer is asked again in so many seconds of each minute only.
SOON, SECONDS_OF_A_MINUTE = timedelta(minutes=2), 6
LIVING = (Mandate.State.ACTIVE, Mandate.State.PENDING)


@dataclass(frozen=True)
class Shown:
    """A mandate as its customer reads it. `text` is empty where we do not know the very words that were shown."""

    mandate: Mandate
    program: str
    utility: str
    agent: str
    state: str
    zone: str
    text: tuple[str, ...]

    @property
    def is_living(self) -> bool:
        return self.state in ("ACTIVE", "PENDING")


def of_person(subject: Subject | None, now: datetime, locale: str) -> list[Shown]:
    """What this person has allowed, the newest first."""
    return [shown(each, now, locale) for each in mandates.of_person(subject)] if subject is not None else []


def one_of(subject: Subject | None, mandate_id: str) -> Mandate | None:
    """A mandate of this person; None for anybody else's."""
    return mandates.of_person(subject).filter(mandate_id=mandate_id).first() if subject is not None else None


def shown(mandate: Mandate, now: datetime, locale: str) -> Shown:
    state = str(mandate.state)
    if state in ("ACTIVE", "PENDING") and mandate.valid_until <= now:
        state = "OVER"
    program = CatalogProgram.objects.filter(program_id=mandate.program_id).order_by("pk").first()
    name = reading.program(program.item, locale).name if program is not None else mandate.program_id
    house = houses.house_of(mandate.utility_id)
    utility = house.name if mandate.utility_id else ""
    member = Membership.objects.filter(agency=mandate.agency, operator_id=mandate.operator_id).first()
    agent = (member.name or member.operator_id) if member is not None else mandate.operator_id
    words = mandates.text(
        mandate.agency, agent, _name_as_agreed(program, mandate), mandate.valid_until, mandate.locale, mandate.actions
    )
    same = words.digest == mandate.text_digest
    return Shown(mandate, name, utility, agent, state, house.time_zone, words.paragraphs if same else ())


def _name_as_agreed(program: CatalogProgram | None, mandate: Mandate) -> str:
    return reading.program(program.item, mandate.locale).name if program is not None else mandate.program_id


@transaction.atomic
def take_back(mandate: Mandate, *, now: datetime) -> Mandate:
    """End it: the agency's next act is refused; the agency sees it at its cases. What was done stays."""
    was_living = mandate.state in LIVING
    kept = mandates.revoke(mandate, by=mandates.CUSTOMER, now=now)
    if was_living and kept.state == Mandate.State.REVOKED:
        papers.taken_back(kept, now=now)
        cases.taken_back(kept, now=now)
    return kept


def follow(case: AssistedCase, *, now: datetime) -> None:
    """See to a case whose mandate was taken back elsewhere: by the address in the program owner's notice."""
    if case.mandate is not None and case.mandate.state == Mandate.State.REVOKED:
        papers.taken_back(case.mandate, now=now)
        cases.taken_back(case.mandate, now=now)


# --- by an address ---------------------------------------------------------------------------------------------------


def make_link(mandate: Mandate, now: datetime) -> str:
    """The address that takes this mandate back; kept is only its digest.

    The token is derived with our key, so that a message that is sent again carries the same address.
    """
    derived = blind_index(mandate.mandate_id, purpose="mandate-link")
    token = base64.urlsafe_b64encode(derived).decode().rstrip("=")
    until = min(mandate.valid_until, now + LINK_LASTS)
    MandateLink.objects.get_or_create(
        token_digest=_digest(token), defaults={"mandate": mandate, "made_at": now, "expires_at": until}
    )
    return f"{settings.PUBLIC_URL}{reverse('mandate-link', args=[token])}"


def by_token(token: str, now: datetime) -> Mandate | None:
    """The mandate that an address is about; None for one that was never made or has run out."""
    found = MandateLink.objects.select_related("mandate__agency").filter(
        token_digest=_digest(token), expires_at__gt=now
    )
    link = found.first()
    return link.mandate if link is not None else None


def forget_links(now: datetime) -> int:
    count, _kinds = MandateLink.objects.filter(expires_at__lte=now).delete()
    return count


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


# --- telling ---------------------------------------------------------------------------------------------------------


def tell(now: datetime) -> int:
    """Write to those in whose name a paper was approved, at the contact their utility has; returns how many.

    They may never have seen it: of a sign-in or a code they know.
    """
    due = MandatePaper.objects.filter(
        state=MandatePaper.State.APPROVED, told_at=None, reviewed_at__gt=now - GIVE_UP_AFTER
    ).select_related("mandate__agency", "mandate__subject", "case__program")
    if now.second >= SECONDS_OF_A_MINUTE:
        due = due.filter(reviewed_at__gt=now - SOON)
    count = 0
    silent: set[str] = set()
    for paper in due.order_by("reviewed_at", "pk")[:TELL_AT_ONCE]:
        utility_id = paper.case.utility_id
        if utility_id in silent:
            continue
        if not _written(paper, now):
            silent.add(utility_id)
            continue
        count += MandatePaper.objects.filter(pk=paper.pk, told_at=None).update(told_at=now)
    return count


def _written(paper: MandatePaper, now: datetime) -> bool:
    mandate = paper.mandate
    locale = mandate.subject.locale or mandate.locale or "en"
    with translation.override(locale):
        said = {
            "agency": mandate.agency.name or mandate.agency.agency_id,
            "program": reading.program(paper.case.program.item, locale).name,
            "day": formats.date_format(mandate.valid_until.date(), "DATE_FORMAT"),
            "link": make_link(mandate, now),
        }
        title = _("An agency may act for you: %(program)s") % said
        text = (
            _(
                "The agency %(agency)s has shown us a paper with your name and signature. By it, it may act for you in"
                " %(program)s until %(day)s. Was it not you, or have you changed your mind? Open %(link)s and take it"
                " back."
            )
            % said
        )
    return contacts.write(
        paper.case.utility_id,
        subject=mandate.subject,
        template="mandate-on-paper",
        locale=locale,
        parameters={"agency": mandate.agency.agency_id, "mandateUrl": said["link"]},
        title=title,
        text=text,
        notice_id=str(paper.pk),
    )
