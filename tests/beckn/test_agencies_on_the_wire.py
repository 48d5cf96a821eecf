"""An outside agency, and an agent who would do without their customer: each message, in both profiles (EA-1 to 3)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from beckn import client, delivery, tasks
from beckn.models import Outbox, Participant
from enrollment.models import Enrollment, EnrollmentCase
from identity import agencies, mandates
from identity.models import Agency, Mandate, Membership, Subject, SubjectUtilityLink
from tests.bap import Bap
from tests.beckn.conftest import Post, is_ack
from tests.enrollment.conftest import bare_world, nothing_remembered, running_utility, utility, world  # noqa: F401
from tests.enrollment.world import World
from tests.factories import FLEX, LONG_AGO, OTHER_FLEX, PRIYA, PROVIDER, RAJESH, UTILITY_A, holder, meter
from tests.journeys import Journey, Json, Person
from tests.pilot_journeys import PilotJourney

PEOPLE = {RAJESH: "CUST-123456", PRIYA: "CUST-789000"}
AGREED = [{"type": "DATA_COLLECTION", "granted": True}]
UNENROLL = ("update", {"updateType": "UNENROLLMENT", "unenrollment": {"reason": "USER_REQUESTED"}})
WITHDRAW = {"updateType": "CONSENT_REVOCATION", "consentRevocation": {"consentType": "DATA_COLLECTION"}}
#: Every act by which somebody could be enrolled, changed or ended, as (action, attributes).
ACTS: dict[str, tuple[str, Json]] = {
    "init": ("init", {}),
    "confirm": ("confirm", {"consents": AGREED}),
    "cancel": ("cancel", {"reason": "USER_REQUESTED"}),
    "unenroll": UNENROLL,
    "withdraw a consent": ("update", WITHDRAW),
    "add a meter": ("update", {"updateType": "ADD_METER", "meters": [{"meterId": "umid-002"}]}),
    "take a meter out": ("update", {"updateType": "REMOVE_METER", "meters": [{"meterId": "umid-001"}]}),
}


class Office:
    """The agency ea-001 with its own system: one participant, two operators, and the customers who allowed it."""

    def __init__(self, bap: Bap, post: Post, its: World, kind: type[Journey]) -> None:
        self.bap, self.post, self.world, self.kind = bap, post, its, kind
        participants = [bap.subscriber_id]
        details = agencies.Details(
            "Helping Hands",
            LONG_AGO,
            utilities=[UTILITY_A],
            programs=[FLEX],
            participants=participants,
            operators=[agencies.Operator("op-1"), agencies.Operator("op-2", LONG_AGO)],
        )
        self.agency = agencies.add("ea-001", details, actor=SYSTEM, at=clock.now())
        its.utility.knows(meter("umid-002"), meter("umid-789", holders=(holder(PRIYA, customer="CUST-789000"),)))
        self.journey = self.begin(RAJESH)

    def begin(self, did: str, umid: str = "umid-001") -> Journey:
        stack: Any = SimpleNamespace(bap=self.bap, base="http://127.0.0.1:8000")
        return self.kind(stack, Person(did, umid), (PROVIDER, FLEX))

    def allowed(self, did: str = RAJESH, **changes: Any) -> Mandate:
        subject, account = Subject.objects.for_did(did), PEOPLE[did]
        if not subject.utility_links.exists():
            SubjectUtilityLink.objects.create(
                subject=subject,
                utility_id=UTILITY_A,
                utility_customer_id=account,
                customer_index=account.encode().ljust(32),
                linked_at=LONG_AGO,
            )
        said: dict[str, Any] = {"subject": subject, "agency": self.agency, "operator_id": "op-1"}
        said |= {"utility_id": UTILITY_A, "program_id": FLEX, "now": clock.now()}
        said |= {"evidence_kind": "OIDC", "evidence_digest": "ab" * 32}
        return mandates.give(**said | changes)

    def ask(self, act: str, mandate: Mandate | str | None, *, journey: Journey | None = None, **named: Any) -> Json:
        """Send one act and return its callback's body; `named` changes assistedBy, None leaves one of it out."""
        action, attributes = ACTS.get(act, (act, {}))
        mandate_id = mandate.mandate_id if isinstance(mandate, Mandate) else mandate
        headers, journey = named.pop("headers", {}), journey or self.journey
        attributes = {**attributes, **named.pop("attributes", {})}
        said = {"agencyId": "ea-001", "operatorId": "op-1", "mandateId": mandate_id, **named}
        assisted = {key: value for key, value in said.items() if value}
        body = self._body(journey, action, {**attributes, **({"assistedBy": assisted} if assisted else {})})
        assert is_ack(self.post(self.bap, body, **headers)), body
        tasks.drain()
        return dict(Outbox.objects.filter(kind=Outbox.Kind.ANSWER).latest("pk").body)

    def _body(self, journey: Journey, action: str, attributes: Json) -> Json:
        if action == "init":
            return journey.init(credentials=self._credentials(journey), attributes=attributes)
        if action == "confirm":
            return journey.confirm(attributes)
        if isinstance(journey, PilotJourney):
            return journey._with(attributes, action=action)
        return journey.message(action, {"beckn:orderAttributes": {"@type": "EnergyEnrollment", **attributes}})

    def _credentials(self, journey: Journey) -> list[Json]:
        shown = self.world.eligibility(FLEX, subject=journey.person.did)
        told = {"credentialId": shown.credential_id, "type": shown.type, "format": "VC-JWT"}
        return [{**told, "credentialData": shown.data}]

    def enrolled(self, mandate: Mandate) -> None:
        for act in ("init", "confirm"):
            assert not error(self.ask(act, mandate))


def error(body: Json) -> Json:
    """The error of a callback, in whichever place its profile has it; {} where there is none."""
    return dict(body.get("error") or body["message"].get("order", {}).get("error") or {})


def code(body: Json) -> str:
    return str(error(body).get("code", "")).removeprefix("BIZ_")


@pytest.fixture
def office(request: pytest.FixtureRequest, bap: Bap, post: Post, world: World) -> Office:  # noqa: F811
    """An office that speaks profile A; B where a test asks for it."""
    return Office(bap, post, world, getattr(request, "param", Journey))


in_both_profiles = pytest.mark.parametrize("office", [Journey, PilotJourney], ids=["A", "B"], indirect=True)


def stands() -> list[tuple[str, str]]:
    """What there is of orders and enrolments."""
    cases = EnrollmentCase.objects.order_by("pk").values_list("state", flat=True)
    return [*(("case", each) for each in cases), *(("enrolment", e.state) for e in Enrollment.objects.order_by("pk"))]


@in_both_profiles
def test_an_agency_with_the_customers_mandate_goes_all_the_way_and_every_line_says_who_acted(office: Office) -> None:
    mandate = office.allowed()
    selected = office.ask("select", mandate)
    assert "umid-001" in str(selected) and "umid-789" not in str(selected)
    office.enrolled(mandate)
    assert not error(office.ask("status", mandate))
    assert not error(office.ask("unenroll", mandate))

    assert stands()[-1] == ("enrolment", "CANCELLED")
    lines = Event.objects.filter(action__regex="^(case|enrollment)\\.", actor_kind="AGENCY")
    assert {"case.ready", "enrollment.confirmed", "enrollment.cancelled"} <= set(lines.values_list("action", flat=True))
    for line in lines:
        told = line.details or {}
        assert (line.actor_id, line.channel, told["operator"]) == ("ea-001", "EA", "op-1")
        assert told["mandate"] == mandate.mandate_id


@pytest.mark.parametrize("act", ACTS)
def test_an_agent_does_nothing_without_the_customers_word_by_any_message(office: Office, act: str) -> None:
    if act not in ("init", "confirm"):
        office.enrolled(office.allowed())
    elif act == "confirm":
        assert not error(office.ask("init", office.allowed()))
    before = stands()
    revoked = mandates.revoke(office.allowed(), by="CUSTOMER", now=clock.now())
    others = {
        "none": None,
        "a guess": "mandate-00000000-0000-0000-0000-000000000000",
        "one taken back": revoked,
        "another customer's": office.allowed(PRIYA),
        "another program's": office.allowed(program_id=OTHER_FLEX),
        "another utility's": office.allowed(utility_id="utility-example-002"),
        "another operator's": office.allowed(operator_id="op-9"),
        "one for looking only": office.allowed(actions=["select"]),
    }
    told = {name: office.ask(act, mandate) for name, mandate in others.items()}
    told["the header alone"] = office.ask(
        act, None, agencyId=None, operatorId=None, headers={"HTTP_X_ENROLLMENT_AGENCY_ID": "ea-001"}
    )

    assert {name: code(body) for name, body in told.items()} == dict.fromkeys(told, "MANDATE_REQUIRED")
    wanted = {"unenroll": "cancel"}.get(act, ACTS[act][0])
    for body in told.values():
        assert error(body)["details"]["actions"] == [wanted]
    assert "userAuth" in error(told["the header alone"])["message"]
    assert stands() == before, "nothing has changed"


@pytest.mark.parametrize("act", ["select", "status", *ACTS])
def test_ea_1_and_ea_2_an_agency_or_operator_that_does_not_hold_is_told_why_at_every_message(
    office: Office, act: str
) -> None:
    mandate = office.allowed()
    office.enrolled(mandate)
    if act in ("init", "confirm"):
        office.journey = office.begin(RAJESH, "umid-002")
    if act == "confirm":
        assert not error(office.ask("init", mandate))
    before = stands()
    agencies.add("ea-002", agencies.Details("Elsewhere", LONG_AGO), actor=SYSTEM, at=clock.now())
    told = {
        "OPERATOR_NOT_CERTIFIED": office.ask(act, mandate, operatorId="op-2"),
        "NOT_BOUND": office.ask(act, mandate, agencyId="ea-002"),
        "": office.ask(act, mandate, headers={"HTTP_X_ENROLLMENT_AGENCY_ID": "ea-002"}),
    }
    if act == "confirm":
        assert code(told.pop("NOT_BOUND")) == "ORDER_NOT_FOUND", "another agency's order is none"
    if act != "status":
        Agency.objects.filter(agency_id="ea-001").update(programs=[OTHER_FLEX])
        told["PROGRAM_NOT_COVERED"] = office.ask(act, mandate)
        Agency.objects.filter(agency_id="ea-001").update(programs=[], utilities=["utility-example-002"])
        told["UTILITY_NOT_COVERED"] = office.ask(act, mandate)
    agencies.suspend("ea-001", reason="complaints", actor=SYSTEM, at=clock.now())
    told["SUSPENDED"] = office.ask(act, mandate)

    assert {reason: code(body) for reason, body in told.items()} == dict.fromkeys(told, "EA_NOT_CERTIFIED")
    for reason, body in told.items():
        assert error(body).get("details", {}).get("reasonCode", "") == reason
    assert stands() == before


@pytest.mark.parametrize("office", [PilotJourney], ids=["B"], indirect=True)
def test_in_the_pilots_words_the_same_is_refused_at_init_and_confirm_and_leaving(office: Office) -> None:
    mandate = office.allowed()
    for act, wanted in (("init", "init"), ("confirm", "confirm"), ("unenroll", "cancel")):
        for body in (office.ask(act, None), office.ask(act, office.allowed(PRIYA))):
            assert (code(body), error(body)["details"]["actions"]) == ("MANDATE_REQUIRED", [wanted])
        refused = error(office.ask(act, mandate, operatorId="op-2"))
        assert (refused["code"], refused["details"]["reason"]) == ("BIZ_EA_NOT_CERTIFIED", "OPERATOR_NOT_CERTIFIED")
        assert not error(office.ask(act, mandate))


def test_who_names_another_s_agency_is_journalled_in_its_own_name(office: Office) -> None:
    agencies.add("ea-002", agencies.Details("Elsewhere", LONG_AGO), actor=SYSTEM, at=clock.now())

    for act in ("init", "select", "cancel"):
        assert code(office.ask(act, office.allowed(), agencyId="ea-002")) == "EA_NOT_CERTIFIED"

    lines = Event.objects.filter(action__in=["case.refused", "enrollment.refused"])
    assert set(lines.values_list("actor_kind", "actor_id")) == {("PARTICIPANT", office.bap.subscriber_id)}


def test_a_mandate_tells_no_orders_but_those_of_its_agency(office: Office) -> None:
    """Also where two agencies send through one participant."""
    mandate = office.allowed()
    office.enrolled(mandate)
    other = agencies.Details(
        "Other", LONG_AGO, participants=[office.bap.subscriber_id], operators=[agencies.Operator("op-1")]
    )
    agencies.add("ea-002", other, actor=SYSTEM, at=clock.now())

    for act in ("status", "confirm"):
        assert code(office.ask(act, mandate, agencyId="ea-002")) in ("ORDER_NOT_FOUND", "MANDATE_REQUIRED")
    office.journey.order_id = ""
    everything = office.journey.status()
    everything["message"]["order"].pop("beckn:id")
    everything["message"]["order"]["beckn:orderAttributes"] = {
        "@type": "EnergyEnrollment",
        "assistedBy": {"agencyId": "ea-001", "operatorId": "op-1", "mandateId": mandate.mandate_id},
    }
    office.post(office.bap, everything)
    tasks.drain()
    last = Outbox.objects.filter(kind=Outbox.Kind.ANSWER).latest("pk").body
    assert "umid-001" not in str(last) and RAJESH not in str(last)


def test_the_customer_alone_ends_what_an_agency_began_through_another_bap_s_mandate_too(office: Office) -> None:
    """An order that somebody else placed for the customer is found and ended by the mandate, as by their sign-in."""
    office.world.enrolled("self", "umid-001")
    order_id = EnrollmentCase.objects.get().order_id
    office.journey.order_id = order_id

    assert code(office.ask("unenroll", office.allowed(PRIYA))) == "ORDER_NOT_FOUND"
    assert not error(office.ask("unenroll", office.allowed()))
    assert stands()[-1] == ("enrolment", "CANCELLED")


def test_an_outside_agency_has_a_code_sent_that_says_who_asks_and_the_customer_s_reading_it_out_is_their_proof(
    office: Office,
) -> None:
    Membership.objects.filter(operator_id="op-1").update(name="Meena R.")
    account = {"authMethod": "OTP", "utilityCustomerId": "CUST-123456"}
    assert not error(office.ask("init", None, attributes={"userAuth": account}))
    (sent,) = office.world.utility.codes
    assert (sent["agency"], sent["agent"], sent["ending"]) == ("Helping Hands", "Meena R.", "3456")
    assert sent["program"] == "Demand Flexibility Program" and EnrollmentCase.objects.get().subject is None

    assert code(office.ask("confirm", None)) == "MANDATE_REQUIRED", "the agent goes on without the code"
    wrong = {**account, "nguid": "nguid-1", "otp": "654321"}
    assert code(office.ask("confirm", None, attributes={"userAuth": wrong})) == "OTP_INVALID"
    assert not Enrollment.objects.exists()
    right = {**account, "nguid": "nguid-1", "otp": "123456"}
    confirmed = office.ask("confirm", None, attributes={"userAuth": right})
    assert not error(confirmed), confirmed
    case = EnrollmentCase.objects.get()
    assert (case.state, case.agency_id, case.operator_id) == ("CONFIRMED", "ea-001", "op-1")

    # The agency is suspended: the customer leaves by themselves, and nobody gets around it by naming no agency.
    agencies.suspend("ea-001", reason="complaints", actor=SYSTEM, at=clock.now())
    alone: dict[str, Any] = {"agencyId": None, "operatorId": None}
    for act in ("init", "confirm", "add a meter"):
        body = office.ask(act, None, **alone, attributes={"userAuth": right}, journey=office.begin(RAJESH))
        assert code(body) in ("EA_NOT_CERTIFIED", "ORDER_NOT_FOUND")
    assert code(office.ask("unenroll", None, **alone)) == "EA_NOT_CERTIFIED", "without their proof it is nobody's wish"
    assert not error(office.ask("unenroll", None, **alone, attributes={"userAuth": right}))
    assert stands() == [("case", "CONFIRMED"), ("enrolment", "CANCELLED")]


@pytest.mark.django_db
def test_our_own_portals_messages_name_the_agency_in_the_header_that_the_guide_knows(bap: Bap, settings: Any) -> None:
    portal = next(each for each in settings.BECKN_IDENTITIES if each.role == "agency").subscriber_id
    peer = Participant.objects.get(subscriber_id=bap.subscriber_id)

    def sent(attributes: Json, key: str = "beckn:orderAttributes") -> str:
        row = client.send(
            sender_id=portal,
            to=peer,
            action="init",
            message={"order": {"beckn:id": "o", key: attributes}},
            domain="energy.enrollment",
            now=clock.now(),
        )
        delivery.deliver(Outbox.objects.select_related("participant").get(pk=row.pk))
        return bap.received(transaction_id=row.transaction_id)[-1].headers.get("x-enrollment-agency-id", "")

    assert sent({"assistedBy": {"agencyId": "ea-001", "operatorId": "op-1", "mandateId": "m"}}) == "ea-001"
    assert sent({"assistedBy": {"agencyId": "ea-002"}}) == "ea-002"
    assert sent({}) == "" and sent({"assistedBy": {"agencyId": "ea\r\nX-Evil: 1"}}) == ""
