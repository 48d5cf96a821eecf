"""Which step comes next."""

from __future__ import annotations

from typing import Any

from portals import journey
from portals.models import Application, CatalogProgram

CONSENT = {
    "type": "DATA_COLLECTION",
    "required": True,
    "textVersion": "1",
    "texts": [{"locale": "en", "url": "http://p.example/t", "digest": "sha256:1"}],
}
GRANTED = {"granted": True, "textVersion": "1", "textDigest": "sha256:1", "locale": "en"}
READY = {"beckn:fulfillments": [{"beckn:state": {"beckn:descriptor": {"schema:name": "PENDING_CONFIRM"}}}]}


def application(*, order: Any = None, item: Any = None, **answers: Any) -> Application:
    told = {"on_select": {"message": {"order": {}}}}
    if order is not None:
        told["on_init"] = {"message": {"order": order}}
    about = {"beckn:itemAttributes": {"requiredConsents": [CONSENT], **(item or {})}}
    return Application(program=CatalogProgram(item=about), answers={"account": True, **answers}, told=told)


def statuses(found: Application) -> dict[str, str]:
    return {step.name: step.status for step in journey.steps(found)}


def test_one_question_after_the_other_and_none_before_its_turn():
    found = application()
    assert journey.next_step(found).name == "meters"
    assert statuses(found)["consent"] == journey.CANNOT_START_YET

    found = application(meters=["umid-001"], order=READY)
    assert journey.next_step(found).name == "consent" and journey.next_step(found).place == 1

    found = application(meters=["umid-001"], order=READY, consents={"DATA_COLLECTION": GRANTED})
    assert journey.next_step(found).name == "dates"

    found = application(meters=["umid-001"], order=READY, consents={"DATA_COLLECTION": GRANTED}, starts_on="2026-12-01")
    assert journey.next_step(found).name == "check"


def test_equipment_is_asked_about_only_where_the_program_needs_some():
    item = {"requiredCredentials": [{"type": "DERCertificationCredential"}]}

    assert "equipment" in statuses(application(item=item)) and "equipment" not in statuses(application())


def test_a_no_to_a_required_consent_is_a_problem_and_to_an_optional_one_is_not():
    no = {**GRANTED, "granted": False}
    found = application(meters=["umid-001"], order=READY, consents={"DATA_COLLECTION": no})
    assert statuses(found)["consent"] == journey.PROBLEM

    item = {"requiredConsents": [{**CONSENT, "required": False}]}
    found = application(meters=["umid-001"], order=READY, item=item, consents={"DATA_COLLECTION": no})
    assert statuses(found)["consent"] == journey.COMPLETED


def test_a_yes_to_an_older_text_is_asked_again():
    old = {**GRANTED, "textVersion": "0"}
    found = application(meters=["umid-001"], order=READY, consents={"DATA_COLLECTION": old})

    assert statuses(found)["consent"] == journey.INCOMPLETE


def test_a_refused_application_says_where_the_problem_is():
    order = {"beckn:status": "REJECTED", "error": {"code": "NOT_ELIGIBLE", "message": "No."}}

    assert statuses(application(meters=["umid-001"], order=order))["eligibility"] == journey.PROBLEM
