"""What a strict participant does not see, and what it sees all the same (decision 41)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from beckn.profiles import onboarding
from beckn.profiles.onboarding import A_EXTENSIONS, error, write
from enrollment.codes import Code, Refusal
from enrollment.facts import MissingCredential
from enrollment.results import (
    AvailableMeter,
    Catalog,
    Confirmed,
    ConsentsGranted,
    ConsentWithdrawn,
    CrossUtilityLine,
    Ended,
    MeterLine,
    MeterState,
    Selected,
    Snapshot,
    Stage,
    Waiting,
)
from enrollment.states import CaseState
from identity.proofs import Method, Shown
from tests.beckn.results import (
    CONFLICT,
    ENTRY,
    MAY,
    PREPARED,
    Json,
    consent,
    ended,
    enrolled_order,
    issued,
    order,
    refused,
)
from tests.factories import NOON, UTILITY_A


def attributes(body: Json) -> Json:
    return body["order"]["beckn:orderAttributes"]  # type: ignore[no-any-return]


# --- strict (decision 41) --------------------------------------------------------------------------------------------

ANSWERS = {
    "ready": ("on_init", PREPARED),
    "missing": ("on_init", replace(PREPARED, missing=(MissingCredential("X"),))),
    "waiting": ("on_init", Waiting(order(CaseState.SUBMITTED), NOON, UTILITY_A)),
    "unproven": (
        "on_init",
        refused(
            refusal=Refusal(
                Code.CREDENTIAL_VERIFICATION_FAILED,
                "",
                details={"credential_id": "1", "reason": "r", "reason_code": "R"},
            ),
            stage=Stage.PROOFS,
        ),
    ),
    "conflict": ("on_init", refused(stage=Stage.CONFLICTS, conflicts=(CONFLICT,))),
    "confirmed": ("on_confirm", Confirmed(enrolled_order(), NOON)),
    "confirmed, and its meters changed": (
        "on_confirm",
        Confirmed(enrolled_order(credential=issued(supersedes="https://owner.example.com/credentials/1")), NOON),
    ),
    "consent": ("on_update", ConsentWithdrawn(enrolled_order(), consent("REVOKED", revoked_at=NOON), NOON)),
    "consent later": (
        "on_update",
        ConsentWithdrawn(enrolled_order(), consent(revoke_scheduled_for=MAY), NOON, is_pending=True),
    ),
    "ended": ("on_update", ended()),
    "ended by an operator": ("on_update", replace(ended(), reason="PROGRAM_ENDED")),
    "ends later": ("on_update", Ended(enrolled_order(end_scheduled_for=MAY), (), NOON, "log-2", is_pending=True)),
}


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Every key path below message.order; places in lists are not counted."""
    if isinstance(value, list):
        for item in value:
            yield from paths(item, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            yield below
            yield from paths(item, below)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_strict_participant_misses_exactly_the_listed_extensions(name: str) -> None:
    action, result = ANSWERS[name]
    full = set(paths(write(action, result)["order"]))
    strict = set(paths(write(action, result, is_strict=True)["order"]))

    listed = {p for p in full if any(p == e or p.startswith(f"{e}.") for e in A_EXTENSIONS)}
    assert full - strict == listed and strict <= full


def test_every_extension_of_the_list_is_written_somewhere() -> None:
    unseen = set(A_EXTENSIONS) - {
        p for action, result in ANSWERS.values() for p in paths(write(action, result)["order"])
    }

    retried = error(Refusal(Code.UTILITY_UNAVAILABLE, "", details={"retry_after": 1}))
    rejected = replace(PREPARED, order=order(meters=(MeterLine("u", state=MeterState.REJECTED, refusal=Refusal(Code.NO_METER, "")),)))  # fmt: skip  # noqa: E501
    seen = {f"error.{p}" for p in paths(retried)} | set(paths(write("on_init", rejected)["order"]))
    shown = Shown(Method.OIDC, is_verified=True)
    proven = replace(
        PREPARED,
        available_meters=(AvailableMeter("umid-001", "utility-example-001"),),
        cross_utility=(CrossUtilityLine("utility-example-002", "VERIFIED"),),
    )
    seen |= set(paths(write("on_init", proven, shown=shown)["order"]))
    stopped = replace(PREPARED, order=order(stopped_at=PREPARED.checked_at))
    seen |= set(paths(write("on_init", stopped)["order"]))
    assert unseen - seen == set()


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("on_status", Snapshot(enrolled_order(), NOON)),
        ("on_select", Selected("order-1", ENTRY)),
        ("on_cancel", ended()),
        ("on_search", Catalog((ENTRY,))),
        ("on_update", ConsentsGranted(enrolled_order(), (consent(),), NOON)),
    ],
    ids=["on_status", "on_select", "on_cancel", "on_search", "consent grant"],
)
def test_messages_without_a_sample_are_the_same_for_a_strict_participant(action: str, result: Any) -> None:
    assert write(action, result, is_strict=True) == write(action, result)


def test_granted_consents_reach_every_participant() -> None:
    granted = ConsentsGranted(enrolled_order(), (consent(),), NOON)

    told = attributes(write("on_update", granted, is_strict=True))

    assert told["updateType"] == "CONSENT_GRANT" and told["consents"][0]["credentialData"].startswith("sealed:")


def test_only_the_keys_said_to_be_secret_carry_what_opens_something() -> None:
    body = write("on_confirm", Confirmed(enrolled_order(), NOON))

    holding = {p.rpartition(".")[2] for p in paths(body) if "?t=" in str(_at(body, p))}
    assert holding <= onboarding.SECRET_KEYS_OUT and holding == {"credentialUrl", "offerUrl"}


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
