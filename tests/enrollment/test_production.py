"""What production refuses of the programs it finds in its database (decision 60)."""

import pytest

from audit import clock
from enrollment.checks import consent_texts_are_reviewed
from enrollment.models import ConsentText, Program, ProgramVersion

pytestmark = pytest.mark.django_db


def a_published_program(reviewed_by: str) -> None:
    program = Program.objects.create(program_id="p-1", provider_id="o-1", kind="DEMAND_FLEX", created_at=clock.now())
    ConsentText.objects.create(
        program=program,
        consent_type="DATA",
        version="1",
        locale="en",
        body="May we?",
        digest="x",
        reviewed_by=reviewed_by,
    )
    ProgramVersion.objects.create(
        program=program,
        number=1,
        state="PUBLISHED",
        published_at=clock.now(),
        name="Flex",
        conflict_group="FLEX",
        required_consents=[{"type": "DATA", "textVersion": "1"}],
    )


def test_production_refuses_a_consent_text_that_nobody_reviewed(settings):
    a_published_program(reviewed_by="")
    settings.DEPLOYMENT = "production"
    (found,) = consent_texts_are_reviewed(databases=["default"])
    assert found.id == "enrollment.E001"


def test_production_takes_a_reviewed_text_and_a_sandbox_any(settings):
    a_published_program(reviewed_by="legal, ticket 7")
    settings.DEPLOYMENT = "production"
    assert consent_texts_are_reviewed(databases=["default"]) == []


def test_a_sandbox_does_not_mind(settings):
    a_published_program(reviewed_by="")
    assert consent_texts_are_reviewed(databases=["default"]) == []
