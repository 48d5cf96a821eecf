"""The catalogue for a discovery service: one message for many changes, the newest in place of older ones."""

from datetime import timedelta

import pytest

from beckn import announcing
from beckn.delivery import address_of
from beckn.models import Outbox, Participant
from enrollment.models import CatalogChange, ProgramVersion
from tests.factories import FLEX, NOON, OTHER_FLEX, a_program

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def discovery(settings):
    settings.DISCOVERY_URL, settings.DISCOVERY_ID = "https://discovery.test.example/beckn", "discovery.test.example"


def waiting() -> list[Outbox]:
    return list(Outbox.objects.filter(state="WAITING").order_by("pk"))


def items(row: Outbox) -> dict[str, bool]:
    catalogs = row.body["message"]["catalogs"]
    return {item["beckn:id"]: item["beckn:isActive"] for catalog in catalogs for item in catalog["beckn:items"]}


def test_all_that_changed_is_told_in_one_message_that_goes_to_publish():
    a_program(FLEX)
    a_program(OTHER_FLEX)
    assert announcing.sweep(NOON) == 2
    (row,) = waiting()
    assert items(row) == {FLEX: True, OTHER_FLEX: True}
    assert (row.kind, row.body["context"]["action"]) == ("PUBLICATION", "catalog_publish")
    assert address_of(row) == "https://discovery.test.example/beckn/publish"
    assert announcing.sweep(NOON) == 0


def test_a_newer_catalogue_takes_the_place_of_one_that_could_not_leave():
    a_program(FLEX)
    announcing.sweep(NOON)
    ProgramVersion.objects.update(state="RETIRED")
    announcing.sweep(NOON + MINUTE)
    (row,) = waiting()
    assert items(row) == {FLEX: False}
    assert Outbox.objects.get(state="DONE").last_error == "replaced by a newer catalogue"


def test_one_that_is_on_its_way_is_left_alone():
    a_program(FLEX)
    announcing.sweep(NOON)
    Outbox.objects.update(lease_until=NOON + 5 * MINUTE)
    a_program(OTHER_FLEX)
    announcing.sweep(NOON + MINUTE)
    assert len(waiting()) == 2


def test_without_a_discovery_service_the_changes_wait_for_one(settings):
    settings.DISCOVERY_URL = ""
    a_program(FLEX)
    assert announcing.sweep(NOON) == 0
    assert CatalogChange.objects.filter(announced_at=None).count() == 1


def test_a_draft_is_nobodys_business():
    version = a_program(FLEX)
    announcing.sweep(NOON)
    ProgramVersion.objects.create(
        program=version.program, number=2, state="DRAFT", name="Next year", conflict_group=version.conflict_group
    )
    assert announcing.sweep(NOON + MINUTE) == 0


def test_the_service_follows_its_address_and_may_speak_for_nobody(settings):
    a_program(FLEX)
    announcing.sweep(NOON)
    settings.DISCOVERY_URL = "https://elsewhere.test.example"
    a_program(OTHER_FLEX)
    announcing.sweep(NOON + MINUTE)
    service = Participant.objects.get(subscriber_id="discovery.test.example")
    assert (service.url, service.asserts_subjects) == ("https://elsewhere.test.example", [])
    assert not service.keys.exists()
