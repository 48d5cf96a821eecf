"""A lost key: the living credentials it signed are signed again, under the same id and index, and nothing else is."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from audit import log
from audit.models import Event
from credentials import bulk, keys, resigning, services, tasks
from credentials.data_integrity import proofs
from credentials.models import (
    BulkAct,
    BulkKind,
    Form,
    IssuedCredential,
    IssuerKey,
    KeyAlgorithm,
    SignedForm,
    WalletCopy,
)
from tests.credentials.conftest import NOON, consent, enrollment
from tests.credentials.test_bulk import LATER, OPERATOR, issued, work_off

ES256, ED25519 = KeyAlgorithm.ES256, KeyAlgorithm.ED25519
LOST = NOON + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def who_was_told(settings: Any) -> list[UUID]:
    """The ids that were handed to whoever tells others, in place of the room above."""
    settings.BULK_DOERS = {"TELL": f"{__name__}.hears"}
    _told.clear()
    return _told


_told: list[UUID] = []


def hears(batch: Any, now: Any) -> bulk.Step:
    return lambda: _told.extend(batch.ids) or bulk.Done(len(batch.ids))


def lose(algorithm: str = ES256) -> str:
    """Revoke the active key, as an operator does who has lost it."""
    kid = keys.active(algorithm).kid
    keys.revoke(kid, now=LOST, actor=OPERATOR)
    return kid


def form_of(credential: UUID, form: str = Form.JWT_1_1) -> SignedForm:
    return SignedForm.objects.get(credential=credential, form=form)


def header(form: SignedForm) -> dict[str, Any]:
    return jwt.get_unverified_header(form.text)


def payload(form: SignedForm) -> dict[str, Any]:
    return jwt.decode(form.text, options={"verify_signature": False})


def is_good_under(form: SignedForm, kid: str) -> bool:
    key = IssuerKey.objects.get(kid=kid)
    public = keys.public_key(kid, key.public_jwk)
    try:
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        jwt.decode(form.text, public, algorithms=["ES256"], options=options)
    except jwt.InvalidSignatureError:
        return False
    return True


def with_a_json_form(credential: UUID) -> SignedForm:
    """As kept when somebody asked for the form with an embedded proof."""
    key = keys.active(ED25519)
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": IssuedCredential.objects.get(pk=credential).url,
        "type": ["VerifiableCredential"],
        "issuer": "did:web:issuer.example",
        "credentialSubject": {"id": "did:example:user-12345"},
    }
    from django.conf import settings

    text = json.dumps(proofs.add_proof(document, key=key, issuer=settings.ISSUER_DID, created=NOON))
    return SignedForm.objects.create(
        credential_id=credential, form=Form.JSON_2_0, body=text, kid=key.kid, signed_at=NOON
    )


def test_revoking_a_key_signs_its_living_credentials_again_word_for_word(ready: None) -> None:
    (one,) = issued(1)
    before = {form.form: (header(form), payload(form)) for form in SignedForm.objects.all()}
    lost = lose()
    new = keys.active().kid
    assert form_of(one).kid == lost, "the worker does it"

    work_off()

    for form in SignedForm.objects.all():
        old_header, old_payload = before[form.form]
        assert payload(form) == old_payload
        assert form.kid == new and form.signed_at == LATER
        assert is_good_under(form, new) and not is_good_under(form, lost)
        assert {**header(form), "kid": ""} == {**old_header, "kid": ""}


def test_each_form_names_the_new_key_as_it_named_the_old_one(ready: None) -> None:
    (one,) = issued(1)
    lose()
    work_off()
    new = keys.active()

    assert header(form_of(one))["kid"].endswith(f"#{new.multikey}")
    for form in SignedForm.objects.filter(credential=one).exclude(form=Form.JWT_1_1):
        assert header(form)["kid"].endswith(f"#{new.kid}")


def test_id_and_place_in_the_list_stay(ready: None) -> None:
    (before,) = services.entries(issued(1))
    lose()
    work_off()
    assert services.entries([before.credential_id]) == [before]


def test_what_is_revoked_or_over_is_not_signed_again_and_what_is_suspended_is(ready: None) -> None:
    living, revoked, suspended = issued(3)
    (over,) = services.issue([consent(valid_until=LOST)], now=NOON)
    services.revoke([revoked], at=NOON, reason="over")
    services.suspend([suspended], at=NOON)
    lost = lose()
    act = BulkAct.objects.get(kind=BulkKind.RESIGN)
    work_off()

    assert sorted(bulk.manifest_of(act)) == sorted([living, suspended])
    assert form_of(revoked).kid == form_of(over.id).kid == lost


def test_what_another_key_signed_is_left_alone(ready: None) -> None:
    (old,) = issued(1)
    first = keys.active().kid
    announced = keys.announce(now=NOON, actor=OPERATOR)
    keys.activate(announced.kid, now=NOON, actor=OPERATOR, at_once=True)
    issued(1)
    untouched = form_of(old).text
    lose()
    work_off()
    assert (form_of(old).kid, form_of(old).text) == (first, untouched)


def test_an_embedded_proof_is_made_anew_by_the_new_ed25519_key(ready: None) -> None:
    (one,) = issued(1)
    with_a_json_form(one)
    jwts = {form.form: form.text for form in SignedForm.objects.exclude(form=Form.JSON_2_0)}
    lose(ED25519)
    work_off()

    form, new = form_of(one, Form.JSON_2_0), keys.active(ED25519)
    document = json.loads(form.text)
    (proof,) = proofs.read_proofs(document)
    assert form.kid == new.kid and proof.verification_method.endswith(f"#{new.multikey}") and proof.created == LATER
    assert proofs.verify_proof(document, proof, new.public)
    assert {f.form: f.text for f in SignedForm.objects.exclude(form=Form.JSON_2_0)} == jwts


def test_a_form_that_is_kept_encrypted_stays_so(ready: None) -> None:
    (one,) = issued(1)
    form = form_of(one)
    SignedForm.objects.filter(pk=form.pk).update(body="", sealed_body=form.body)
    lose()
    work_off()

    again = form_of(one)
    assert again.body == "" and is_good_under(again, keys.active().kid)


def test_a_key_lost_twice_in_a_row_leaves_nothing_under_either(ready: None) -> None:
    (one,) = issued(1)
    first = lose()
    slow = bulk._take(LATER)  # a worker begins with the second key …
    assert slow is not None
    step = resigning.work(slow, LATER)
    second = lose()  # … which is lost before it is done
    with pytest.raises(bulk.NotNow):
        step()
    work_off(LATER + timedelta(minutes=1))
    assert form_of(one).kid == keys.active().kid not in (first, second)


def test_a_credential_that_was_being_issued_while_its_key_was_revoked_is_found(ready: None) -> None:
    issued(1)
    kid = lose()
    work_off()
    (late,) = issued(1)
    SignedForm.objects.filter(credential=late).update(kid=kid)  # as if its transaction had begun before
    assert resigning.ask_for_what_is_left(LATER) == 1 and resigning.ask_for_what_is_left(LATER) == 0
    work_off()
    assert not SignedForm.objects.filter(kid=kid).exists()


def test_one_form_that_cannot_be_signed_again_does_not_stop_the_others_and_is_not_tried_for_ever(ready: None) -> None:
    broken, good = issued(2)
    SignedForm.objects.filter(credential=broken).update(body="not.a.jwt")
    kid = lose()
    work_off()

    assert form_of(good).kid == keys.active().kid
    assert bulk.progress_of(BulkAct.objects.get(kind=BulkKind.RESIGN).pk).changed == 1
    assert [each.id for each in resigning.losing(kid, now=LATER).credentials] == [broken]
    assert resigning.ask_for_what_is_left(LATER) == 0


def test_holders_are_told_when_everything_is_signed_again(ready: None, who_was_told: list[UUID]) -> None:
    ids = issued(7)
    lose()
    work_off()
    assert sorted(who_was_told) == sorted(ids)
    act = BulkAct.objects.get(kind=BulkKind.RESIGN)
    assert BulkAct.objects.get(kind=BulkKind.TELL).source == f"act:{act.pk}" and bulk.progress_of(act.pk).is_over


def test_the_journal_says_which_key_and_how_many(ready: None) -> None:
    issued(7)
    kid = lose()
    work_off()
    lines = Event.objects.filter(action="credential.resigned").order_by("pk")
    assert [(line.details["changed"], line.details["count"]) for line in lines] == [(7, 7)]
    assert {line.details["source"] for line in lines} == {f"key:{kid}"}


def test_what_is_about_to_lose_its_signature_is_listed_with_copies_in_wallets(ready: None) -> None:
    (one,) = services.issue([enrollment()], now=NOON)
    kid = keys.active().kid
    WalletCopy.objects.create(credential_id=one.id, format="dc+sd-jwt", holder_thumbprint="h", kid=kid, issued_at=NOON)
    losing = resigning.losing(kid, now=NOON)
    (credential,) = losing.credentials
    assert (credential.id, credential.url, credential.kind) == (one.id, one.url, "ENROLLMENT")
    assert set(credential.forms) == set(SignedForm.objects.values_list("form", flat=True))
    assert [(copy.credential_id, copy.format) for copy in losing.wallet_copies] == [(one.id, "dc+sd-jwt")]

    lose()
    work_off()
    after = resigning.losing(kid, now=LATER)
    assert after.credentials == () and len(after.wallet_copies) == 1, "a wallet's copy is not ours to sign again"


def test_upkeep_looks_for_what_is_left(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    kid = lose()
    (late,) = issued(1)
    SignedForm.objects.filter(credential=late).update(kid=kid)
    monkeypatch.setattr(tasks.clock, "now", lambda: LATER)
    tasks.upkeep()
    assert BulkAct.objects.get(kind=BulkKind.RESIGN).actor_id == log.SYSTEM.id
