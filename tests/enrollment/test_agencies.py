"""An enrolment agency: certified, bound to its sender, within its scope, and with the customer's own word (issue 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from audit.log import SYSTEM
from audit.models import Event
from enrollment import lifecycle
from enrollment.codes import Code
from enrollment.commands import Assistance, Authority, ConsentGrant, DerRef, MeterRef
from enrollment.models import Enrollment
from enrollment.results import Confirmed, Prepared, Waiting
from identity import agencies, mandates
from identity.models import Agency, Mandate, Subject, SubjectUtilityLink
from tests.enrollment.world import World, at, code, journal, live_claims, the_case
from tests.factories import (
    FLEX,
    LONG_AGO,
    NOON,
    OTHER_FLEX,
    PORTAL,
    PRIYA,
    RAJESH,
    SIGNED_IN,
    UTILITY_A,
    UTILITY_B,
    a_program,
    certificate,
    criterion,
    holder,
    meter,
    solar,
)

EA = "ea-portal.example.com"
#: A sender that may name any subject: for an agency that counts nothing.
FOR_EA = Authority(EA, ("*",))
AGREED = (ConsentGrant("DATA_COLLECTION", granted=True),)


def still_ready() -> None:
    """The order can be confirmed again: its state, its application and its hold are there."""
    assert the_case().state == "READY" and the_case().payload is not None
    assert live_claims() == [("HELD", "umid-001")] and not Enrollment.objects.exists()
    assert journal()[-1] == "enrollment.refused"


@pytest.fixture
def agency(world: World) -> Agency:
    details = agencies.Details(
        name="Agency",
        certified_from=LONG_AGO,
        certified_until=at(2027, 1, 1),
        utilities=(UTILITY_A,),
        programs=(FLEX,),
        participants=(EA,),
        operators=(agencies.Operator("op-1"), agencies.Operator("op-2", NOON - timedelta(days=1))),
    )
    return agencies.add("ea-001", details, actor=SYSTEM, at=NOON)


def allowed(did: str = RAJESH, account: str = "CUST-123456", **changes: Any) -> Mandate:
    """A customer of utility A, whose account a proof has told, gives op-1 of ea-001 their mandate."""
    subject = Subject.objects.for_did(did)
    if not SubjectUtilityLink.objects.filter(subject=subject).exists():
        SubjectUtilityLink.objects.create(
            subject=subject,
            utility_id=UTILITY_A,
            utility_customer_id=account,
            customer_index=account.encode().ljust(32)[:32],
            linked_at=NOON,
        )
    said: dict[str, Any] = {
        "subject": subject,
        "agency": Agency.objects.get(agency_id="ea-001"),
        "operator_id": "op-1",
        "utility_id": UTILITY_A,
        "program_id": FLEX,
        "now": NOON,
        "evidence_kind": "CODE",
        "evidence_digest": "ab" * 32,
    }
    return mandates.give(**said | changes)


def by(mandate: Mandate | None = None, operator_id: str = "op-1", agency_id: str = "ea-001") -> Assistance:
    return Assistance(agency_id, operator_id, mandate.mandate_id if mandate else "")


def init(world: World, assisted: Assistance | None, authority: Authority = FOR_EA, **changes: Any) -> Any:
    now = changes.pop("now", NOON)
    command = world.application(1, **{"bap_id": authority.participant_id, "assisted_by": assisted, **changes})
    return world.prepare(command, authority=authority, now=now)


def confirm(world: World, assisted: Assistance | None, authority: Authority = FOR_EA, **changes: Any) -> Any:
    changes = {"consents": AGREED, **changes}
    return world.confirm(bap_id=authority.participant_id, assisted_by=assisted, authority=authority, **changes)


def mandate_required(result: Any, action: str = "init") -> str:
    """It is refused for want of the customer's word, which says for what; returns the sentence."""
    assert code(result) == "MANDATE_REQUIRED", result
    assert result.refusal.field == "assisted_by" and result.refusal.details == {"actions": [action]}
    return str(result.refusal.sentence)


# --- the agency itself -----------------------------------------------------------------------------------------------


def test_a_certified_agency_with_the_customers_mandate_enrols_and_is_kept_with_the_case(
    world: World, agency: Agency
) -> None:
    mandate = allowed()
    assert isinstance(init(world, by(mandate)), Prepared)

    result = confirm(world, by(mandate))

    assert isinstance(result, Confirmed)
    assert (the_case().agency_id, the_case().operator_id) == ("ea-001", "op-1")
    assert the_case().subject == mandate.subject


@pytest.mark.parametrize(
    ("named", "sender", "now", "reason"),
    [
        (Assistance("ea-999", "op-1"), EA, NOON, "NOT_BOUND"),
        (Assistance("ea-001", "op-2"), EA, NOON, "OPERATOR_NOT_CERTIFIED"),
        (Assistance("ea-001", "op-9"), EA, NOON, "OPERATOR_NOT_CERTIFIED"),
        (Assistance("ea-001", "op-1"), PORTAL, NOON, "NOT_BOUND"),
        (Assistance("ea-001", "op-1"), EA, at(2027, 1, 1), "NOT_CERTIFIED"),
        (None, EA, NOON, None),
    ],
    ids=["unknown", "lapsed operator", "unknown operator", "not bound to the sender", "lapsed agency", "none named"],
)
def test_ea_1_and_ea_2_an_agency_that_does_not_hold_is_not_certified(
    world: World, agency: Agency, named: Assistance | None, sender: str, now: Any, reason: str | None
) -> None:
    mandate = allowed()
    named = replace(named, mandate_id=mandate.mandate_id) if named else None

    result = init(world, named, Authority(sender, ("*",)), now=now)

    assert code(result) == "EA_NOT_CERTIFIED" and result.refusal.field == "assisted_by"
    assert result.refusal.details.get("reason_code") == reason
    assert world.utility.asked == []


def test_the_operator_of_another_agency_is_nobody_here(world: World, agency: Agency) -> None:
    details = agencies.Details(
        "Other", LONG_AGO, participants=("other.example.com",), operators=(agencies.Operator("op-7"),)
    )
    agencies.add("ea-002", details, actor=SYSTEM, at=NOON)

    assert code(init(world, by(allowed(operator_id="op-7"), "op-7"))) == "EA_NOT_CERTIFIED"


def test_of_two_agencies_behind_one_participant_none_takes_over_what_the_other_began(
    world: World, agency: Agency
) -> None:
    details = agencies.Details("Other", LONG_AGO, participants=(EA,), operators=(agencies.Operator("op-7"),))
    other = agencies.add("ea-002", details, actor=SYSTEM, at=NOON)
    mandate = allowed()
    init(world, by(mandate))

    theirs = allowed(agency=other, operator_id="op-7")
    assert code(init(world, by(theirs, "op-7", "ea-002"))) == "ORDER_NOT_FOUND"
    assert the_case().agency_id == "ea-001" and live_claims() == [("HELD", "umid-001")]
    assert isinstance(confirm(world, by(mandate)), Confirmed)


def test_an_agency_acts_only_at_its_utilities_and_for_its_programs(world: World, agency: Agency) -> None:
    a_program(OTHER_FLEX, utilities=[])
    nowhere_named = init(world, by(), program_id=OTHER_FLEX, meters=(MeterRef("umid-001"),))
    Agency.objects.update(utilities=[UTILITY_B])
    elsewhere = init(world, by(allowed()))

    assert code(nowhere_named) == code(elsewhere) == "EA_NOT_CERTIFIED"
    assert elsewhere.refusal.details["reason_code"] == "UTILITY_NOT_COVERED"
    assert world.utility.asked == []


def test_an_agency_suspended_between_init_and_confirm_is_refused_and_the_order_stays(
    world: World, agency: Agency
) -> None:
    mandate = allowed()
    init(world, by(mandate))
    agencies.suspend("ea-001", reason="complaints", actor=SYSTEM, at=NOON)

    assert code(confirm(world, by(mandate))) == "EA_NOT_CERTIFIED"
    still_ready()


# --- the customer's word ---------------------------------------------------------------------------------------------

NOT_THIS: Mapping[str, dict[str, Any]] = {
    "another customer's": {"did": PRIYA, "account": "CUST-789000"},
    "another operator's": {"operator_id": "op-3"},
    "another program's": {"program_id": OTHER_FLEX},
    "another utility's": {"utility_id": UTILITY_B},
    "for other acts": {"actions": ["select", "cancel"]},
    "over": {"now": NOON - timedelta(days=91)},
    "not begun": {"now": NOON + timedelta(seconds=1)},
    "on paper, not looked at": {"evidence_kind": "DOCUMENT"},
}


@pytest.mark.parametrize("changes", NOT_THIS.values(), ids=NOT_THIS)
def test_ea_3_a_mandate_that_is_not_for_this_is_none_and_asks_and_changes_nothing(
    world: World, agency: Agency, changes: dict[str, Any]
) -> None:
    sentence = mandate_required(init(world, by(allowed(**changes))))

    assert "userAuth" in sentence or "another customer's" in sentence
    assert world.utility.asked == [] and live_claims() == [] and journal() == ["case.refused"]


def test_ea_3_neither_a_guess_nor_a_revoked_one_nor_another_agencys_mandate_counts(
    world: World, agency: Agency
) -> None:
    other = agencies.add("ea-002", agencies.Details("Other", LONG_AGO, participants=(EA,)), actor=SYSTEM, at=NOON)
    revoked = mandates.revoke(allowed(), by="CUSTOMER", now=NOON)
    guess = Assistance("ea-001", "op-1", "mandate-00000000-0000-0000-0000-000000000000")

    told = [mandate_required(init(world, each)) for each in (guess, by(allowed(agency=other)))]
    assert told[0] == told[1], "another agency's is told like one that nobody gave"
    assert "taken back" in mandate_required(init(world, by(revoked)))


def test_an_agencys_sender_never_speaks_for_a_customer_by_its_own_standing(world: World, agency: Agency) -> None:
    sentence = mandate_required(init(world, Assistance("ea-001")))

    assert "assistedBy {agencyId, operatorId, mandateId}" in sentence and "userAuth" in sentence
    assert not Event.objects.filter(action="case.ready").exists() and world.utility.asked == []


def test_a_message_without_the_customers_word_leaves_what_there_is_as_it_is(world: World, agency: Agency) -> None:
    init(world, by(allowed()))

    mandate_required(init(world, by()))

    assert the_case().state == "READY" and live_claims() == [("HELD", "umid-001")]


def test_the_customers_own_proof_in_the_message_needs_no_mandate_but_no_mandate_of_anothers_beside_it(
    world: World, agency: Agency
) -> None:
    own = replace(SIGNED_IN, participant_id=EA)

    assert isinstance(init(world, Assistance("ea-001"), own), Prepared), "who knows only the guide's header"
    mandate_required(init(world, by(allowed(PRIYA, "CUST-789000")), own))
    mandate_required(confirm(world, by()), "confirm")
    assert isinstance(confirm(world, by(), own, consents=()), Confirmed)


def test_a_mandate_taken_back_between_init_and_confirm_is_required_again_and_the_hold_stays(
    world: World, agency: Agency
) -> None:
    mandate = allowed()
    init(world, by(mandate))
    mandates.revoke(mandate, by="CUSTOMER", now=NOON)

    mandate_required(confirm(world, by(mandate)), "confirm")
    still_ready()
    assert isinstance(confirm(world, by(allowed())), Confirmed), "a new one goes on where the old one ended"


@pytest.mark.django_db(transaction=True)
def test_a_mandate_taken_back_while_the_confirm_asks_the_utility_ends_it(world: World, agency: Agency) -> None:
    mandate = allowed()
    init(world, by(mandate))
    world.utility.meanwhile(lambda: mandates.revoke(mandate, by="CUSTOMER", now=NOON))

    assert "taken back" in mandate_required(confirm(world, by(mandate)), "confirm")
    still_ready()


def test_a_mandate_of_another_customer_confirms_nobodys_order(world: World, agency: Agency) -> None:
    init(world, by(allowed()))

    mandate_required(confirm(world, by(allowed(PRIYA, "CUST-789000"))), "confirm")
    still_ready()


def test_p4_1_by_a_mandate_alone_sending_the_confirm_agrees_to_nothing(world: World, agency: Agency) -> None:
    mandate = allowed()
    init(world, by(mandate))

    assert code(confirm(world, by(mandate), consents=())) == "CONSENT_REQUIRED"
    still_ready()


def test_a_confirm_that_waited_for_its_utility_reads_the_mandate_again(world: World, agency: Agency) -> None:
    mandate = allowed()
    init(world, by(mandate))
    world.utility.is_down = True
    assert isinstance(confirm(world, by(mandate)), Waiting)
    mandates.revoke(mandate, by="CUSTOMER", now=NOON)
    world.utility.is_down = False

    lifecycle.retry_waiting(NOON + timedelta(minutes=2))

    still_ready()
    refused = Event.objects.filter(action="enrollment.refused").latest("pk")
    assert (refused.details or {})["code"] == Code.MANDATE_REQUIRED and the_case().waiting_act == ""


def test_a_mandate_on_record_for_any_operator_serves_who_knows_only_the_guides_header(
    world: World, agency: Agency
) -> None:
    mandate = allowed()
    Mandate.objects.update(operator_id="")

    assert isinstance(init(world, Assistance("ea-001")), Prepared)
    assert the_case().agency_id == "ea-001"
    assert the_case().mandate_id == mandate.mandate_id
    mandate_required(init(world, Assistance("ea-001"), subject_did=PRIYA))
    world.utility.is_down = True
    assert isinstance(init(world, Assistance("ea-001")), Waiting)
    world.utility.is_down = False
    lifecycle.retry_waiting(NOON + timedelta(minutes=2))
    assert the_case().state == "READY", "a retry reads the same mandate again"
    mandates.revoke(mandate, by="CUSTOMER", now=NOON)
    mandate_required(init(world, Assistance("ea-001")))


# --- what the mandate opens ------------------------------------------------------------------------------------------


def test_persona_2_assisted_the_utility_is_asked_for_the_meters_as_after_a_code_and_only_the_customers_are_told(
    world: World, agency: Agency
) -> None:
    mandate = allowed()
    world.utility.knows(meter("umid-002"), meter("umid-900", holders=(holder("did:example:other"),)))

    found = init(world, by(mandate), meters=(), subject_did="", credentials=[])

    assert [each.umid for each in found.available_meters] == ["umid-001", "umid-002"]
    both = (MeterRef("umid-001"), MeterRef("umid-002"))
    prepared = init(world, by(mandate), meters=both, subject_did="", credentials=[world.eligibility()])
    assert prepared.order.case_state == "READY" and live_claims() == [("HELD", "umid-001"), ("HELD", "umid-002")]
    confirmed = confirm(world, by(mandate))
    assert [line.umid for line in confirmed.order.meters] == ["umid-001", "umid-002"]
    assert "umid-900" not in str(found)


def test_a_mandate_opens_no_meter_of_somebody_elses(world: World, agency: Agency) -> None:
    world.utility.knows(meter("umid-900", holders=(holder("did:example:other", customer="CUST-900"),)))

    result = init(world, by(allowed()), meters=(MeterRef("umid-900"),), credentials=[world.eligibility()])

    assert not isinstance(result, Prepared) or result.order.case_state == "NEEDS_INPUT"
    assert live_claims() == [] and not Enrollment.objects.exists()


def test_persona_6_assisted_a_registered_plant_with_its_certificate_joins(world: World, agency: Agency) -> None:
    a_program(
        OTHER_FLEX,
        conflict_group="SOLAR",
        criteria=[criterion("DER_CERTIFIED")],
        required_credentials=[{"type": "DERCertificationCredential", "description": ""}],
    )
    Agency.objects.update(programs=[FLEX, OTHER_FLEX])
    world.utility.knows(solar(owner_did=RAJESH, certificates=(certificate(),)))
    mandate = allowed(program_id=OTHER_FLEX)

    prepared = init(
        world, by(mandate), program_id=OTHER_FLEX, ders=(DerRef("der-solar-001", "SOLAR_PV"),), credentials=[]
    )
    assert isinstance(prepared, Prepared) and prepared.order.case_state == "READY", prepared
    assert isinstance(confirm(world, by(mandate)), Confirmed)
    mandate_required(
        init(world, by(allowed()), program_id=OTHER_FLEX, ders=(DerRef("der-solar-001", "SOLAR_PV"),), credentials=[])
    )
