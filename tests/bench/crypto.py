"""Issuing and verifying credentials per second, beside what PyJWT alone can do with the same bytes in the same run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import transaction

from credentials import claims, keys, services, trust
from credentials.models import IssuedCredential
from credentials.own_output import sign_credential
from credentials.services import NewCredential
from credentials.verification import Presented, verify_presented
from sandbox import issuing
from tests.bench.report import Figure
from tests.bench.timing import per_second

SECTION = "Credentials, per second (one process)"
SUBJECT = "did:example:load-000001"
STRANGER = "did:web:issuer.bench.example"


def run() -> list[Figure]:
    now = datetime.now(UTC).replace(microsecond=0)
    sample = _sample(now)
    return [*_signing(sample, now), *_verifying(sample, now)]


@dataclass(frozen=True)
class _Sample:
    """A credential as we issue it, its parts, and its raw key."""

    payload: Mapping[str, Any]
    header: Mapping[str, str]
    token: str
    url: str
    key: keys.SigningKey
    raw: ec.EllipticCurvePrivateKey


def _sample(now: datetime) -> _Sample:
    with transaction.atomic():
        issued = services.issue([_new(now)], now=now)[0]
    row = IssuedCredential.objects.select_related("status_list").get(pk=issued.id)
    statement, key = services.statement_of(row), keys.active()
    header = claims.header_1_1(settings.ISSUER_DID, key.multikey)
    raw = ec.generate_private_key(ec.SECP256R1())
    return _Sample(claims.payload_1_1(statement), header, issued.jwt, issued.url, key, raw)


def _new(now: datetime) -> NewCredential:
    return NewCredential(
        kind="ENROLLMENT",
        subject_did=SUBJECT,
        claims={
            "enrollmentId": f"enrollment-{uuid4()}",
            "programId": "program-flex-demand-response-001",
            "programName": "Demand Flexibility Program",
            "meters": ["load-000001"],
            "ders": [],
            "roles": ["consumer"],
            "constraints": {},
            "status": "ACTIVE",
            "startDate": claims.instant(now),
            "endDate": claims.instant(now + timedelta(days=365)),
        },
        valid_from=now,
        valid_until=now + timedelta(days=365),
    )


def _signing(sample: _Sample, now: datetime) -> list[Figure]:
    payload, header = dict(sample.payload), dict(sample.header)
    raw = per_second(lambda: jwt.encode(payload, sample.raw, algorithm="ES256", headers=header))
    ours = per_second(lambda: sign_credential(payload, header, sample.key))
    single = per_second(lambda: _issue(1, now))
    many = per_second(lambda: _issue(100, now), rounds=3) * 100
    return [
        _rate("sign: raw PyJWT ES256", raw),
        _rate("sign, verify our own output, check the schema", ours, _times(raw, ours)),
        _rate("issue: both forms, rows, journal, commit; one at a time", single, _times(raw, single)),
        _rate("the same, 100 in one transaction", many, _times(raw, many)),
    ]


def _issue(count: int, now: datetime) -> None:
    with transaction.atomic():
        services.issue([_new(now) for _ in range(count)], now=now)


def _verifying(sample: _Sample, now: datetime) -> list[Figure]:
    public = sample.key.public
    options: Any = {"verify_aud": False}
    raw = per_second(lambda: jwt.decode(sample.token, public, algorithms=["ES256"], options=options))
    strangers = _presented_by_a_stranger(now)
    one = per_second(lambda: _verify([strangers], now))
    ten = per_second(lambda: _verify([strangers] * 10, now), rounds=3) * 10
    own = Presented(sample.url, "ProgramEnrollmentCredential", "VC-JWT", sample.token)
    ours = per_second(lambda: _verify([own], now))
    return [
        _rate("verify: raw PyJWT ES256", raw),
        _rate("verify a presented credential: all checks, trust from the table", one, _times(raw, one)),
        _rate("the same, ten in one message", ten, _times(raw, ten)),
        _rate("verify one of our own: trust and status from the tables", ours, _times(raw, ours)),
    ]


def _presented_by_a_stranger(now: datetime) -> Presented:
    """A meter ownership credential of a trusted issuer whose keys are pinned, so that no network is in the figure."""
    key = issuing.make_key()
    trust.add(STRANGER, types=["MeterOwnershipCredential"], jwks=issuing.jwks([key]), now=now)
    token = issuing.sign_vc(
        key,
        issuer=STRANGER,
        subject=SUBJECT,
        type="MeterOwnershipCredential",
        claims={"meterId": "load-000001", "utilityId": "utility-example-001", "ownershipStatus": "OWNER"},
        id=f"urn:uuid:{uuid4()}",
        now=now,
        expires_at=now + timedelta(days=30),
    )
    return Presented("vc-1", "MeterOwnershipCredential", "VC-JWT", token)


def _verify(items: list[Presented], now: datetime) -> None:
    for verdict in verify_presented(items, subject_did=SUBJECT, now=now):
        if not verdict.ok:
            raise RuntimeError(f"the sample does not verify: {verdict.reason} {verdict.detail}")


def _rate(name: str, value: float, note: str = "") -> Figure:
    return Figure(SECTION, name, value, "/s", note=note)


def _times(raw: float, ours: float) -> str:
    return f"{raw / ours:.1f} × raw"
