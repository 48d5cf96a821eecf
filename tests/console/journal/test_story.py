"""The story of one enrolment, from whatever reference an auditor has in hand."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from audit.log import Action, Actor, ActorKind, Channel, record
from audit.models import Event
from credentials import publishing
from enrollment.models import Consent, Document, Enrollment
from identity.staff import Role
from tests.console.messages.rows import came, owed, peer
from tests.enrollment.conftest import bare_world, nothing_remembered, running_utility, utility, world  # noqa: F401
from tests.enrollment.world import World
from tests.factories import NOON, PORTAL
from tests.staff import Desk, desk

STORY = "/admin/journal/story/"


@pytest.fixture
def auditor(db: None) -> Desk:
    return desk(Role.AUDITOR)


@pytest.fixture
def told(world: World) -> Enrollment:  # noqa: F811
    """An enrolment with messages of its order, ended after an hour, its lists published."""
    world.enrolled(1)
    found = Enrollment.objects.select_related("case", "credential").get()
    portal = peer(PORTAL)
    asked = {"order": {"beckn:id": "order-1", "beckn:buyer": {"beckn:person": "sealed:0"}}}
    more: dict[str, Any] = {"transaction_id": "tx-1", "at": NOON}
    message = came(portal, body={"context": {"bap_id": PORTAL}, "message": asked}, **more)
    owed(portal, in_answer_to=message, state="DONE", done_at=NOON, sent_at=NOON, **more)
    came(portal, body={"message": {"order": {"beckn:id": "order-2"}}}, message_id="of-another-order", **more)
    refused: dict[str, Any] = {"code": "SIGNATURE_INVALID", "why": "AHEAD", "seconds": 12, "allowed_seconds": 5}
    refused |= {"transaction_id": "tx-1", "message_id": "m-0", "action": "confirm"}
    actor = Actor(ActorKind.PARTICIPANT, PORTAL, Channel.PORTAL)
    record(Action.MESSAGE_REFUSED, actor=actor, at=NOON, object_type="message", details=refused)
    world.end(1, now=NOON + timedelta(hours=1), reason="MOVED_AWAY")
    publishing.publish_due(NOON + timedelta(hours=1, seconds=2))
    found.refresh_from_db()
    return found


def text_of(response: Any) -> str:
    body = re.sub(r"<nav id=\"console-menu\".*?</nav>", "", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_every_reference_leads_to_the_same_story(auditor: Desk, told: Enrollment) -> None:
    consent = Consent.objects.get()
    line = Event.objects.filter(object_type="enrollment").earliest("pk")
    references = [
        told.order_number,
        told.order_number.lower(),
        told.enrollment_id,
        "order-1",
        str(told.credential_id),
        told.credential.url,
        str(consent.credential_id),
        consent.consent_id,
        line.reference,
        f"case:{told.case_id}",
        f" {told.order_number} ",
    ]
    for reference in references:
        answer = auditor.get(STORY, {"of": reference})
        assert f"The story of {told.order_number}" in text_of(answer), reference
    unknown = auditor.get(STORY, {"of": "ENR-0000-000000"})
    assert unknown.status_code == 200 and "No application and no enrolment is known" in text_of(unknown)
    assert auditor.get(STORY, {"of": "log-nonsense"}).status_code == 200


def test_a_story_has_everything_in_the_order_of_time(auditor: Desk, told: Enrollment) -> None:
    answer = auditor.get(STORY, {"of": told.order_number})
    entries = answer.context["story"].entries
    kinds = {each.kind for each in entries}
    assert kinds >= {
        "Message received",
        "Message to send",
        "Message refused",
        "Checked",
        "Consent",
        "Credential issued",
        "Credential revoked",
        "List published",
        "Customer told",
        "Journal",
    }
    assert [each.at for each in entries] == sorted(each.at for each in entries)
    text = text_of(answer)
    assert f"holds: checked when it came, with key k1 of {PORTAL}" in text
    assert "Created 12 s in the future by our clock" in text, "why the first try was refused, in words"
    credential = told.credential
    assert f"list enrolment {credential.status_list.number}, index {credential.status_index}" in text.lower()
    assert "After: 2.0 s" in text and "Ended" in text and "Enrolled" in text
    assert "of-another-order" not in text, "the same transaction, another order"


def test_what_messages_say_is_shown_masked_and_only_after_it_was_written_down(auditor: Desk, told: Enrollment) -> None:
    before = auditor.get(STORY, {"of": told.order_number})
    assert "What it says" not in text_of(before) and not Event.objects.filter(action="message.read").exists()
    opened = auditor.post(STORY, {"of": f"case:{told.case_id}"})
    shown = opened.content.decode()
    assert "What it says" in shown and "kept apart, encrypted" in shown and "sealed:0" not in shown
    line = Event.objects.get(action="message.read")
    assert (line.actor_id, line.object_type, line.object_id) == (
        str(auditor.member.user_id),
        "case",
        str(told.case_id),
    )
    for page in (before, opened):
        assert "did:example:user-12345" not in page.content.decode(), "a person's DID is masked"


def test_a_story_of_an_application_that_came_to_nothing_is_told_too(auditor: Desk, world: World) -> None:  # noqa: F811
    world.prepare(world.application(7))
    answer = auditor.get(STORY, {"of": "order-7"})
    assert answer.status_code == 200 and "The story of order-7" in text_of(answer)
    assert not Document.objects.exists() and answer.context["story"].enrollment is None
