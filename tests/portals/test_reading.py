"""Whatever a provider sends, a page can be made of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from portals import consents, journey, reading
from portals.models import Application, CatalogProgram

_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
_keys = st.sampled_from(
    [
        *("message", "order", "error", "code", "details", "beckn:orderAttributes", "beckn:fulfillments", "eligibility"),
        *("requiredConsents", "requiredCredentials", "enrollmentCriteria", "documents", "nextSteps", "type", "texts"),
        *("beckn:instrument", "meters", "beckn:id", "conflictCheck", "credential", "consents", "startDate", "status"),
        *("beckn:itemAttributes", "presentation", "beckn:descriptor", "unenrollment", "meterId", "cell", "reasons"),
    ]
)
anything = st.recursive(_leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5))


@given(anything, anything)
def test_no_answer_is_too_strange_to_be_read(told: Any, item: Any):
    program = CatalogProgram(item=item, program_id="p", provider_id="q")
    application = Application(program=program, answers={}, told={"on_select": told, "on_init": told})

    assert isinstance(reading.program(item, "hi").name, str)
    assert isinstance(reading.selected(told).eligibility, tuple)
    assert isinstance(reading.enrollment(told).enrollment_id, str)
    assert reading.prepared(told).state in (None, *reading.Outcome)
    assert journey.steps(application)[0].name == "account"
    assert isinstance(consents.grants(application), list)


def test_a_refusal_is_read_in_our_own_codes():
    told = {"message": {"order": {"error": {"code": "PROGRAM_CAPACITY_FULL", "message": "Full."}}}}

    refusal = reading.prepared(told).refusal

    assert refusal is not None and (refusal.code, refusal.sentence) == ("CAPACITY_FULL", "Full.")


def test_a_program_is_read_in_the_language_that_was_asked_for_else_in_the_providers_own_words():
    item = {
        "beckn:id": "p-1",
        "beckn:descriptor": {"schema:name": "Flex", "beckn:shortDesc": "Use less."},
        "beckn:itemAttributes": {"presentation": {"texts": {"hi": {"name": "फ्लेक्स", "reviewed": False}}}},
    }

    assert reading.program(item, "hi-IN").name == "फ्लेक्स" and not reading.program(item, "hi-IN").is_reviewed
    assert (reading.program(item, "ur").name, reading.program(item, "ur").locale) == ("Flex", "")
