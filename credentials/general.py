"""Credentials that an operator hands over as a document and we sign: the VC API's `Kind.GENERAL`.

The document is signed as it came, but for three things: the issuer is us, it has an id, and it carries our two status
entries. It is held against the data model and its JSON-LD must lose nothing, in either form, before anything is kept.
It may say anything about a person, so it and its signed form are kept encrypted.
Source: VC API 0.3 (3.2); VCDM 2.0; spec credentials.md 3 and 5; decision 51.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from audit import log
from audit.log import Action, Actor, Line
from credentials import addresses, claims, content, keys, lists, vcdm
from credentials.data_integrity import jsonld, proofs
from credentials.defined import undefined_member
from credentials.models import Form, IssuedCredential, KeyAlgorithm, Kind, Purpose, SignedForm, StatusList
from credentials.own_output import sign_and_check
from credentials.reasons import Disbelieved
from credentials.services import access_digest
from credentials.verifying import meaning

_LONGEST_ID = 500
_RESERVED_TYPES = frozenset(
    {*claims.TYPES.values(), claims.DEG_TYPE, "BitstringStatusListCredential", "BitstringStatusList"}
)
"""What a signature of ours under these means stands in `enrollment` and `publishing`: no token makes such a thing."""
_A_TYPE = re.compile(r" <http://www\.w3\.org/1999/02/22-rdf-syntax-ns#type> <[^>]*[#/:]([^>#/:]*)>")
_OF_THE_TOKEN = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "vc", "vp", "status", "_sd", "_sd_alg"}
)
"""Claims of the JWT around a credential; data model 2.0 defines some of them as terms."""


class Refused(Exception):
    """The document cannot be signed as a credential; the text says the first thing that is wrong with it."""


@dataclass(frozen=True)
class IssuedDocument:
    """What was signed. `text` is the JSON with its proof, or the compact JWT."""

    id: UUID
    url: str
    form: Form
    text: str
    status_list_id: int


def issue_document(document: Mapping[str, Any], *, form: Form, now: datetime, actor: Actor) -> IssuedDocument:
    """Sign a credential document as JSON_2_0 or JWT_2_0 and keep it.

    Raises Refused for a document that is no credential, `keys.NoActiveKey` or `lists.NoPlaceLeft` before `bootstrap`.
    A place in a list that was taken for a refused document is lost, which is harmless.
    """
    _check(document)
    credential_id = uuid4()
    # Outside the transaction: taking a place needs none, and a KMS that signs may be far away.
    ((status_list, index),) = lists.take({Kind.GENERAL: 1})[Kind.GENERAL]
    complete = _completed(document, credential_id, status_list, index)
    row = _row(complete, credential_id, status_list, index, now=now)
    text, kid = _sign(complete, form, now=now)
    with transaction.atomic():
        row.save(force_insert=True)
        SignedForm.objects.create(credential=row, form=form, sealed_body=text, kid=kid, signed_at=now)
        log.record_all([_line(row, actor, now)])
    return IssuedDocument(row.id, row.url, form, text, status_list.pk)


def _check(document: Mapping[str, Any]) -> None:
    """Everything that can be wrong with what came, before a place in a list is taken for it."""
    if "proof" in document:
        raise Refused("The document carries a proof: send the credential without one.")
    if content.is_model_1_1(document):
        raise Refused("Credentials of data model 1.1 are not issued here: send one of data model 2.0.")
    problem = vcdm.problem(document, json_ld=False)  # signing makes it canonical anyway
    if problem:
        raise Refused(problem)
    undefined = undefined_member(document)
    if undefined:
        raise Refused(f"No context defines the member {undefined[:60]!r}.")
    named = document.get("id", "")
    if len(named) > _LONGEST_ID:
        raise Refused(f"The id is longer than {_LONGEST_ID} characters.")
    if _lies_among_ours(named):
        raise Refused("The id lies among our own addresses: leave it out, and we give one.")
    _check_types(_types(document))
    if meaning.is_said_in_pieces(document):
        raise Refused("Two objects have the same id, the credential's or a subject's: say all of it in one.")
    said = _OF_THE_TOKEN & set(document)
    if said:
        raise Refused(f"The member {min(said)!r} is a claim of the token, which we write.")
    if any(_is_ours(each) for each in _listed(document.get("credentialStatus"))):
        raise Refused("credentialStatus names a list of ours: leave it out, and we add its entries.")


def _check_types(types: set[str]) -> None:
    reserved = _RESERVED_TYPES & types
    if reserved:
        raise Refused(f"{min(reserved)} is not issued here: it comes from an enrolment or the status lists themselves.")


def _check_meaning(document: Mapping[str, Any]) -> None:
    """Refuse what JSON-LD would lose, and a reserved type under whatever name the document's own context gives it.

    A proof is over meanings: with the usual name put back, it would hold.
    """
    try:
        meant = jsonld.canonical(document)
    except jsonld.BadJsonLd as error:
        raise Refused(str(error)) from error
    _check_types(set(_A_TYPE.findall(meant)))


def _lies_among_ours(named: str) -> bool:
    """Whether an id is an address of ours, in any capitals, or another name of a credential that we have issued."""
    origin = f"{addresses.base()}/".lower()
    if f"{named}/".lower().startswith(origin) or named.startswith(f"{settings.ISSUER_DID}#"):
        return True
    known = addresses.resolve_id(named)
    return known is not None and IssuedCredential.objects.filter(pk=known).exists()


def _types(document: Mapping[str, Any]) -> set[str]:
    """The types of a document and its subjects: as names, and the last part of those that are written as an address."""
    every = [document, *_listed(document.get("credentialSubject"))]
    named = [each for one in every for name in ("type", "@type") for each in _listed(one.get(name))]
    return {re.split(r"[#/:]", each)[-1] for each in named if isinstance(each, str)}


def _is_ours(entry: object) -> bool:
    at = entry.get("statusListCredential", "") if isinstance(entry, dict) else ""
    return isinstance(at, str) and at.startswith(f"{addresses.base()}/")


def _completed(document: Mapping[str, Any], credential_id: UUID, status_list: StatusList, index: int) -> dict[str, Any]:
    """The document with its id, our name as issuer, and our status entries after those it has."""
    issuer = document["issuer"]
    place = claims.StatusPlace(
        revocation_url=addresses.status_list(Kind.GENERAL, Purpose.REVOCATION, status_list.number),
        suspension_url=addresses.status_list(Kind.GENERAL, Purpose.SUSPENSION, status_list.number),
        index=index,
    )
    return {
        **document,
        "id": document.get("id", addresses.credential(credential_id)),
        # Whoever else it names: a signature by our key is ours, and a verifier would refuse any other issuer.
        "issuer": {**issuer, "id": settings.ISSUER_DID} if isinstance(issuer, dict) else settings.ISSUER_DID,
        "credentialStatus": [*_listed(document.get("credentialStatus")), *place.entries()],
    }


def _row(
    document: Mapping[str, Any], credential_id: UUID, status_list: StatusList, index: int, *, now: datetime
) -> IssuedCredential:
    url = addresses.credential(credential_id)
    starts, ends = _period(document, now)
    return IssuedCredential(
        id=credential_id,
        url=url,
        wire_id=document["id"] if document["id"] != url else "",
        kind=Kind.GENERAL,
        subject_did=_subject_did(document),
        claims={},
        document=dict(document),
        valid_from=starts,
        valid_until=ends,
        wire_valid_until=str(document.get("validUntil", ""))[:40],
        issued_at=now,
        status_list=status_list,
        status_index=index,
        access_digest=access_digest(secrets.token_urlsafe(16)),  # nobody gets a link to it
    )


def _subject_did(document: Mapping[str, Any]) -> str:
    """The first subject's DID; any other id could be an address or a number of a person, and this column is clear."""
    named = _listed(document["credentialSubject"])[0].get("id", "")
    return named if named.startswith("did:") and len(named) <= _LONGEST_ID else ""


def _period(document: Mapping[str, Any], now: datetime) -> tuple[datetime, datetime | None]:
    """The row's dates; the document's own words are what is signed. `ends` is exclusive and later than `starts`."""
    try:
        starts = content.from_text(document["validFrom"], "validFrom") if "validFrom" in document else None
        ends = content.from_text(document["validUntil"], "validUntil") if "validUntil" in document else None
    except Disbelieved as error:
        raise Refused(error.detail) from error
    if starts is None:
        starts = now if ends is None or ends > now else ends - timedelta(seconds=1)
    return starts, max(ends, starts + timedelta(seconds=1)) if ends else None


def _sign(document: dict[str, Any], form: Form, *, now: datetime) -> tuple[str, str]:
    """Return the signed text and the kid of the key; what we cannot read ourselves as a stranger would is refused."""
    _check_meaning(document)  # a JWT signs every byte, but who reads it as JSON-LD must not lose any
    if form is Form.JSON_2_0:
        key = keys.active(KeyAlgorithm.ED25519)
        try:
            signed = proofs.add_proof(document, key=key, issuer=settings.ISSUER_DID, created=now)
        except jsonld.BadJsonLd as error:
            raise Refused(str(error)) from error
        return json.dumps(signed, separators=(",", ":"), ensure_ascii=False), key.kid
    key = keys.active()
    payload = {**document, "iat": int(now.timestamp())}
    return sign_and_check(payload, claims.header_2_0(settings.ISSUER_DID, key.kid), key), key.kid


def _line(row: IssuedCredential, actor: Actor, at: datetime) -> Line:
    return Line(
        Action.CREDENTIAL_ISSUED,
        actor,
        at,
        object_type="IssuedCredential",
        object_id=str(row.pk),
        details={"kind": row.kind, "list": row.status_list.number},
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
