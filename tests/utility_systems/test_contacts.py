"""What a utility does about its customers' contacts for a platform that does not know them (`identity.contacts`)."""

import json
import secrets
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from identity import contacts
from identity.codes import CodeRequest
from identity.models import Subject, SubjectUtilityLink
from tests.sandbox.running import RunningUtility
from utility_systems import registry

UTILITY = "utility-example-001"
RAJESH = "did:example:user-12345"


@pytest.fixture(autouse=True)
def configured(settings, a_utility: RunningUtility) -> None:
    # A token of its own makes it a configuration of its own, with a circuit that no other test has opened.
    settings.UTILITIES = [
        SimpleNamespace(
            id=UTILITY,
            url=a_utility.url,
            token=a_utility.token,
            time_zone="Asia/Kolkata",
            connect_timeout=1.0,
            read_timeout=2.0,
            nonce=secrets.token_hex(4),
        )
    ]


def messages(a_utility: RunningUtility, template: str) -> list[dict]:
    told = json.loads(a_utility.call("/outbox", accept="application/json")[1])["messages"]
    return [each for each in told if each["template"] == template]


def write(number: str, template: str, *, notice_id: str = "") -> bool:
    return contacts.write(
        UTILITY,
        account=number,
        template=template,
        locale="en",
        parameters={},
        title="An agency acted for you",
        text="Was it not you? Call us.",
        notice_id=notice_id or template,
    )


@pytest.mark.parametrize(
    ("account", "mobile", "result"),
    [
        ("CUST-123456", "", "MATCH"),
        (" CUST-load-000007", "", "MATCH"),
        ("MTR-load-000007", "", "MATCH"),
        ("", "+910000000001", "MATCH"),
        ("CUST-123456", "+910000000001", "MATCH"),
        ("CUST-123456", "+910000000002", "NO_MATCH"),
        ("CUST-0", "", "NO_MATCH"),
        ("", "+910000009999", "NO_MATCH"),
    ],
)
def test_a_look_up_says_match_or_no_match_and_nothing_else(account: str, mobile: str, result: str) -> None:
    assert contacts.match(UTILITY, account=account, mobile=mobile) == result


def test_a_message_reaches_the_registered_contact_once_however_often_it_is_sent(a_utility: RunningUtility) -> None:
    assert write("CUST-123456", "once-only") and write("CUST-123456", "once-only")

    (message,) = messages(a_utility, "once-only")
    assert message["to"] == "rajesh.kumar@example.com" and "Was it not you" in message["text"]


def test_a_number_that_nobody_has_is_written_to_like_any_other(a_utility: RunningUtility) -> None:
    assert write("CUST-0", "to-nobody") and write("MTR-nix", "to-nobody", notice_id="another")
    assert messages(a_utility, "to-nobody") == []


def test_a_utility_that_is_down_is_written_to_later_and_matches_nobody(a_utility: RunningUtility) -> None:
    a_utility.fault("down", 30)
    assert not write("CUST-123456", "while-down")
    with pytest.raises(contacts.Unavailable):
        contacts.match(UTILITY, account="CUST-123456")

    a_utility.fault("none")
    assert write("CUST-123456", "while-down") and len(messages(a_utility, "while-down")) == 1


def test_a_utility_of_somebody_elses_deployment_does_not_answer() -> None:
    with pytest.raises(contacts.Unavailable):
        contacts.match("utility-nix", account="CUST-123456")


@pytest.mark.django_db
def test_a_customer_is_written_to_and_known_by_who_they_proved_to_be(a_utility: RunningUtility) -> None:
    subject = Subject.objects.for_did("did:example:v2g-farid")  # no account kept: the utility is asked for it
    changed = datetime(2026, 8, 20, 9, tzinfo=UTC)

    assert contacts.contact_changed_at(UTILITY, subject) is None
    a_utility.json("/contacts", {"utilityCustomerId": "CUST-200200", "at": changed.isoformat()})

    assert contacts.contact_changed_at(UTILITY, subject) == changed
    assert contacts.write(
        UTILITY, subject=subject, template="to-farid", locale="en", parameters={}, title="T", text="t", notice_id="n"
    )
    assert messages(a_utility, "to-farid")[0]["to"] == "farid.khan@example.com"


@pytest.mark.django_db
def test_the_accounts_of_a_subject_are_those_that_proofs_have_told() -> None:
    subject = Subject.objects.for_did(RAJESH)
    kept = {"subject": subject, "utility_id": UTILITY, "linked_at": datetime(2026, 8, 1, tzinfo=UTC)}
    SubjectUtilityLink.objects.create(**kept, utility_customer_id="CUST-123456", customer_index=b"1" * 32)
    SubjectUtilityLink.objects.create(**kept, utility_customer_id="CUST-9", customer_index=b"2" * 32, status="ENDED")

    assert contacts.accounts(UTILITY, subject) == ("CUST-123456",)
    assert contacts.accounts("utility-example-002", subject) == ()


def test_a_codes_message_names_agency_agent_program_and_the_meters_ending(a_utility: RunningUtility) -> None:
    asked = CodeRequest(
        mobile="",
        utility_customer_id="CUST-300003",
        agency="Helping Hands",
        agent="Meena R.",
        program="Flexible Summer",
        ending="3003",
    )
    registry.adapter_for(UTILITY).request_code(asked)

    (message, *_) = messages(a_utility, "one-time-code")
    assert all(said in message["text"] for said in ("Helping Hands", "Meena R.", "Flexible Summer", "3003"))
    assert message["parameters"]["code"] in message["text"]
