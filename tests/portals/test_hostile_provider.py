"""A program owner that means harm: what it may write into its answers, and what comes of it on our pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from audit import clock
from beckn.models import Inbox, State
from credentials import services
from identity.models import User
from portals import callbacks, reading
from portals.models import Application, CatalogProgram
from tests.credentials.conftest import consent
from tests.portals.conftest import Provider, enrolled
from tests.portals.test_pages import answer, at, browser, ready

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
STRANGE = [
    pytest.param({"beckn:validity": {"schema:endDate": "9999-12-31T23:59:59-12:00"}}, id="an end that no zone has"),
    pytest.param({"beckn:validity": {"schema:startDate": "0001-01-01T00:00:00+14:00"}}, id="a start before all days"),
    pytest.param({"presentation": {"reopensAt": "9999-12-31T23:59:59-12:00"}}, id="a reopening that no zone has"),
    pytest.param({"presentation": {"minutes": 10**15}}, id="minutes that no page can hold"),
    *(
        pytest.param({"enrollmentCriteria": [{"kind": kind, "text": SCRIPT, "parameters": parameters}]}, id=str(place))
        for kind in ("SANCTIONED_LOAD", "METER_ROLE", "DER_TYPE", SCRIPT)
        for place, parameters in enumerate(
            (
                {"fromKw": 1e300, "toKw": 1e300, "value": 1e300, "anyOf": [1e300, None, {}]},
                {"fromKw": [SCRIPT], "toKw": {"a": SCRIPT}, "value": {SCRIPT: SCRIPT}, "anyOf": SCRIPT},
            )
        )
    ),
]


@pytest.mark.parametrize("about", STRANGE)
def test_no_program_takes_the_page_of_all_programs_down(provider: Provider, client: Client, about: dict[str, Any]):
    validity = about.pop("beckn:validity", {})
    item = {
        "beckn:id": "hostile-1",
        "beckn:provider": {"beckn:id": "p-1"},
        "beckn:descriptor": {"schema:name": SCRIPT, "beckn:shortDesc": SCRIPT, "beckn:longDesc": SCRIPT},
        "beckn:validity": validity,
        "beckn:itemAttributes": {"kind": SCRIPT, "utilities": [SCRIPT], **about},
    }
    provider.says("on_search", {"catalogs": [{"beckn:items": [item]}]})
    row = CatalogProgram.objects.get(program_id="hostile-1")
    for address in ("/", reverse("portal-program", args=[row.slug])):
        for language in ("en", "hi", "ur"):
            page = client.get(address, HTTP_ACCEPT_LANGUAGE=language)
            assert page.status_code == 200
            assert "<script>alert" not in page.content.decode() and "<img src=x" not in page.content.decode()


def test_a_numbers_size_and_an_instant_without_a_day_in_every_zone_are_left_out():
    cell = {"meterId": "m", "earliestStart": "9999-12-31T23:59:59-12:00", "meter": {"sanctionedLoadKw": 10**400}}
    told = {"message": {"order": {"beckn:orderAttributes": {"eligibility": [cell]}}}}

    found = reading.selected(told).eligibility[0]

    assert (found.earliest_start, found.sanctioned_load_kw) == (None, None)
    assert reading.instant("0001-01-01T00:00:00+14:00") is None


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "x", " "])
def test_an_address_that_is_none_of_the_web_is_no_link(address: str):
    told = {"credentialId": "c-1", "credentialUrl": address, "offerUrl": address, "verificationUrl": address}

    found = reading.issued(told)

    assert found is not None
    assert (found.access_url, found.offer_url, found.verification_url) == ("", "", "")


def test_a_consents_good_signature_does_not_make_a_forged_credential_good(provider: Provider, journey: Application):
    """A provider has good credentials about its customers: consents, and what their utility attested."""
    with transaction.atomic():
        other = services.issue([consent()], now=clock.now())[0]
    order = enrolled(programId="program-of-somebody")
    about = order["beckn:orderAttributes"]
    about["consents"] = [
        {
            "type": "DATA_COLLECTION",
            "granted": True,
            "consentCredentialId": about["credential"]["credentialId"],
            "credentialData": other.jwt,
        }
    ]

    found = provider.answers(journey, order)

    assert (found.state, found.trouble) == ("CONFIRMING", callbacks.FORGED)
    assert not found.credentials.exists()


def test_a_consents_credential_is_a_consents_and_the_one_that_was_named(provider: Provider, journey: Application):
    order = enrolled()
    about = order["beckn:orderAttributes"]
    with transaction.atomic():
        good, other = services.issue([consent(), consent()], now=clock.now())
    named = [(other.url, good.jwt), ("urn:uuid:enrolment", about["credential"]["credentialData"]), (good.url, good.jwt)]
    about["consents"] = [
        {"type": f"C{place}", "granted": True, "consentCredentialId": named_id, "credentialData": data}
        for place, (named_id, data) in enumerate(named)
    ]

    found = provider.answers(journey, order)

    assert found.state == "ENROLLED"
    assert [held.consent_type for held in found.credentials.filter(kind="CONSENT")] == ["C2"]


@pytest.mark.parametrize(
    "about",
    [
        {"consentRevocation": {"status": "REVOKED", "consentCredentialId": {}, "revokedAt": "2026-13-45T99:00:00Z"}},
        {"unenrollment": {"status": "CANCELLED", "consentsRevoked": ["x", 7, None]}},
        {"unenrollment": {"status": "CANCELLED", "consentsRevoked": 7, "cancelledAt": "2026-02-30T00:00:00Z"}},
        {"suspension": [SCRIPT], "history": [SCRIPT, {"at": 1e300, "act": {}, "by": []}], "utilityNotices": SCRIPT},
    ],
)
def test_strange_news_of_an_enrolment_are_taken_and_its_page_stands(
    provider: Provider, journey: Application, client: Client, about: dict[str, Any]
):
    provider.answers(journey, enrolled())
    order = enrolled()
    order["beckn:orderAttributes"] |= about

    provider.says("on_update", {"order": {"beckn:id": journey.order_id, **order}})

    assert not Inbox.objects.exclude(state=State.DONE).exists()
    User.objects.filter(pk=journey.started_by_id).update(subject=journey.subject)
    client.force_login(User.objects.get(pk=journey.started_by_id), backend="identity.oidc.backend.Backend")
    assert client.get(reverse("portal-enrolment", args=[journey.pk])).status_code == 200


@pytest.mark.parametrize("until", ["2026-02-30T00:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_a_conflict_until_a_day_that_does_not_exist_has_a_page(until: str):
    row = ready()
    row.told = {**row.told, "on_init": answer(code="ENROLLMENT_CONFLICT", conflictEndDate=until)}
    row.save()

    assert browser(row).get(at(row, "refused")).status_code == 200
