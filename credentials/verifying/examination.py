"""The checks of one credential, one after the other; the first that fails ends it.

In this order: format and algorithm, an issuer we know at all (before any address of a stranger is asked), signature,
trust for this type and scope, dates, status, holder. Garbage of any kind is MALFORMED, never an exception.
Source: spec credentials.md 4; domain.md 6; decisions 21, 36, 37, 53.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from credentials import addresses, issuers, problems, remote_status, trust
from credentials.asking import Deadline
from credentials.content import Content
from credentials.issuers import NamedKey
from credentials.models import TrustEntry
from credentials.problems import problem_of
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import own
from credentials.verifying.reading import Held, Signature
from credentials.verifying.values import Check, HeldForm, Policy, Presented, Verdict

LEEWAY = timedelta(seconds=60)
SELF_SAID = ("did:key:", "did:jwk:")  # the DID is the key: nobody has to be asked


def own_types() -> str:
    """The address under which our own problem types stand: the page that explains verification."""
    return f"{addresses.base()}/verify"


class Examination:
    """One credential under one policy. `known` are the trust entries in force, by issuer."""

    def __init__(
        self,
        item: Presented,
        read: Held | Disbelieved,
        *,
        policy: Policy,
        known: Mapping[str, list[TrustEntry]],
        deadline: Deadline,
        now: datetime,
    ) -> None:
        self.item, self.read, self.policy = item, read, policy
        self.deadline, self.now = deadline, now
        self.entries = known.get(read.content.issuer, []) if isinstance(read, Held) else []
        self.status_entry: dict[str, Any] | None = None
        self.granted: TrustEntry | None = None

    def verdict(self) -> Verdict:
        if isinstance(self.read, Disbelieved):
            return self._result(None, [], "format", self.read)
        done: list[Check] = []
        for name, check in self._steps(self.read):
            try:
                check(self.read)
            except Disbelieved as failed:
                return self._result(self.read, done, name, failed)
            done.append(Check(name, True))
        return self._result(self.read, done)

    def _steps(self, held: Held) -> Iterator[tuple[str, Callable[[Held], None]]]:
        yield "format", self._type
        yield "issuer", self._issuer
        yield "signature", self._signature
        if self.policy.trust:
            yield "trust", self._trust
        dates = [("dates", self._dates)] if self.policy.dates else []
        status = [("status", self._status)] if self.policy.status else []
        # Of our own credentials we know the status at no cost, and "revoked" says more than "not yet valid".
        yield from [*status, *dates] if _is_ours(held.content.issuer) else [*dates, *status]
        if self.policy.subject_did is not None:
            yield "holder", self._holder

    def _type(self, held: Held) -> None:
        if self.item.type and self.item.type not in held.content.types:
            raise Disbelieved(Reason.MALFORMED, "the credential is of another type than the message says")

    def _issuer(self, held: Held) -> None:
        issuer = held.content.issuer
        if _is_ours(issuer) or self.entries:
            return
        if self.policy.trust:
            raise Disbelieved(Reason.UNTRUSTED_ISSUER, "the issuer is not on the trust list")
        if not self.policy.strangers and not issuer.startswith(SELF_SAID):
            raise Disbelieved(Reason.UNTRUSTED_ISSUER, "the issuer is a stranger, and strangers are not asked here")

    def _signature(self, held: Held) -> None:
        if any(end <= self.now - LEEWAY for end in held.proofs_end):
            raise Disbelieved(Reason.EXPIRED, "the proof has expired", problem=problems.PROOF_VERIFICATION)
        for signature in held.signatures:
            keys = keys_of(self.entries, self.deadline)(held.content.issuer, signature.kid, signature.algorithm)
            if not _made_by(signature, keys) and not _made_by(signature, self._replaced_keys(held, signature)):
                raise Disbelieved(Reason.BAD_SIGNATURE, "the signature does not verify with the issuer's key")

    def _replaced_keys(self, held: Held, signature: Signature) -> list[NamedKey]:
        if all(entry.keys is not None for entry in self.entries) and self.entries:
            return []
        try:
            return issuers.looked_up_again(
                held.content.issuer, signature.kid, signature.algorithm, deadline=self.deadline
            )
        except Disbelieved:
            return []  # the key we have says no, and there is no other one to ask

    def _trust(self, held: Held) -> None:
        if self.policy.trust_ourselves and _is_ours(held.content.issuer):
            return
        types = [self.item.type] if self.item.type else held.content.specific_types
        # Each of several subjects: in which order they stand, no proof over meanings says.
        for claims in held.content.subjects:
            self.granted = trust.granting(self.entries, issuer=held.content.issuer, types=types, claims=claims)

    def _dates(self, held: Held) -> None:
        if held.content.valid_from and held.content.valid_from > self.now + LEEWAY:
            raise Disbelieved(Reason.NOT_YET_VALID, "the credential holds only from a later moment on")
        if held.content.valid_until and held.content.valid_until <= self.now - LEEWAY:
            raise Disbelieved(Reason.EXPIRED, "the credential is over")

    def _status(self, held: Held) -> None:
        entries = remote_status.entries_of(held.content)
        if entries:
            self.status_entry = {"issuer": held.content.issuer, "credential": held.content.id, "entries": entries}
            check_status(self.status_entry, self.entries, self.deadline, self.now)
        elif self.policy.trust and _is_ours(held.content.issuer):
            # Every credential of ours names a place. What else our keys sign, like the lists themselves, is none.
            raise Disbelieved(Reason.STATUS_UNAVAILABLE, "it names no status, so it is no credential of ours")

    def _holder(self, held: Held) -> None:
        if held.content.subject_id != self.policy.subject_did:
            raise Disbelieved(Reason.WRONG_SUBJECT, "the credential is about somebody else")

    def _result(
        self, held: Held | None, done: Sequence[Check], step: str = "", failed: Disbelieved | None = None
    ) -> Verdict:
        content: Content | None = held.content if held else None
        checks = [*done, Check(step, False, failed.detail)] if failed else done
        granted = self.granted
        return Verdict(
            credential_id=self.item.credential_id,
            type=self.item.type or self._type_of(content),
            ok=failed is None,
            reason=str(failed.reason) if failed else "",
            digest=self.item.digest,
            claims=dict(content.subject) if content else {},
            issuer=content.issuer if content else "",
            valid_from=content.valid_from if content else None,
            valid_until=content.valid_until if content else None,
            status_entry=self.status_entry,
            detail=failed.detail if failed else "",
            retryable=failed.retryable if failed else False,
            checks=tuple(checks),
            trusted_utilities=tuple(granted.utilities) if granted else (),
            trusted_programs=tuple(granted.programs) if granted else (),
            trusted_der_types=tuple(granted.der_types) if granted else (),
            form=held.form if held else HeldForm.UNKNOWN,
            problems=(problem_of(failed, own_types=own_types()),) if failed else (),
            credential=content.credential if content else {},
        )

    def _type_of(self, content: Content | None) -> str:
        """The type it was believed as; an issuer may name others beside it, for which nobody trusts it."""
        named = content.specific_types if content else []
        believed = [each for each in named if each in self.granted.types] if self.granted else named
        return next(iter(believed), "")


def keys_of(entries: Sequence[TrustEntry], deadline: Deadline) -> remote_status.KeysOf:
    """The keys of an issuer as the trust list has it: pinned ones, and its DID where an entry pins none."""
    pinned = [entry.keys for entry in entries if entry.keys is not None]
    resolve = not entries or any(entry.keys is None for entry in entries)

    def found(issuer: str, kid: str, algorithm: str) -> list[NamedKey]:
        return issuers.candidates(issuer, kid, algorithm, pinned=pinned, resolve=resolve, deadline=deadline)

    return found


def check_status(status: Mapping[str, Any], entries: Sequence[TrustEntry], deadline: Deadline, now: datetime) -> None:
    """Return if the credential of a `status_entry` stands; raise Disbelieved otherwise."""
    issuer = status["issuer"]
    if _is_ours(issuer):
        own.check(str(status["credential"]), status["entries"])
        return
    remote_status.check(
        status["entries"], issuer=issuer, keys_of=keys_of(entries, deadline), deadline=deadline, now=now
    )


def _is_ours(issuer: str) -> bool:
    return issuer == settings.ISSUER_DID


def _made_by(signature: Signature, keys: Sequence[NamedKey]) -> bool:
    return any(signature.made_by(each.key) for each in keys)
