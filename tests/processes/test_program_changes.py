"""A program's conditions are rows: who changes them changes what the running service answers."""

import json
import uuid

import pytest

from tests.bap import eventually, http
from tests.journeys import Journey, Person
from tests.stack import Stack

pytestmark = pytest.mark.processes

_COLUMNS = (
    "SELECT string_agg(quote_ident(column_name), ',') FROM information_schema.columns"
    " WHERE table_name = 'program_versions' AND column_name NOT IN ('id', 'program_id', 'number', 'criteria', 'state')"
)


def publish(stack: Stack, program_id: str, number: int, load_kw: int) -> None:
    """Publish a version like the sandbox's FLEX program, which asks for so many kW of sanctioned load."""
    criteria = [
        {"kind": "SANCTIONED_LOAD", "parameters": {"fromKw": load_kw}, "text": f"A load of at least {load_kw} kW"}
    ]
    stack.sql(
        "INSERT INTO programs (program_id, provider_id, kind, created_at)"
        " SELECT %s, provider_id, kind, created_at FROM programs"
        " WHERE program_id = 'program-flex-demand-response-001' ON CONFLICT DO NOTHING",
        program_id,
    )
    ((columns,),) = stack.sql(_COLUMNS)
    stack.sql(
        "UPDATE program_versions v SET state = 'RETIRED' FROM programs p WHERE p.id = v.program_id"
        " AND p.program_id = %s AND v.state = 'PUBLISHED'",
        program_id,
    )
    stack.sql(
        f"INSERT INTO program_versions (program_id, number, criteria, state, {columns})"
        f" SELECT (SELECT id FROM programs WHERE program_id = %s), %s, %s::jsonb, 'PUBLISHED', {columns}"
        " FROM program_versions WHERE state = 'PUBLISHED'"
        " AND program_id = (SELECT id FROM programs WHERE program_id = 'program-flex-demand-response-001')",
        program_id,
        number,
        json.dumps(criteria),
    )


def texts(order: dict) -> list[str]:
    return [each["text"] for each in order["beckn:orderAttributes"]["enrollmentCriteria"]]


@pytest.mark.beckn_compliance
def test_a_criterion_changed_in_a_program_appears_in_on_select_and_on_init_without_a_deploy(stack):
    program_id = f"program-{uuid.uuid4().hex[:12]}"
    publish(stack, program_id, 1, 3)
    journey = Journey(stack, Person("did:example:neighbour-bina", "umid-003"), ("vpp-program-flex-001", program_id))
    credentials = [c for c in journey.credentials() if c["type"] == "MeterOwnershipCredential"]
    assert texts(journey.ask(journey.message("select", {}))) == ["A load of at least 3 kW"]
    assert texts(journey.ask(journey.init(credentials=credentials))) == ["A load of at least 3 kW"]

    publish(stack, program_id, 2, 50)
    assert texts(journey.ask(journey.message("select", {}))) == ["A load of at least 50 kW"]
    refused = journey.ask(journey.init(credentials=credentials))
    assert refused["error"]["code"] == "NOT_ELIGIBLE"
    assert "50" in json.dumps(refused["error"]["details"]["failed"])


def listed(stack: Stack, program_id: str) -> dict | None:
    """How the sandbox's discovery service knows a program."""
    known = http("GET", f"{stack.utility_url()}/discovery/catalogs").body["catalogs"]
    items = [item for catalog in known for item in catalog["beckn:items"]]
    return next((item for item in items if item["beckn:id"] == program_id), None)


@pytest.mark.beckn_compliance
def test_what_is_published_and_what_is_retired_reaches_the_discovery_service_signed(stack):
    program_id = f"program-{uuid.uuid4().hex[:12]}"
    publish(stack, program_id, 1, 3)
    eventually(lambda: (listed(stack, program_id) or {}).get("beckn:isActive") is True)
    assert "A load of at least 3 kW" in json.dumps(listed(stack, program_id))

    stack.sql(
        "UPDATE program_versions v SET state = 'RETIRED' FROM programs p"
        " WHERE p.id = v.program_id AND p.program_id = %s",
        program_id,
    )
    eventually(lambda: (listed(stack, program_id) or {}).get("beckn:isActive") is False)
    assert (listed(stack, "program-flex-demand-response-001") or {})["beckn:isActive"] is True
    assert stack.sql("SELECT count(*) FROM catalog_changes WHERE announced_at IS NULL") == [(0,)]
