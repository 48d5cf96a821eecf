"""A mandate is one customer's word to one agency: for certain acts, a program, a utility, a time; and taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.log import SYSTEM
from audit.models import Event
from identity import agencies, mandates, people
from identity.agencies import Details, Operator
from identity.models import Mandate, Membership, Subject

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
FLEX, UTILITY = "program-flex-demand-response-001", "utility-example-001"

pytestmark = pytest.mark.django_db


def an_agency(agency_id="ea-001", **changes):
    details = {"name": "Helping Hands", "certified_from": NOW - timedelta(days=30)}
    details["operators"] = [Operator("op-1"), Operator("op-3", role="REVIEWER")]
    return agencies.add(agency_id, Details(**{**details, **changes}), actor=SYSTEM, at=NOW)


def a_mandate(**changes):
    usual = {
        "subject": Subject.objects.for_did("did:example:asha"),
        "agency": changes.pop("agency", None) or an_agency(),
        "operator_id": "op-1",
        "utility_id": UTILITY,
        "program_id": FLEX,
        "now": NOW,
        "evidence_kind": "OIDC",
        "evidence_digest": "ab" * 32,
    }
    return mandates.give(**{**usual, **changes})


def proven(mandate_id, **changes):
    usual = {"agency_id": "ea-001", "operator_id": "op-1", "action": "init", "program_id": FLEX}
    return mandates.prove(mandate_id, **{**usual, "utility_ids": [UTILITY], "at": NOW, **changes})


def actions():
    return list(Event.objects.filter(object_type="mandate").order_by("pk").values_list("action", flat=True))


def test_a_mandate_is_worth_what_it_says_and_names_whose_word_it_is():
    mandate = a_mandate()

    assert proven(mandate.mandate_id) == mandate
    assert proven(mandate.mandate_id).subject.did == "did:example:asha"
    event = Event.objects.get(action="mandate.given")
    assert (event.actor_kind, event.actor_id, event.channel) == ("AGENCY", "ea-001", "EA")
    assert event.subject == event.on_behalf_of == str(mandate.subject_id)
    assert event.details and event.details["operator"] == "op-1" and "asha" not in str(event.details)


@pytest.mark.parametrize(
    ("reason", "question"),
    [
        ("UNKNOWN", {"agency_id": "ea-002"}),
        ("OPERATOR", {"operator_id": "op-2"}),
        ("OPERATOR", {"operator_id": ""}),
        ("PROGRAM", {"program_id": "program-v2g-001"}),
        ("UTILITY", {"utility_ids": [UTILITY, "utility-example-002"]}),
        ("ACTION", {"action": "rating"}),
        ("NOT_YET", {"at": NOW - timedelta(seconds=1)}),
        ("EXPIRED", {"at": NOW + timedelta(days=90)}),
    ],
)
def test_a_mandate_for_something_else_is_worth_nothing(reason, question):
    mandate = a_mandate()
    an_agency("ea-002")

    assert proven(mandate.mandate_id, **question) == reason


def test_a_guessed_mandate_is_told_like_another_agencys():
    a_mandate()

    assert proven("mandate-00000000-0000-0000-0000-000000000000") == proven("") == proven("a\x00b") == "UNKNOWN"


def test_a_mandate_taken_back_counts_no_more_and_the_first_time_stays():
    mandate = a_mandate()

    mandates.revoke(mandate, by="CUSTOMER", now=NOW)
    again = mandates.revoke(mandate, by="AGENCY", now=NOW + timedelta(days=1))

    assert proven(mandate.mandate_id) == "REVOKED"
    assert (again.revoked_at, again.revoked_by) == (NOW, "CUSTOMER")
    assert actions() == ["mandate.given", "mandate.revoked"]
    assert Event.objects.get(action="mandate.revoked").actor_kind == "PERSON"


def test_one_on_paper_counts_only_after_somebody_else_has_looked_at_it():
    mandate = a_mandate(evidence_kind="DOCUMENT", state="ACTIVE")
    uploader = Membership.objects.get(operator_id="op-1")
    reviewer = Membership.objects.get(operator_id="op-3")

    assert proven(mandate.mandate_id) == "PENDING"
    with pytest.raises(mandates.NotPossible, match="OWN"):
        mandates.approve(mandate, reviewer=uploader, now=NOW)
    mandates.approve(mandate, reviewer=reviewer, now=NOW)
    with pytest.raises(mandates.NotPossible, match="STATE"):
        mandates.refuse(mandate, reviewer=reviewer, now=NOW)

    assert proven(mandate.mandate_id) == mandate
    assert (Event.objects.get(action="mandate.approved").details or {})["operator"] == "op-3"


def test_one_on_paper_that_is_refused_never_counts():
    mandate = a_mandate(evidence_kind="DOCUMENT")

    mandates.refuse(mandate, reviewer=Membership.objects.get(operator_id="op-3"), now=NOW)

    assert proven(mandate.mandate_id) == "REFUSED"
    assert mandates.revoke(mandate, by="AGENCY", now=NOW).state == Mandate.State.REFUSED


def test_its_words_name_agency_agent_program_acts_and_the_end_and_are_kept_by_their_digest():
    agency, until = an_agency(), NOW + timedelta(days=90)

    words = mandates.text(agency, "Meena R.", "Flexible Summer", until, "en")
    mandate = a_mandate(agency=agency, words=words, locale="en")

    whole = " ".join(words.paragraphs)
    assert all(said in whole for said in ("Helping Hands", "Meena R.", "Flexible Summer", "30 November 2026"))
    assert "take it back" in whole and "apply in my name" in whole and len(words.paragraphs) == 5
    assert (mandate.text_version, mandate.text_digest) == (words.version, words.digest)
    assert mandates.text(agency, "Meena S.", "Flexible Summer", until, "en").digest != words.digest
    assert "end it" not in " ".join(mandates.text(agency, "", "", until, "en", ("select", "init")).paragraphs)


def test_nobody_mandates_anything_in_general():
    for missing in ("operator_id", "utility_id", "program_id", "evidence_digest"):
        with pytest.raises(ValueError, match="names"):
            a_mandate(**{missing: ""})


def test_a_mandate_follows_its_person_when_two_accounts_turn_out_to_be_one():
    mandate = a_mandate(subject=Subject.objects.for_did("https://idp.example.com#1"))
    asha = Subject.objects.for_did("did:example:asha")

    people.joined(Subject.objects.get(did="https://idp.example.com#1"), asha, now=NOW)

    assert list(mandates.of_person(asha)) == [mandate]
    assert proven(mandate.mandate_id).subject == asha
