"""Which consents a confirm brings, in whose words, and for which meters (decisions 7, 34, 35)."""

from __future__ import annotations

from typing import Any

import pytest

from enrollment.commands import ConsentGrant
from enrollment.models import Consent, Enrollment
from enrollment.results import Confirmed
from tests.enrollment.world import World, code, journal, live_claims, the_case
from tests.factories import (
    DER_CONTROL,
    RESEARCH,
    a_program,
    consent_text,
    meter,
)


def still_ready() -> None:
    """The order can be confirmed again: its state, its application and its hold are there."""
    assert the_case().state == "READY" and the_case().payload is not None
    assert live_claims() == [("HELD", "umid-001")] and not Enrollment.objects.exists()
    assert journal()[-1] == "enrollment.refused"


def explicit(**changes: Any) -> None:
    a_program(**{"consent_capture": "EXPLICIT", **changes})


def given(consent_type: str = "DATA_COLLECTION", **changes: Any) -> ConsentGrant:
    return ConsentGrant(**{"type": consent_type, "granted": True, **changes})


def test_a_required_consent_that_nobody_gave_is_asked_for(bare_world: World) -> None:
    explicit()
    bare_world.prepare()

    result = bare_world.confirm()

    assert code(result) == "CONSENT_REQUIRED" and result.refusal.details == {"missing": ["DATA_COLLECTION"]}
    still_ready()


def test_a_required_consent_that_was_denied_is_asked_for_even_where_confirming_would_grant_it(world: World) -> None:
    world.prepare()

    assert code(world.confirm(consents=(given(granted=False),))) == "CONSENT_REQUIRED"


def test_an_explicit_consent_is_recorded_with_its_words(bare_world: World) -> None:
    explicit()
    bare_world.prepare()

    bare_world.confirm(consents=(given(limits={"maxDays": 30}),))

    consent = Consent.objects.get()
    assert (consent.basis, consent.text_version, consent.locale) == ("EXPLICIT", "1", "en")
    assert consent.text_digest == consent.enrollment.program_version.program.consent_texts.get().digest


def test_control_is_never_granted_by_confirming_alone(bare_world: World) -> None:
    a_program(required_consents=[DER_CONTROL])
    bare_world.prepare()

    assert code(bare_world.confirm()) == "CONSENT_REQUIRED"
    assert isinstance(bare_world.confirm(consents=(given("DER_CONTROL"),)), Confirmed)


def test_an_optional_consent_is_not_granted_by_silence(bare_world: World) -> None:
    a_program(required_consents=[RESEARCH])
    bare_world.enrolled(1)

    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"text_digest": "sha256:" + "0" * 64}, {"text_version": "2"}, {"text_version": "9" * 400}],
)
def test_words_that_are_not_ours_are_not_agreed_to(world: World, wrong: dict[str, str]) -> None:
    world.prepare()

    result = world.confirm(consents=(given(**wrong),))

    assert code(result) == "CONSENT_REQUIRED" and "not the program's" in result.refusal.sentence
    still_ready()


def test_the_language_that_was_shown_is_the_one_recorded(world: World) -> None:
    assert world.version is not None
    hindi = consent_text(world.version, "DATA_COLLECTION", "hi", "आप अनुमति देते हैं।")
    world.prepare()

    world.confirm(consents=(given(text_version="1", text_digest=hindi.digest, locale="x" * 300),))

    assert (Consent.objects.get().locale, Consent.objects.get().text_digest) == ("hi", hindi.digest)


@pytest.mark.multi_meter
def test_a_required_consent_for_some_meters_only_does_not_cover_the_others(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    world.prepare(world.application(1, "umid-001", "umid-002"))
    for_one = (given(meters=("umid-001",)),)

    assert code(world.confirm(consents=for_one)) == "CONSENT_REQUIRED"
    assert isinstance(world.confirm(consents=for_one, meters=("umid-001",)), Confirmed)


@pytest.mark.multi_meter
def test_a_consent_for_somebody_else_s_meters_covers_none(bare_world: World) -> None:
    explicit()
    bare_world.prepare()

    assert code(bare_world.confirm(consents=(given(meters=("umid-777",)),))) == "CONSENT_REQUIRED"
