"""Meters that join an enrolment and leave it: checked, claimed, issued anew, told (R-P2.4 to R-P2.6, P7-5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from audit.models import Event
from beckn.profiles import contents
from credentials import services as credentials
from credentials.models import IssuedCredential
from enrollment import lifecycle, services
from enrollment.commands import AddMeters, Authority, ConsentGrant, RemoveMeters
from enrollment.models import CapCounter, Claim, Consent, ConsentEvent, EnrollmentCase, UtilityNotice
from enrollment.results import Confirmed, Ended, MetersChanged, Refused
from tests.enrollment.utility import as_configured
from tests.enrollment.world import World, at, code, live_claims, nothing, portal, the_case, the_enrollment
from tests.factories import (
    BINA,
    DATA_COLLECTION,
    MAY_ASSERT_ALL,
    NOON,
    OTHER_FLEX,
    PORTAL,
    RAJESH,
    RESEARCH,
    SIGNED_IN,
    a_program,
    at_home,
    criterion,
    holder,
    meter,
    solar,
    ten_kw_solar,
)

MAY, NEXT_NOVEMBER = at(2027, 5, 1), at(2027, 11, 1)
LATER = NOON + timedelta(days=1)
BOTH = ["umid-001", "umid-002"]
GRANT = ConsentGrant("DATA_COLLECTION", True)


def add(world: World, *umids: str, authority: Authority = SIGNED_IN, **how: Any) -> Any:
    """An update ADD_METER; Rajesh is signed in."""
    order = world.order(how.pop("number", 1), how.pop("bap_id", PORTAL))
    now = how.pop("now", LATER)
    command = AddMeters(order, tuple(at_home(umid) for umid in umids), **{"consents": (GRANT,), **how})
    return services.add_meters(command, authority=authority, actor=portal(), now=now, also_write=nothing)


def remove(world: World, *umids: str, number: int = 1, now: Any = LATER) -> Any:
    command = RemoveMeters(world.order(number), umids)
    return services.remove_meters(command, actor=portal(), now=now, also_write=nothing)


@pytest.fixture
def several(bare_world: World) -> World:
    """Rajesh has four meters; he is enrolled with the first, whose consent he gave word for word."""
    world = bare_world
    world.version = a_program(
        consent_capture="EXPLICIT", required_consents=[DATA_COLLECTION], on_required_consent_revoked="SUSPEND"
    )
    for umid in ("umid-002", "umid-003", "umid-004"):
        world.utility.knows(meter(umid))
    world.enrolled(1, consents=(GRANT,))
    return world


def named(credential_id: Any) -> list[str]:
    """The meters that a credential of ours names."""
    return list(IssuedCredential.objects.get(pk=credential_id).claims["meters"])


# --- joining ---------------------------------------------------------------------------------------------------------


def test_a_meter_joins_and_the_credential_is_issued_anew_in_place_of_the_old_one(several: World) -> None:
    before = the_enrollment()

    result = add(several, "umid-002")

    assert isinstance(result, MetersChanged) and result.added == ("umid-002",)
    now = the_enrollment()
    assert (now.enrollment_id, now.order_number) == (before.enrollment_id, before.order_number)
    assert now.credential.supersedes_id == before.credential_id and named(now.credential_id) == BOTH
    old, new = credentials.entries([before.credential_id, now.credential_id])
    assert old.revoked and not new.revoked
    assert [m.umid for m in result.order.meters] == BOTH == the_case().meters
    assert result.superseded[0].url == before.credential.url and all(c.is_revoked for c in result.superseded)
    line = result.order.enrollment.credential
    assert line.supersedes == before.credential.url and "?t=" in line.access_url


def test_the_new_meter_is_claimed_from_now_until_the_end_of_the_enrolment(several: World) -> None:
    add(several, "umid-002")

    claim = Claim.objects.get(reference="umid-002", state="CLAIMED")
    assert (claim.period.lower, claim.period.upper) == (LATER, the_enrollment().period.upper)


def test_its_consent_covers_the_new_meter_too_by_a_credential_in_place_of_the_old(several: World) -> None:
    before = Consent.objects.get()
    add(several, "umid-002")

    consent = Consent.objects.get()
    assert consent.meters == ["umid-001", "umid-002"] == named(consent.credential_id)
    assert consent.credential.supersedes_id == before.credential_id and consent.consent_id == before.consent_id
    assert credentials.entries([before.credential_id])[0].revoked
    assert list(ConsentEvent.objects.order_by("pk").values_list("event", flat=True)) == ["GRANTED", "METERS_CHANGED"]


def test_without_the_consent_for_it_a_meter_does_not_join(several: World) -> None:
    result = add(several, "umid-002", consents=())

    assert code(result) == "CONSENT_REQUIRED" and result.refusal.details == {"missing": ["DATA_COLLECTION"]}
    assert live_claims() == [("CLAIMED", "umid-001")] and the_enrollment().meters.count() == 1


def test_r_p2_4_a_consent_for_all_my_meters_covers_one_that_joins_later(bare_world: World) -> None:
    a_program(consent_capture="EXPLICIT", required_consents=[DATA_COLLECTION])
    bare_world.utility.knows(meter("umid-002"))
    bare_world.enrolled(1, consents=(ConsentGrant("DATA_COLLECTION", True, meters=("ALL_MY_METERS",)),))
    consent = Consent.objects.get()
    assert consent.meters == ["umid-001"] and consent.credential.claims["limits"]["meterScope"] == "ALL_MY_METERS"

    assert isinstance(add(bare_world, "umid-002", consents=()), MetersChanged)
    assert Consent.objects.get().meters == ["umid-001", "umid-002"]


def test_an_optional_consent_that_nobody_speaks_of_stays_with_the_meters_it_had(bare_world: World) -> None:
    a_program(consent_capture="EXPLICIT", required_consents=[DATA_COLLECTION, {**RESEARCH, "required": False}])
    bare_world.utility.knows(meter("umid-002"))
    bare_world.enrolled(1, consents=(GRANT, ConsentGrant("RESEARCH", True)))

    add(bare_world, "umid-002")

    assert dict(Consent.objects.values_list("consent_type", "meters")) == {
        "DATA_COLLECTION": ["umid-001", "umid-002"],
        "RESEARCH": ["umid-001"],
    }


def test_what_is_enrolled_already_changes_nothing(several: World) -> None:
    add(several, "umid-002")
    issued = IssuedCredential.objects.count()

    again = add(several, "umid-002")

    assert isinstance(again, MetersChanged) and (again.added, again.superseded) == ((), ())
    assert IssuedCredential.objects.count() == issued


def test_p2_5_a_meter_that_cannot_join_is_named_and_the_others_join(several: World) -> None:
    a_program(OTHER_FLEX)
    several.enrolled(2, "umid-003", program_id=OTHER_FLEX)
    several.utility.knows(meter("umid-004", account_standing="SUSPENDED"), meter("umid-005", holders=(holder(BINA),)))

    result = add(several, "umid-002", "umid-003", "umid-005")

    assert result.added == ("umid-002",)
    assert {m.umid: str(m.refusal.code) for m in result.refused} == {
        "umid-003": "ENROLLMENT_CONFLICT",
        "umid-005": "METER_NOT_FOUND",
    }
    assert named(the_enrollment(1).credential_id) == ["umid-001", "umid-002"]


def test_where_none_can_join_it_is_refused_and_nothing_changes(several: World) -> None:
    several.utility.knows(meter("umid-005", holders=(holder(BINA),)))
    issued = IssuedCredential.objects.count()

    assert code(add(several, "umid-005")) == "METER_NOT_FOUND"
    assert IssuedCredential.objects.count() == issued and the_enrollment().state == "ACTIVE"


def test_a_program_that_takes_all_or_nothing_takes_no_meter_where_one_fails(bare_world: World) -> None:
    a_program(partial="ALL_OR_NOTHING")
    bare_world.utility.knows(meter("umid-002"), meter("umid-005", holders=(holder(BINA),)))
    bare_world.enrolled(1)

    assert isinstance(add(bare_world, "umid-002", "umid-005"), Refused)
    assert the_enrollment().meters.count() == 1


def test_a_portal_that_may_speak_for_the_customer_presents_the_meter_s_credential(several: World) -> None:
    assert code(add(several, "umid-002", authority=MAY_ASSERT_ALL)) == "NOT_POSSIBLE_NOW"

    result = add(several, "umid-002", authority=MAY_ASSERT_ALL, credentials=(several.ownership("umid-002"),))

    assert isinstance(result, MetersChanged) and result.added == ("umid-002",)


def test_nobody_else_adds_a_meter(several: World) -> None:
    bina = Authority(PORTAL, (), proven_subject=BINA, proven_utility="utility-example-001", acr="1")

    assert code(add(several, "umid-002", authority=bina)) == "SUBJECT_MISMATCH"
    assert code(add(several, "umid-002", authority=Authority(PORTAL))) == "AUTH_REQUIRED"
    assert code(add(several, "umid-002", bap_id="other.example.com")) == "ORDER_NOT_FOUND"


def test_a_utility_that_is_silent_decides_nothing(several: World) -> None:
    several.utility.is_down = True

    result = add(several, "umid-002")

    assert code(result) == "UTILITY_UNAVAILABLE" and the_enrollment().meters.count() == 1


def test_a_capped_program_counts_what_joins_and_leaves(bare_world: World) -> None:
    a_program(max_meters=2)
    bare_world.utility.knows(*(meter(f"umid-00{n}") for n in (2, 3)))
    bare_world.enrolled(1)
    add(bare_world, "umid-002")
    assert code(add(bare_world, "umid-003")) == "CAPACITY_FULL"

    remove(bare_world, "umid-002")
    assert CapCounter.objects.get().used == 1
    assert add(bare_world, "umid-003").added == ("umid-003",)


def test_an_enrolment_that_is_over_suspended_or_about_to_end_takes_no_meter(several: World) -> None:
    several.end(1, effective_at=MAY)
    assert code(add(several, "umid-002")) == "NOT_POSSIBLE_NOW"
    several.end(1, is_withdrawn=True)
    several.withdraw_consent()
    assert the_enrollment().state == "SUSPENDED" and code(add(several, "umid-002")) == "NOT_POSSIBLE_NOW"
    several.end(1)
    assert code(add(several, "umid-002")) == "NOT_POSSIBLE_NOW"


def test_after_this_was_not_me_no_meter_joins_but_one_may_leave(several: World) -> None:
    add(several, "umid-002")
    EnrollmentCase.objects.update(frozen_at=NOON)

    assert add(several, "umid-003").refusal.details == {"state": "FROZEN"}
    assert isinstance(remove(several, "umid-002"), MetersChanged)


# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(several: World) -> World:
    add(several, "umid-002", "umid-003", now=NOON)
    return several


def test_p7_5_a_meter_that_left_is_missing_in_the_new_credential_and_the_old_one_is_revoked(three: World) -> None:
    before = the_enrollment()

    result = remove(three, "umid-002")

    assert isinstance(result, MetersChanged) and (result.removed, result.is_adding) == (("umid-002",), False)
    assert named(the_enrollment().credential_id) == ["umid-001", "umid-003"]
    assert credentials.entries([before.credential_id])[0].revoked
    assert Consent.objects.get().meters == ["umid-001", "umid-003"] == named(Consent.objects.get().credential_id)
    assert live_claims() == [("CLAIMED", "umid-001"), ("CLAIMED", "umid-002"), ("CLAIMED", "umid-003")]
    assert Claim.objects.get(reference="umid-002").period.upper == LATER
    assert [m.umid for m in three.status().order.meters] == ["umid-001", "umid-003"]


def test_the_meter_that_left_may_join_another_program_at_once(three: World) -> None:
    remove(three, "umid-002")
    a_program(OTHER_FLEX)

    three.now = LATER
    assert isinstance(three.enrolled(2, "umid-002", program_id=OTHER_FLEX), Confirmed)


def test_r_p2_6_with_the_last_meter_the_enrolment_ends(three: World) -> None:
    result = remove(three, "umid-001", "umid-002", "umid-003")

    assert isinstance(result, Ended) and the_enrollment().state == "CANCELLED"
    assert credentials.entries([the_enrollment().credential_id])[0].revoked


def test_leaving_twice_changes_nothing_and_a_stranger_s_meter_is_not_found(three: World) -> None:
    remove(three, "umid-002")
    issued = IssuedCredential.objects.count()

    again = remove(three, "umid-002")

    assert isinstance(again, MetersChanged) and again.removed == () and IssuedCredential.objects.count() == issued
    assert code(remove(three, "umid-777")) == "METER_NOT_FOUND"


def test_a_suspended_enrolment_s_meter_leaves_and_its_new_credential_is_suspended_too(three: World) -> None:
    three.withdraw_consent()
    assert the_enrollment().state == "SUSPENDED"

    assert isinstance(remove(three, "umid-002"), MetersChanged)
    entry = credentials.entries([the_enrollment().credential_id])[0]
    assert entry.suspended and not entry.revoked


def test_a_device_leaves_with_its_meter_but_not_the_last_one_a_program_needs(bare_world: World) -> None:
    a_program(criteria=[criterion("DER_TYPE", anyOf=["SOLAR_PV"])])
    world = bare_world
    world.utility.knows(meter("umid-002"), meter("umid-003"))
    world.utility.knows(solar(), solar("der-solar-002", umid="umid-002"))
    world.enrolled(1, "umid-001", "umid-002", "umid-003", ders=(ten_kw_solar(), ten_kw_solar("der-solar-002")))

    remove(world, "umid-002")

    assert the_case().ders == ["der-solar-001"]
    assert IssuedCredential.objects.get(pk=the_enrollment().credential_id).claims["ders"] == ["der-solar-001"]
    assert code(remove(world, "umid-001")) == "NOT_POSSIBLE_NOW"


def test_a_meter_that_left_and_came_back_is_claimed_once_when_a_planned_end_is_taken_back(three: World) -> None:
    remove(three, "umid-002")
    add(three, "umid-002", now=LATER + timedelta(days=1))
    remove(three, "umid-003", now=LATER + timedelta(days=2))
    end = the_enrollment().period.upper

    three.end(1, effective_at=MAY, now=LATER + timedelta(days=3))
    three.end(1, is_withdrawn=True, now=LATER + timedelta(days=3))

    until = Claim.objects.filter(state="CLAIMED", period__contains=MAY).values_list("reference", "period")
    assert sorted((reference, period.upper) for reference, period in until) == [("umid-001", end), ("umid-002", end)]


def test_the_journal_tells_who_joined_and_left_by_meter_and_the_actor(three: World) -> None:
    remove(three, "umid-002")

    lines = Event.objects.filter(action="enrollment.meters_changed").order_by("pk")
    assert [(line.details.get("added"), line.details.get("removed")) for line in lines] == [
        (["umid-002", "umid-003"], None),
        (None, ["umid-002"]),
    ]
    assert {line.actor_id for line in lines} == {PORTAL}


def test_each_utility_is_told_its_meters_of_the_enrolment(several: World, settings: Any) -> None:
    settings.UTILITIES = as_configured(several.utility, uuid4().hex, with_news=True)
    add(several, "umid-002")
    remove(several, "umid-001")

    told = UtilityNotice.objects.filter(kind="BILLING").order_by("pk").values_list("event", "meters", "parameters")
    assert list(told) == [
        ("CHANGED", BOTH, {"reason": "METERS_ADDED"}),
        ("CHANGED", ["umid-002"], {"reason": "METERS_REMOVED"}),
    ]


def test_the_bap_of_record_hears_of_a_change_that_came_through_another(three: World, told: list[Any]) -> None:
    order = three.order(1, "app.example.com")
    command = RemoveMeters(
        type(order)(order.bap_id, "order-1", proven_subject=RAJESH, proven_at=("utility-example-001",)), ("umid-002",)
    )
    services.remove_meters(command, actor=portal(), now=LATER, also_write=nothing)

    (action, result, case) = told[-1]
    assert (action, case.bap_id) == ("on_update", PORTAL) and isinstance(result, MetersChanged)


# --- what happened ---------------------------------------------------------------------------------------------------


def test_status_tells_what_happened_to_the_order_in_plain_codes(three: World) -> None:
    remove(three, "umid-002")
    three.withdraw_consent()
    three.end(1, reason="MOVING")

    lines = three.status().history
    assert [line.act for line in lines] == [
        *("READY", "ENROLLED", "CONSENT_GIVEN", "METERS_CHANGED", "METERS_CHANGED"),
        *("CONSENT_WITHDRAWN", "SUSPENDED", "ENDED"),
    ]
    assert {(line.by, line.name) for line in lines} == {("PORTAL", PORTAL)}
    assert [dict(line.more) for line in lines if line.act == "METERS_CHANGED"] == [
        {"added_meters": ["umid-002", "umid-003"]},
        {"removed_meters": ["umid-002"]},
    ]
    told = contents.of(three.status(), str)["history"]
    assert told[3]["addedMeters"] == ["umid-002", "umid-003"] and told[-1]["at"] == "2026-10-15T12:00:00Z"


def test_news_that_nobody_asked_for_tells_no_history(three: World, told: list[Any]) -> None:
    three.end(1, effective_at=LATER)
    lifecycle.turn_the_clock(LATER + timedelta(seconds=1))

    assert told and all(not getattr(result, "history", ()) for _, result, _ in told)


def test_a_confirm_s_consents_speak_of_the_enrolled_meters_only(bare_world: World) -> None:
    a_program(consent_capture="EXPLICIT", required_consents=[DATA_COLLECTION])
    bare_world.utility.knows(meter("umid-002"), meter("umid-005", holders=(holder(BINA),)))

    bare_world.enrolled(
        1,
        "umid-001",
        "umid-002",
        "umid-005",
        consents=(GRANT,),
        credentials=[bare_world.ownership("umid-001"), bare_world.ownership("umid-002"), bare_world.eligibility()],
    )

    consent = Consent.objects.get()
    assert consent.meters == BOTH == named(consent.credential_id) == named(the_enrollment().credential_id)


@pytest.mark.parametrize("act", ["ADD_METER", "REMOVE_METER"])
def test_an_update_whose_answer_cannot_be_written_did_not_happen(three: World, act: str) -> None:
    def broken(_: Any) -> None:
        raise OSError("the outbox is full")

    def rows() -> tuple[Any, ...]:
        return (
            sorted(Claim.objects.values_list("reference", "state", "period")),
            sorted(IssuedCredential.objects.values_list("pk", "revoked_at")),
            sorted(the_enrollment().meters.values_list("umid", flat=True)),
            Event.objects.count(),
            Consent.objects.get().meters,
        )

    before = rows()
    order = three.order(1)
    with pytest.raises(OSError, match="full"):
        if act == "ADD_METER":
            command = AddMeters(order, (at_home("umid-004"),), consents=(GRANT,))
            services.add_meters(command, authority=SIGNED_IN, actor=portal(), now=LATER, also_write=broken)
        else:
            services.remove_meters(RemoveMeters(order, ("umid-002",)), actor=portal(), now=LATER, also_write=broken)

    assert rows() == before
