"""Whoever asked about their data is written to when the answer is there, through their utility, once."""

from __future__ import annotations

from typing import Any

from audit import clock
from audit.log import SYSTEM
from identity import people_requests
from identity.models import PersonRequest, Subject
from portals import answers
from tests.enrollment.conftest import running_utility, utility
from tests.enrollment.utility import Utility
from tests.portals.kept import SECRET, person

__all__ = ["running_utility", "utility"]


def test_the_message_leads_to_the_answer_and_says_nothing_of_it_and_waits_for_a_silent_utility(
    db: None, utility: Utility, settings: Any
) -> None:
    now = clock.now()
    subject, _ = person(now, "did:example:neighbour-bina")
    row = people_requests.ask(subject, "EXPORT", actor=SYSTEM, now=now)
    assert answers.tell(now) == 0, "nothing is answered yet"
    people_requests.give_copy(row.public_id, by="somebody", actor=SYSTEM, now=now, note="Only for Bina.")
    known, settings.UTILITIES = settings.UTILITIES, []
    assert answers.tell(now) == 0 and PersonRequest.objects.get().told_at is None, "nobody answers: again later"
    settings.UTILITIES = known
    assert answers.tell(now) == 1
    assert answers.tell(now) == 0 and PersonRequest.objects.get().told_at == now
    (told,) = utility.notices
    assert (told["template"], told["locale"]) == ("data-request-answered", "hi")
    assert f"/my-data/requests/{row.public_id}" in told["text"]
    assert SECRET not in str(told) and "Only for Bina." not in str(told)


def test_whoever_was_merged_into_another_record_meanwhile_is_written_to_as_well(db: None, utility: Utility) -> None:
    now = clock.now()
    first = Subject.objects.create()
    row = people_requests.ask(first, "EXPORT", actor=SYSTEM, now=now)
    living, _ = person(now, "did:example:neighbour-bina")
    Subject.objects.filter(pk=first.pk).update(merged_into=living)
    people_requests.give_copy(row.public_id, by="somebody", actor=SYSTEM, now=now)
    assert answers.tell(now) == 1
    assert [each["locale"] for each in utility.notices] == ["hi"]
