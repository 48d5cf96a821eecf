"""The signed forms of a credential, each kept once it exists: whoever asks twice gets the same bytes.

The JWT forms are signed when the credential is issued. The JSON form with its embedded proof costs a JSON-LD reading
and is signed when somebody wants it for the first time: the one place where a GET writes (decision 51). Two at once
both sign, one INSERT wins, and both answer with what was kept.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from audit import clock
from credentials import claims, keys
from credentials.data_integrity import proofs
from credentials.data_integrity.jsonld import BadJsonLd
from credentials.documents import schema_problem
from credentials.models import Form, IssuedCredential, KeyAlgorithm, SignedForm
from credentials.services import statement_of
from credentials.signing import OwnOutputInvalid


class NoSuchForm(LookupError):
    """The credential is not to be had in this form; the text says why, to whoever holds it."""


def text_of(row: IssuedCredential, form: Form) -> str:
    """Return the kept bytes of a form of this credential.

    A JSON form that is wanted for the first time is signed and kept. Raises NoSuchForm for any other that is not
    there and for a credential that JSON-LD cannot express (a subject's id that is no URI), and `keys.NoActiveKey`
    before `bootstrap`. Not to be called with a transaction open: a KMS may be far away.
    """
    kept = _kept(row, form)
    if kept is None and form == Form.JSON_2_0:
        # Where another was quicker the row is theirs, and it is theirs that is read.
        SignedForm.objects.bulk_create([_signed(row)], ignore_conflicts=True)
        kept = _kept(row, form)
    if kept is None:
        raise NoSuchForm(f"not issued as {Form(form).label}")
    return kept.text


def document_of(row: IssuedCredential) -> dict[str, Any]:
    """Return the credential of data model 2.0 as it stands under an embedded proof."""
    if row.document is not None:
        return dict(row.document)
    document = claims.payload_2_0(statement_of(row))
    del document["iat"]  # a claim of the JWT around it, not of the credential
    return document


def _kept(row: IssuedCredential, form: Form) -> SignedForm | None:
    return SignedForm.objects.filter(credential=row, form=form).first()


def _signed(row: IssuedCredential) -> SignedForm:
    document, key, now = document_of(row), keys.active(KeyAlgorithm.ED25519), clock.now()
    problem = schema_problem(document) if row.document is None else ""
    if problem:
        raise OwnOutputInvalid(f"the credential does not follow its own schema: {problem}")
    try:
        signed = proofs.add_proof(document, key=key, issuer=settings.ISSUER_DID, created=now)
    except BadJsonLd as error:
        raise NoSuchForm(f"cannot be issued as {Form.JSON_2_0.label}: {error}") from error
    text = json.dumps(signed, separators=(",", ":"), ensure_ascii=False)
    personal = row.personal_claims is not None or row.document is not None
    return SignedForm(
        credential=row,
        form=Form.JSON_2_0,
        body="" if personal else text,
        sealed_body=text if personal else None,
        kid=key.kid,
        signed_at=now,
    )
