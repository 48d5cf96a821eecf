"""A presentation: whoever signed it showed these credentials, for this challenge and domain.

As a JWT (`vp` claim, `vp+jwt`), enveloped, or JSON with an embedded proof. Its signer is its holder; every credential
in it is judged like any other. Source: VCDM 2.0 4.13, VC-JOSE-COSE 3.2, Data Integrity 4.4; spec credentials.md 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from credentials import content, issuers, problems, tokens, vcdm
from credentials.asking import Deadline, Waiting
from credentials.claims import CONTEXT_V1, CONTEXT_V2
from credentials.content import malformed
from credentials.problems import Problem, problem_of
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import embedded_proofs, judging, reading
from credentials.verifying.examination import LEEWAY, SELF_SAID, own_types
from credentials.verifying.reading import Signature
from credentials.verifying.values import Check, Policy, Presented, Verdict

MAXIMUM_CREDENTIALS = 20
_ENVELOPES = ("data:application/vp+jwt,", "data:application/jwt,", "data:application/vp-ld+jwt,")
_JWT_TYPES = ("vp+jwt", "vp+ld+jwt", "vp+ld+json+jwt")


@dataclass(frozen=True)
class PresentationVerdict:
    """What was found: of the presentation itself, and of each credential in it, in their order.

    `ok` means that everything holds; `holder` is the DID whose key signed, "" until that is proven.
    """

    ok: bool
    reason: str = ""
    detail: str = ""
    retryable: bool = False
    holder: str = ""
    checks: tuple[Check, ...] = ()
    problems: tuple[Problem, ...] = ()
    credentials: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class _Shown:
    """A presentation that could be read; nothing is proven yet."""

    document: Mapping[str, Any]
    holder: str
    signatures: Sequence[Signature]
    items: Sequence[Presented]
    starts: Sequence[datetime] = ()
    ends: Sequence[datetime] = ()


def verify_presentation(
    presented: Presented, *, policy: Policy, now: datetime, waiting: Waiting = nullcontext
) -> PresentationVerdict:
    """Check a presentation and every credential in it; they wait `policy.wait_seconds` for others in all.

    `policy` is that of the credentials; its `challenge` and `domain` are those of the presentation. `waiting` is that
    of `verification.verify`.
    """
    deadline = Deadline(policy.wait_seconds, waiting=waiting)
    done: list[Check] = []
    step = "format"
    try:
        shown = _read(presented.data, replace(policy, purpose="authentication"))
        done.append(Check(step, True))
        step = "holder"
        if not policy.strangers and not shown.holder.startswith(SELF_SAID):
            raise Disbelieved(Reason.UNKNOWN_KEY, "the holder is a stranger, and strangers are not asked here")
        _check_signed(shown, deadline, now)
        done.append(Check(step, True))
    except Disbelieved as failed:
        return _failed(failed, done, step)
    found = judging.verdicts(
        shown.items,
        policy=replace(policy, purpose="assertionMethod", challenge=None, domain=None),
        deadline=deadline,
        now=now,
    )
    return _judged(shown, done, found)


def _judged(shown: _Shown, done: Sequence[Check], found: Sequence[Verdict]) -> PresentationVerdict:
    bad = next((each for each in found if not each.ok), None)
    return PresentationVerdict(
        ok=bad is None,
        reason=bad.reason if bad else "",
        detail=bad.detail if bad else "",
        retryable=any(each.retryable for each in found),
        holder=shown.holder,
        checks=(*done, Check("credentials", bad is None, bad.detail if bad else "")),
        problems=tuple(problem for each in found for problem in each.problems),
        credentials=tuple(found),
    )


def _failed(failed: Disbelieved, done: Sequence[Check], step: str) -> PresentationVerdict:
    return PresentationVerdict(
        ok=False,
        reason=str(failed.reason),
        detail=failed.detail,
        retryable=failed.retryable,
        checks=(*done, Check(step, False, failed.detail)),
        problems=(problem_of(failed, own_types=own_types()),),
    )


def _check_signed(shown: _Shown, deadline: Deadline, now: datetime) -> None:
    if any(end <= now - LEEWAY for end in shown.ends):
        raise Disbelieved(Reason.EXPIRED, "the presentation is over", problem=problems.PROOF_VERIFICATION)
    if any(start > now + LEEWAY for start in shown.starts):
        raise Disbelieved(Reason.NOT_YET_VALID, "the presentation holds only from a later moment on")
    for signature in shown.signatures:
        keys = issuers.candidates(
            shown.holder,
            signature.kid,
            signature.algorithm,
            pinned=(),
            resolve=True,
            deadline=deadline,
            purpose="authentication",
        )
        if not any(signature.made_by(each.key) for each in keys):
            raise Disbelieved(Reason.BAD_SIGNATURE, "the presentation's signature is not the holder's")


def _read(data: object, policy: Policy) -> _Shown:
    if isinstance(data, str) and data.lstrip()[:1] == "{":
        data = reading.parsed(data, policy)
    if not isinstance(data, Mapping):
        return _from_jwt(data, policy)
    if data.get("type") in ("EnvelopedVerifiablePresentation", ["EnvelopedVerifiablePresentation"]):
        return _from_jwt(reading.unwrapped(data, policy, _ENVELOPES), policy)
    reading.check_bounds(data)
    items = _checked(data, policy)
    proofs = embedded_proofs.read(data, policy)
    signers = {proof.kid.partition("#")[0] for proof in proofs}
    if len(signers) != 1:
        raise malformed("the proofs are of several holders")
    return _Shown(
        document=data,
        holder=content.agreeing(_named(data), signers.pop(), "the holder"),
        signatures=proofs,
        items=items,
        ends=[each.ends for each in proofs if each.ends is not None],
    )


def _from_jwt(data: object, policy: Policy) -> _Shown:
    header, payload = tokens.parse(data, maximum_bytes=policy.maximum_bytes)  # type: ignore[arg-type]
    typ = tokens.type_of(header)
    found = payload.get("vp") if "vp" in payload else payload
    if "vc" in payload or not isinstance(found, dict) or (typ != "jwt" if "vp" in payload else typ not in _JWT_TYPES):
        raise malformed("the JWT is no presentation: neither a vp claim nor the type vp+jwt")
    if policy.challenge is not None and payload.get("nonce") != policy.challenge:
        raise Disbelieved(Reason.BAD_SIGNATURE, "made for another challenge", problem=problems.INVALID_CHALLENGE)
    if policy.domain is not None and policy.domain not in _listed(payload.get("aud")):
        raise Disbelieved(Reason.BAD_SIGNATURE, "made for another domain", problem=problems.INVALID_DOMAIN)
    kid = header.get("kid", "")
    named = content.agreeing(payload.get("iss"), _named(found), "the holder")
    holder = named or (kid.partition("#")[0] if "#" in kid else "")
    return _Shown(
        document=found,
        holder=holder,
        signatures=[_Jws(str(data), kid, header["alg"])],
        items=_checked(found, policy),
        starts=[content.from_seconds(payload[name], name) for name in ("nbf", "iat") if name in payload],
        ends=[content.from_seconds(payload[name], name) for name in ("exp",) if name in payload],
    )


@dataclass(frozen=True)
class _Jws:
    text: str
    kid: str
    algorithm: str

    def made_by(self, key: Any) -> bool:
        return tokens.is_signed_by(key, self.text, self.algorithm)


def _checked(document: Mapping[str, Any], policy: Policy) -> list[Presented]:
    """The credentials of a presentation that follows the data model."""
    contexts, types = document.get("@context"), _listed(document.get("type"))
    if not isinstance(contexts, list) or contexts[:1] not in ([CONTEXT_V1], [CONTEXT_V2]):
        raise malformed(f"the presentation's @context does not begin with {CONTEXT_V2}")
    if "VerifiablePresentation" not in types or not all(isinstance(each, str) for each in types):
        raise malformed("type does not name a VerifiablePresentation")
    problem = vcdm.presentation_problem(document, json_ld=False) if policy.strict else ""
    if problem:
        raise malformed(problem)
    held = document.get("verifiableCredential", [])
    held = held if isinstance(held, list) else [held]
    if len(held) > MAXIMUM_CREDENTIALS:
        raise malformed(f"more than {MAXIMUM_CREDENTIALS} credentials")
    in_1_1 = contexts[0] == CONTEXT_V1
    if not all(isinstance(each, Mapping) or (in_1_1 and isinstance(each, str)) for each in held):
        raise malformed("a credential in the presentation is no object")
    return [Presented.of(each) for each in held]


def _named(document: Mapping[str, Any]) -> object:
    named = document.get("holder")
    if isinstance(named, Mapping):
        if not isinstance(named.get("id"), str):
            raise malformed("the holder has no id")
        return named["id"]
    return named


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
