"""Search, select, consent texts and support: what there is and whom to ask. Reads only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit.log import SYSTEM
from enrollment import services
from enrollment.catalog import MAX_RESULTS
from enrollment.commands import Assistance, SearchPrograms, SelectProgram
from enrollment.results import Refused, Selected
from identity import agencies
from tests.enrollment.world import World
from tests.factories import (
    FLEX,
    LONG_AGO,
    NOON,
    OTHER_FLEX,
    PORTAL,
    PROVIDER,
    SIGNED_IN,
    UTILITY_A,
    UTILITY_B,
    a_program,
    consent_text,
)

pytestmark = pytest.mark.django_db


def found(**asked: Any) -> list[str]:
    return [e.program_id for e in services.search(SearchPrograms(**asked), now=NOON).entries]


@pytest.fixture
def programs() -> None:
    a_program(FLEX, name="Demand Flexibility", short_description="Use less when the grid asks")
    a_program(OTHER_FLEX, name="Evening Peak", utilities=[UTILITY_B], regions=["north-1"])
    a_program("program-anywhere", provider_id="provider-2", name="Anywhere", utilities=[])


def test_an_empty_question_finds_all_open_programs_in_the_order_of_their_ids(programs: None) -> None:
    assert found() == ["program-anywhere", FLEX, OTHER_FLEX]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"text": "flexibility"}, [FLEX]),
        ({"text": "GRID less"}, [FLEX]),
        ({"text": "grid evening"}, []),
        ({"text": "program-anywhere"}, ["program-anywhere"]),
        ({"kind": "demand_flex"}, ["program-anywhere", FLEX, OTHER_FLEX]),
        ({"kind": "P2P"}, []),
        ({"provider_id": PROVIDER}, [FLEX, OTHER_FLEX]),
        ({"utility_id": UTILITY_A}, ["program-anywhere", FLEX]),
        ({"utility_id": UTILITY_B}, ["program-anywhere", OTHER_FLEX]),
        ({"region": "south-1"}, ["program-anywhere", FLEX]),
        ({"text": "' OR 1=1 --"}, []),
        ({"text": "%"}, []),
        ({"text": "a " * 5000}, ["program-anywhere", FLEX, OTHER_FLEX]),
    ],
)
def test_every_part_of_a_question_narrows(programs: None, asked: dict[str, str], expected: list[str]) -> None:
    assert found(**asked) == expected


def test_closed_and_unpublished_programs_are_not_found() -> None:
    a_program("draft", state="DRAFT", published_at=None)
    a_program("retired", state="RETIRED")
    a_program("closed", closes_at=NOON)
    a_program("not-yet", opens_at=NOON + timedelta(seconds=1))
    a_program("open", opens_at=NOON, closes_at=NOON + timedelta(seconds=1))

    assert found() == ["open"]


def test_finding_many_programs_takes_few_questions_to_the_database(django_assert_max_num_queries: Any) -> None:
    for n in range(30):
        a_program(f"program-{n:02}")
    assert len(found()) == 30

    with django_assert_max_num_queries(1):
        found()


def test_who_asks_for_closed_programs_too_is_told_when_they_open_again() -> None:
    a_program("closed-for-good", closes_at=NOON)
    a_program("closed-for-now", closes_at=NOON, presentation={"reopensAt": "2027-03-01T00:00:00Z"})
    a_program("not-yet", opens_at=NOON + timedelta(days=1))
    a_program("open")

    entries = services.search(SearchPrograms(with_closed=True), now=NOON).entries

    assert [(e.program_id, e.is_open, e.presentation.get("reopensAt")) for e in entries] == [
        ("closed-for-now", False, "2027-03-01T00:00:00Z"),
        ("not-yet", False, (NOON + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("open", True, None),
    ]


def selected(program_id: str = FLEX, provider_id: str = PROVIDER) -> Selected | Refused:
    from enrollment.commands import OrderRef

    return services.select(SelectProgram(OrderRef(PORTAL, "order-1"), program_id, provider_id), now=NOON)


def test_a_selected_program_tells_criteria_credentials_consents_and_their_texts() -> None:
    version = a_program()
    hindi = consent_text(version, "DATA_COLLECTION", "hi", "आप अनुमति देते हैं।")

    result = selected()

    assert isinstance(result, Selected)
    asked = result.entry.requirements
    assert [c["kind"] for c in asked.criteria] == ["ACCOUNT_STANDING"]
    assert [c["type"] for c in asked.credentials] == ["MeterOwnershipCredential", "ProgramEligibilityCredential"]
    texts = {t["locale"]: t for t in asked.consents[0]["texts"]}
    assert set(texts) == {"en", "hi"} and texts["hi"]["digest"] == hindi.digest
    assert texts["hi"]["url"].endswith(f"/consent-texts/{FLEX}/DATA_COLLECTION/1/hi")


@pytest.mark.parametrize(("program", "provider"), [("nowhere", ""), (FLEX, "another")])
def test_a_program_that_cannot_be_joined_cannot_be_selected(program: str, provider: str) -> None:
    a_program()

    result = selected(program, provider)

    assert isinstance(result, Refused) and result.refusal.code == "PROGRAM_NOT_AVAILABLE"


@pytest.mark.parametrize("rule", ["KEEP", "SUSPEND", "CANCEL"])
def test_what_taking_a_required_consent_back_does_is_told_before_it_is_given(rule: str) -> None:
    optional = {"type": "DATA_SHARING", "required": False, "textVersion": "1"}
    a_program(on_required_consent_revoked=rule, required_consents=[{"type": "DATA_COLLECTION"}, optional], texts=False)

    result = selected()

    assert isinstance(result, Selected)
    assert [c["onRevoked"] for c in result.entry.requirements.consents] == [rule, "KEEP"]


def test_a_text_that_was_added_later_is_seen() -> None:
    version = a_program(texts=False)
    before = selected()
    consent_text(version, "DATA_COLLECTION", "en", "You allow it.")
    after = selected()

    assert isinstance(before, Selected) and before.entry.requirements.consents[0]["texts"] == []
    assert isinstance(after, Selected) and len(after.entry.requirements.consents[0]["texts"]) == 1


def test_a_consent_text_is_served_byte_for_byte_with_its_digest(client: Client) -> None:
    text = consent_text(a_program(), "DATA_COLLECTION", "hi", "आप अनुमति देते हैं।")

    answer = client.get(f"/consent-texts/{FLEX}/DATA_COLLECTION/1/hi")

    assert answer.status_code == 200 and answer.content == text.body.encode()
    assert answer["Digest"] == text.digest and answer["Content-Language"] == "hi"
    assert answer["Content-Type"] == "text/plain; charset=utf-8" and "immutable" in answer["Cache-Control"]
    assert answer["Translation-Reviewed"] == "true"


def test_a_translation_that_nobody_has_read_is_marked_on_the_wire_and_where_it_is_served(client: Client) -> None:
    version = a_program()
    consent_text(version, "DATA_COLLECTION", "ur", "آپ اجازت دیتے ہیں۔", is_read=False)

    result = selected()

    assert isinstance(result, Selected)
    assert {t["locale"]: t["reviewed"] for t in result.entry.requirements.consents[0]["texts"]} == {
        "en": True,
        "ur": False,
    }
    assert client.get(f"/consent-texts/{FLEX}/DATA_COLLECTION/1/ur")["Translation-Reviewed"] == "false"


@pytest.mark.parametrize("path", ["nowhere/DATA_COLLECTION/1/en", f"{FLEX}/OTHER/1/en", f"{FLEX}/DATA_COLLECTION/9/en"])
def test_a_text_that_does_not_exist_is_not_found(client: Client, path: str) -> None:
    a_program()

    assert client.get(f"/consent-texts/{path}").status_code == 404
    assert client.get(f"/consent-texts/{path.replace('en', 'e%00n')}").status_code == 404
    assert client.post(f"/consent-texts/{path}").status_code in (403, 405)


# --- support ---------------------------------------------------------------------------------------------------------

CONTACT = {"name": "Flex", "phone": "+91 1", "email": "flex@example.com", "url": "https://flex.example.com", "hours": "9-5"}  # fmt: skip  # noqa: E501


def test_support_names_the_owner_of_the_order_s_program(bare_world: World) -> None:
    a_program(support=CONTACT)
    result = bare_world.enrolled(1)
    assert result.order.enrollment is not None

    assert services.support_contact(PORTAL, "order-1", is_enrollment=False) == CONTACT
    assert services.support_contact(PORTAL, result.order.enrollment.enrollment_id, is_enrollment=True) == CONTACT


def test_support_tells_another_portal_no_more_than_the_general_contact(bare_world: World) -> None:
    a_program(support=CONTACT)
    bare_world.prepare()

    assert services.support_contact("ea-portal.example.com", "order-1", is_enrollment=False) == CONTACT
    assert "agency" not in services.support_contact("ea-portal.example.com", "nowhere", is_enrollment=False)


def test_support_names_the_agency_that_acted_with_its_public_contact(bare_world: World) -> None:
    a_program(support=CONTACT)
    reached = {"email": "help@agency.example", "phone": "+91 80 0000 0100", "hours": "Mon-Sat"}
    details = agencies.Details("An agency", LONG_AGO, participants=[PORTAL], contact=reached)
    agencies.add("ea-1", details, actor=SYSTEM, at=NOON)
    bare_world.prepare(bare_world.application(1, assisted_by=Assistance("ea-1")), authority=SIGNED_IN)

    told = services.support_contact(PORTAL, "order-1", is_enrollment=False)
    assert told == {**CONTACT, "agency": {"agencyId": "ea-1", "name": "An agency", **reached}}


def test_who_filters_what_is_found_gets_more_than_one_answer_holds() -> None:
    for number in range(MAX_RESULTS + 1):
        a_program(f"program-{number:03}", texts=False)
    assert len(found()) == MAX_RESULTS
    assert len(found(is_narrowed_later=True)) == MAX_RESULTS + 1
