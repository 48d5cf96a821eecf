"""Revocations to come: planned, withdrawn, done by the sweep; and what an operator may change by command."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from audit.models import Event
from credentials import keys, services, tasks
from credentials.models import BulkAct, IssuedCredential, StatusChange, WalletCopy
from tests.credentials.conftest import NOON, enrollment
from tests.credentials.test_bulk import OPERATOR, issued
from tests.credentials.test_status import published_bits

SECOND = timedelta(seconds=1)
THEN = NOON + timedelta(days=30)


def actions() -> list[str]:
    return list(
        Event.objects.filter(action__startswith="credential.rev").order_by("pk").values_list("action", flat=True)
    )


def plan(ids: list[UUID], at: Any = THEN, **more: Any) -> list[services.StatusEntry]:
    return services.plan_revocation(ids, at=at, reason="MOVING", now=NOON, actor=OPERATOR, **more)


def test_a_planned_revocation_is_told_and_happens_at_its_moment_and_not_before(ready: None) -> None:
    (one,) = issued(1)
    (entry,) = plan([one])
    assert (entry.revoked, entry.revoke_at) == (False, THEN)
    assert tasks.sweep(THEN - SECOND) == 0 and not any(published_bits())

    assert tasks.sweep(THEN) == 2  # a revocation, a list
    (entry,) = services.entries([one])
    assert (entry.revoked, entry.revoked_at, entry.revoke_at) == (True, THEN, None)
    assert IssuedCredential.objects.get(pk=one).revocation_reason == "MOVING"
    assert sum(byte.bit_count() for byte in published_bits()) == 1
    assert tasks.sweep(THEN + SECOND) == 0
    assert actions() == ["credential.revocation_planned", "credential.revoked"]


def test_a_plan_can_be_withdrawn_until_it_is_done(ready: None) -> None:
    one, other = issued(2)
    plan([one, other])
    (entry,) = services.withdraw_plan([one], now=NOON, actor=OPERATOR)
    assert entry.revoke_at is None
    services.revoke_due(THEN)
    assert [entry.revoked for entry in services.entries([one, other])] == [False, True]
    assert services.withdraw_plan([other], now=THEN, actor=OPERATOR)[0].revoked, "that is final"
    assert actions().count("credential.revocation_withdrawn") == 1


def test_a_later_plan_replaces_the_earlier_one_and_a_past_moment_means_now(ready: None) -> None:
    one, other = issued(2)
    plan([one])
    (entry,) = plan([one], at=THEN - SECOND)
    assert entry.revoke_at == THEN - SECOND
    (entry,) = plan([other], at=NOON - SECOND)
    assert (entry.revoked_at, entry.revoke_at) == (NOON, None)


def test_who_revokes_a_planned_credential_now_ends_the_plan(ready: None) -> None:
    (one,) = issued(1)
    plan([one])
    services.revoke([one], at=NOON, reason="lost")
    assert services.revoke_due(THEN) == 0
    row = IssuedCredential.objects.get(pk=one)
    assert (row.revocation_reason, row.revoke_at, row.revoke_at_reason) == ("lost", None, "")
    (entry,) = plan([one])
    assert (entry.revoked_at, entry.revoke_at) == (NOON, None), "what is revoked takes no plan"


def test_the_database_refuses_a_plan_for_what_is_revoked_and_one_without_a_reason(ready: None) -> None:
    (one,) = issued(1)
    row = IssuedCredential.objects.filter(pk=one)
    with pytest.raises(IntegrityError), transaction.atomic():
        row.update(revoke_at=THEN)
    services.revoke([one], at=NOON, reason="lost")
    with pytest.raises(IntegrityError), transaction.atomic():
        row.update(revoke_at=THEN, revoke_at_reason="x")


def test_many_plans_with_several_reasons_are_done_together(ready: None) -> None:
    ids = issued(4)
    plan(ids[:2])
    services.plan_revocation(ids[2:], at=THEN, reason="OTHER", now=NOON)
    assert services.revoke_due(THEN) == 4
    reasons = IssuedCredential.objects.values_list("revocation_reason", flat=True)
    assert sorted(reasons) == ["MOVING", "MOVING", "OTHER", "OTHER"]
    assert StatusChange.objects.count() == 2


# --- by command ------------------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    call_command(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def general(ready: None) -> list[UUID]:
    """Three credentials that belong to nobody's enrolment."""
    ids = issued(3)
    IssuedCredential.objects.filter(pk__in=ids).update(kind="GENERAL")
    return ids


def test_an_operator_revokes_suspends_and_resumes_what_stands_for_itself(
    general: list[UUID], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, *others = general
    named = tmp_path / "ids"
    named.write_text("".join(f"{each}\n" for each in others))
    suspended = said(capsys, "status", "suspend", "--file", str(named), "--reason", "UNDER_REVIEW", "--wait")
    assert (suspended["changed"], suspended["isOver"], suspended["source"]) == (2, True, "command")
    assert said(capsys, "status", "resume", str(others[0]), "--wait")["changed"] == 1
    url = IssuedCredential.objects.get(pk=one).url
    assert said(capsys, "status", "revoke", url, "--reason", "ISSUED_IN_ERROR", "--wait")["changed"] == 1
    states = {entry.credential_id: (entry.revoked, entry.suspended) for entry in services.entries(general)}
    assert states == {one: (True, False), others[0]: (False, False), others[1]: (False, True)}


def test_an_operator_plans_a_revocation_and_takes_it_back(
    general: list[UUID], capsys: pytest.CaptureFixture[str]
) -> None:
    (told,) = said(
        capsys, "status", "revoke", str(general[0]), "--reason", "PROJECT_OVER", "--at", "2099-01-01T00:00:00Z"
    )
    assert (told["status"], told["effectiveDate"]) == ("PENDING", "2099-01-01T00:00:00Z")
    assert [each["url"] for each in said(capsys, "status", "planned")] == [told["url"]]
    (told,) = said(capsys, "status", "keep", str(general[0]))
    assert told["status"] == "GOOD" and said(capsys, "status", "planned") == []


def test_what_belongs_to_an_enrolment_is_refused_and_nothing_is_half_done(general: list[UUID]) -> None:
    (enrolled,) = services.issue([enrollment()], now=NOON)
    with pytest.raises(CommandError, match="belongs to an enrolment"):
        call_command("status", "revoke", str(general[0]), str(enrolled.id), "--reason", "X")
    for nobody in ("00000000-0000-4000-8000-000000000000", "what?"):
        with pytest.raises(CommandError, match="nothing was changed"):
            call_command("status", "revoke", nobody, "--reason", "X")
    with pytest.raises(CommandError):
        call_command("status", "revoke", str(general[0]), "--reason", "because of Mr Kumar")
    assert not BulkAct.objects.exists()


def test_the_command_lists_what_a_key_would_take_with_it(ready: None, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = issued(1)
    kid = keys.active().kid
    WalletCopy.objects.create(credential_id=one, format="dc+sd-jwt", holder_thumbprint="h", kid=kid, issued_at=NOON)
    told = said(capsys, "keys", "losing", kid)
    assert [each["id"] for each in told["credentials"]] == [str(one)]
    assert [each["format"] for each in told["walletCopies"]] == ["dc+sd-jwt"]
    call_command("keys", "losing", kid)
    assert "1 credentials, which are signed again, and 1 copies" in capsys.readouterr().out
    revoked = said(capsys, "keys", "revoke", kid, "--reason", "COMPROMISED")
    assert (revoked["credentialsLosingTheirSignature"], revoked["walletCopies"]) == (1, 1)
    call_command("bulk", "show", revoked["signedAgainBy"], "--manifest")
    assert capsys.readouterr().out.split() == [str(one)]
