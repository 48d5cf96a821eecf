"""The world an enrolment test lives in: a utility, its signed credentials, a program, and a portal that asks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from audit.log import Actor, ActorKind, Channel
from audit.models import Event
from credentials import trust
from enrollment import services
from enrollment.commands import (
    AskStatus,
    Authority,
    ConfirmEnrollment,
    EndEnrollment,
    GrantConsents,
    OrderRef,
    PrepareEnrollment,
    PresentedCredential,
    WithdrawConsent,
)
from enrollment.facts import DER_CERTIFICATION, METER_OWNERSHIP, PROGRAM_ELIGIBILITY
from enrollment.models import Claim, Enrollment, EnrollmentCase, ProgramVersion
from enrollment.results import Confirmed, Prepared, Refused, Result
from sandbox import issuing
from tests.enrollment.utility import ISSUER, Utility
from tests.factories import FLEX, LONG_AGO, MAY_ASSERT_ALL, NOON, PORTAL, PROVIDER, RAJESH, UTILITY_A, at_home, meter

TYPES = [METER_OWNERSHIP, PROGRAM_ELIGIBILITY, DER_CERTIFICATION]


def nothing(_: Result) -> None:
    """The `also_write` of a caller who writes nothing."""


class World:
    """Rajesh wants umid-001 in the flexibility program, through a portal that may name any subject."""

    def __init__(self, utility: Utility) -> None:
        self.utility = utility
        self.now = NOON
        self.version: ProgramVersion | None = None
        self._numbers = itertools.count(1)
        utility.knows(meter())
        trust.add(ISSUER, types=TYPES, jwks=issuing.jwks([utility.key]), now=LONG_AGO)

    # --- what is presented

    def vc(self, type_: str, claims: dict[str, Any], **how: Any) -> PresentedCredential:
        """A really signed credential; `status` an index in the utility's list, `key` another signing key."""
        number = next(self._numbers)
        status = how.get("status")
        data = issuing.sign_vc(
            how.get("key", self.utility.key),
            issuer=ISSUER,
            subject=how.get("subject", RAJESH),
            type=type_,
            claims=claims,
            id=f"urn:vc:{number}",
            now=how.get("signed_at", LONG_AGO),
            expires_at=how.get("expires_at"),
            status=self.utility.status_entry(status) if status is not None else None,
        )
        return PresentedCredential(f"vc-{number}", type_, "VC-JWT", data, str(claims.get("derId", "")))

    def ownership(self, umid: str = "umid-001", **how: Any) -> PresentedCredential:
        claims = {"meterId": umid, "utilityId": UTILITY_A, "ownershipStatus": "OWNER"}
        return self.vc(METER_OWNERSHIP, claims, **how)

    def eligibility(self, program_id: str = FLEX, **how: Any) -> PresentedCredential:
        return self.vc(PROGRAM_ELIGIBILITY, {"programId": program_id, "eligibilityStatus": "ELIGIBLE"}, **how)

    # --- what is asked

    def order(self, number: int | str = 1, bap_id: str = PORTAL) -> OrderRef:
        return OrderRef(bap_id, f"order-{number}", f"https://{bap_id}/beckn", f"tx-{number}", "energy.enrollment")

    def application(self, number: int | str = 1, *umids: str, **changes: Any) -> PrepareEnrollment:
        """An init for these meters (umid-001) with credentials for all it needs."""
        wanted = umids or ("umid-001",)
        subject, program = changes.get("subject_did", RAJESH), changes.get("program_id", FLEX)
        values: dict[str, Any] = {
            "order": self.order(number, changes.pop("bap_id", PORTAL)),
            "program_id": program,
            "provider_id": PROVIDER,
            "fulfillment_id": "fulfillment-1",
            "subject_did": RAJESH,
            "meters": tuple(at_home(umid) for umid in wanted),
        }
        if "credentials" not in changes:
            given = [*(self.ownership(u, subject=subject) for u in wanted), self.eligibility(program, subject=subject)]
            values["credentials"] = _placed(given)
        else:
            changes["credentials"] = _placed(changes["credentials"])
        return PrepareEnrollment(**{**values, **changes})

    def prepare(
        self, command: PrepareEnrollment | None = None, *, authority: Authority = MAY_ASSERT_ALL, **more: Any
    ) -> Any:
        return services.prepare(
            command or self.application(),
            authority=authority,
            actor=portal(),
            now=more.get("now", self.now),
            also_write=more.get("also_write", nothing),
        )

    def confirm(self, number: int | str = 1, *, authority: Authority = MAY_ASSERT_ALL, **changes: Any) -> Any:
        now, also_write = changes.pop("now", self.now), changes.pop("also_write", nothing)
        bap_id = changes.pop("bap_id", PORTAL)
        command = ConfirmEnrollment(**{"order": self.order(number, bap_id), "subject_did": RAJESH, **changes})
        return services.confirm(command, authority=authority, actor=portal(), now=now, also_write=also_write)

    def enrolled(self, number: int | str = 1, *umids: str, **changes: Any) -> Confirmed:
        """init and confirm, both well."""
        subject, bap_id = changes.get("subject_did", RAJESH), changes.get("bap_id", PORTAL)
        consents = changes.pop("consents", ())
        prepared = self.prepare(self.application(number, *umids, **changes))
        assert isinstance(prepared, Prepared) and not prepared.missing, prepared
        dates = {k: changes[k] for k in ("starts_at", "ends_at", "end_as_given") if k in changes}
        result = self.confirm(number, subject_did=subject, bap_id=bap_id, consents=consents, **dates)
        assert isinstance(result, Confirmed), result
        return result

    def end(self, number: int | str = 1, **changes: Any) -> Any:
        return self._do(services.end, EndEnrollment, number, changes)

    def cancel(self, number: int | str = 1, **changes: Any) -> Any:
        return self._do(services.cancel, EndEnrollment, number, changes)

    def status(self, number: int | str = 1, **changes: Any) -> Any:
        return self._do(services.status, AskStatus, number, changes)

    def withdraw_consent(self, number: int | str = 1, **changes: Any) -> Any:
        changes = {"consent_type": "DATA_COLLECTION", "reason": "USER_REQUESTED", **changes}
        return self._do(services.withdraw_consent, WithdrawConsent, number, changes)

    def grant_consents(self, number: int | str = 1, **changes: Any) -> Any:
        return self._do(services.grant_consents, GrantConsents, number, changes)

    def _do(self, service: Callable[..., Result], command: type, number: int | str, changes: dict[str, Any]) -> Any:
        now, also_write = changes.pop("now", self.now), changes.pop("also_write", nothing)
        order = self.order(number, changes.pop("bap_id", PORTAL))
        return service(command(order=order, **changes), actor=portal(), now=now, also_write=also_write)


def portal() -> Actor:
    return Actor(ActorKind.PARTICIPANT, PORTAL, Channel.PORTAL)


def _placed(credentials: Any) -> tuple[PresentedCredential, ...]:
    return tuple(replace(each, position=place) for place, each in enumerate(credentials))


# --- what came of it -------------------------------------------------------------------------------------------------


def code(result: Any) -> str:
    """The refusal's code; says what else it was where it is none."""
    assert isinstance(result, Refused), result
    return str(result.refusal.code)


def the_case(number: int | str = 1) -> EnrollmentCase:
    return EnrollmentCase.objects.get(order_id=f"order-{number}")


def the_enrollment(number: int | str = 1) -> Enrollment:
    return Enrollment.objects.get(case__order_id=f"order-{number}")


def live_claims() -> list[tuple[str, str]]:
    """(state, reference) of each hold and claim, in the order of the references."""
    rows = Claim.objects.filter(state__in=["HELD", "CLAIMED"])
    return list(rows.order_by("reference", "pk").values_list("state", "reference"))


def journal(*but: str) -> list[str]:
    """The journal's actions about cases, enrolments and consents, oldest first."""
    rows = Event.objects.filter(action__regex=r"^(case|enrollment|consent)\.").order_by("pk")
    return [action for action in rows.values_list("action", flat=True) if action not in but]


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return NOON.replace(year=year, month=month, day=day, hour=hour, minute=0)
