"""What an init found out, and how it is told: to the applicant, in the case's checks, in the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from audit.log import Action, Actor, Line
from enrollment import conflicts, orders
from enrollment.commands import Authority, PrepareEnrollment
from enrollment.dates import Period
from enrollment.eligibility import proven_meters
from enrollment.facts import METER_OWNERSHIP, Decision, Facts
from enrollment.gathering import Gathered
from enrollment.models import CaseCheck, EnrollmentCase, ProgramVersion
from enrollment.results import (
    AvailableMeter,
    CredentialLine,
    DerLine,
    MeterLine,
    MeterState,
    Order,
    Prepared,
    Refused,
    Requirements,
    Result,
    Stage,
)
from enrollment.states import CaseState


@dataclass(frozen=True)
class Checked:
    """All that an init found out, on the way to being written."""

    command: PrepareEnrollment
    authority: Authority
    version: ProgramVersion
    period: Period
    gathered: Gathered
    decision: Decision
    now: datetime
    hints: tuple[str, ...] = ()
    own_meters: tuple[AvailableMeter, ...] = ()

    @property
    def facts(self) -> Facts:
        return self.gathered.facts

    @property
    def shows_ownership(self) -> bool:
        """Is it proven of every meter that it is the applicant's? A mere customer number or DID proves nothing."""
        return not any(m.type == METER_OWNERSHIP for m in self.decision.missing)


def order_of(checked: Checked, case: EnrollmentCase, blocked: Sequence[conflicts.Conflict] = ()) -> Order:
    proven = proven_meters(checked.facts.evidence, checked.decision)
    refused = {r.umid: r.refusal for r in checked.decision.refused}
    refused |= {c.reference: conflicts.refusal([c]) for c in blocked if c.kind == "METER"}
    return orders.bare(
        case,
        transaction_id=checked.command.order.transaction_id,
        meters=[
            MeterLine(m.umid, m.umid in proven, MeterState.REJECTED if m.umid in refused else None, refused.get(m.umid))
            for m in checked.command.meters
        ],
        ders=[
            DerLine(d.der_id, checked.facts.ders[d.der_id].type if d.der_id in checked.facts.ders else d.type)
            for d in checked.command.ders
        ],
    )


def credential_lines(checked: Checked) -> tuple[CredentialLine, ...]:
    failed = checked.decision.refusal if checked.decision.is_refused_by_proofs else None
    lines = []
    for e in checked.facts.evidence:
        reason = e.reason
        if failed is not None and failed.field == f"credentials[{e.position}]":
            reason = str(failed.details["reason_code"])  # its content did not match the order
        lines.append(CredentialLine(e.credential_id, e.type, reason == "", reason, checked.now))
    return tuple(lines)


def with_status(requirements: Requirements, checked: Checked, umids: Sequence[str]) -> Requirements:
    """The requirements as far as the application shows them.

    `requiredCredentials[]` with PROVIDED or MISSING, and where a provided one came from (decision 36);
    `requiredConsents[]` with the meters that a grant is to cover and whose grant it is (decision 34).
    """
    decision = checked.decision
    missing = {m.type for m in decision.missing}
    listed = [dict(c) for c in requirements.credentials]
    for type_ in missing - {c["type"] for c in listed}:
        listed.append({"type": type_, "description": ""})
    for c in listed:
        c["status"] = "MISSING" if c["type"] in missing else "PROVIDED"
        if c["status"] == "PROVIDED" and c["type"] in decision.sources:
            c["source"] = decision.sources[c["type"]]
        elif c["status"] == "PROVIDED":
            c["status"] = "NOT_NEEDED"
    grantor = checked.command.subject_did or checked.authority.proven_subject
    consents = tuple({**c, "meters": list(umids), "grantor": grantor} for c in requirements.consents)
    return Requirements(requirements.criteria, tuple(listed), consents, requirements.documents)


def checks_of(checked: Checked, case: EnrollmentCase, result: Prepared | Refused) -> list[CaseCheck]:
    now = checked.now

    def check(
        kind: str, target: str, is_met: bool, code: str = "", detail: Mapping[str, Any] | None = None
    ) -> CaseCheck:
        outcome = "PASS" if is_met else "FAIL"
        return CaseCheck(case=case, kind=kind, target=target, result=outcome, code=code, detail=detail or {}, at=now)

    rows = [
        check("CREDENTIAL", line.credential_id[:200], line.is_verified, line.reason, {"type": line.type})
        for line in credential_lines(checked)
    ]
    rows += [check("METER", r.umid, False, r.refusal.code.value) for r in checked.decision.refused]
    # One line for all that met a criterion: five hundred meters and ten criteria would be five thousand rows a try.
    met = Counter(f.criterion for f in checked.decision.findings if f.is_met)
    rows += [check("CRITERION", "", True, criterion, {"met": count}) for criterion, count in met.items()]
    rows += [
        check("CRITERION", f.target, False, f.criterion, {"needed": f.needed, "actual": f.actual})
        for f in checked.decision.findings
        if not f.is_met
    ]
    if isinstance(result, Prepared):
        absent = Counter(m.type for m in result.missing)
        rows += [check("REQUIRED_CREDENTIAL", "", False, "MISSING", {"type": t, "for": n}) for t, n in absent.items()]
    if isinstance(result, Prepared) and result.are_conflicts_checked and not result.conflicts:
        rows.append(check("CONFLICTS", "", True))
    rows += [
        check("CONFLICTS", c.reference, False, c.rule.value, {"enrollment": c.enrollment_id}) for c in result.conflicts
    ]
    return rows


def journal_lines(checked: Checked, case: EnrollmentCase, result: Prepared | Refused, actor: Actor) -> list[Line]:
    """What was done, line by line, and last what became of the application (spec domain 5)."""
    outcome, facts = _line(checked, case, result, actor), checked.facts

    def done(action: Action, **details: Any) -> Line:
        return replace(outcome, action=action, after=None, details=details)

    lines = []
    if facts.evidence:
        reasons = [line.reason for line in credential_lines(checked)]
        failed = [reason for reason in reasons if reason]
        lines.append(done(Action.PRESENTED_CHECKED, verified=reasons.count(""), failed=failed))
    if facts.meters:
        utilities = sorted({m.utility_id for m in facts.meters.values()})
        lines.append(done(Action.METER_RESOLVED, meters=len(facts.meters), utilities=utilities))
    if facts.ders:
        lines.append(done(Action.DER_RESOLVED, ders=len(facts.ders)))
    if result.are_conflicts_checked if isinstance(result, Prepared) else result.stage is Stage.CONFLICTS:
        lines.append(done(Action.CONFLICT_CHECKED, rules=[c.rule.value for c in result.conflicts]))
    if case.state == CaseState.READY:
        lines.append(done(Action.HOLD_PLACED, minutes=checked.version.hold_minutes))
    return [*lines, outcome]


def _line(checked: Checked, case: EnrollmentCase, result: Result, actor: Actor) -> Line:
    is_refused = isinstance(result, Refused)
    details: dict[str, Any] = {
        "state": case.state,
        "program": case.program_id,
        "version": checked.version.number,
        "meters": len(case.meters),
        "ders": len(case.ders),
        "credentials": len(checked.command.credentials),
    }
    if isinstance(result, Refused):
        details["code"] = result.refusal.code.value
    ready = Action.CASE_READY if case.state == CaseState.READY else Action.CASE_SUBMITTED
    return Line(
        action=Action.CASE_REFUSED if is_refused else ready,
        actor=actor,
        at=checked.now,
        subject=str(case.subject_id),
        object_type="case",
        object_id=str(case.pk),
        after={"state": case.state, "meters": sorted(case.meters), "ders": sorted(case.ders)},
        details=details,
    )
