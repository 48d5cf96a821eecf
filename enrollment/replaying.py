"""Why an application stands as it does: its check again, on the facts of its moment, and as it would come out now.

`then` asks nobody: the facts were kept while persons decide (enrollment.remembering), and the rules are pure, so the
same comes out again. `afresh` asks the utilities and writes nothing; no transaction is open. `written` is what was
written down at each check and stays when the application has ended. Source: screens C13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from enrollment import catalog, documents, remembering
from enrollment.eligibility import evaluate
from enrollment.facts import Decision, Facts, Finding
from enrollment.gathering import gather, with_subject_kind
from enrollment.models import CaseCheck, EnrollmentCase, ProgramVersion

_MOST_CHECKS = 500


@dataclass(frozen=True)
class Replay:
    """The rules' decision: at which moment, by which version, and on which facts."""

    at: datetime
    version: ProgramVersion
    facts: Facts
    decision: Decision

    @property
    def findings(self) -> Sequence[Finding]:
        """What each criterion said, those that are not met first."""
        return sorted(self.decision.findings, key=lambda each: each.is_met)

    @property
    def outcome(self) -> str:
        """REFUSED, MISSING, QUESTIONS, IN_REVIEW or READY."""
        if self.decision.refusal is not None:
            return "REFUSED"
        if self.decision.missing:
            return "MISSING"
        if self.decision.questions:
            return "QUESTIONS"
        return "IN_REVIEW" if self.decision.reviews else "READY"


@dataclass(frozen=True)
class Written:
    """The lines of one check, as they were written."""

    at: datetime
    lines: Sequence[CaseCheck]


def then(case: EnrollmentCase) -> Replay | None:
    """The check again on what it stood on; None where that is not kept (any more)."""
    kept = case.payload
    found = remembering.stood_on(kept) if kept is not None else None
    if kept is None or found is None or case.program_version is None:
        return None
    facts, ends_at, at = found
    return _decided(case, case.program_version, facts, ends_at, at)


def afresh(case: EnrollmentCase, now: datetime) -> Replay | None:
    """What an init of this moment would be told, by the version that is open now. Raises UtilityUnavailable."""
    kept = case.payload
    version = catalog.open_version(case.program_id, now, provider_id=case.provider_id) or case.program_version
    if kept is None or version is None:
        return None
    command = remembering.init_command(kept)
    subject_did = command.subject_did or remembering.authority(kept).proven_subject
    gathered = gather(
        command.meters,
        command.ders,
        command.credentials,
        utilities=version.utilities,
        subject_did=subject_did,
        now=now,
        criteria=version.criteria,
        secondary=version.secondary_utilities,
    )
    facts = replace(gathered.facts, documents=documents.facts_of(command.order, command.documents))
    before = remembering.stood_on(kept)
    ends_at = before[1] if before is not None else None
    return _decided(case, version, with_subject_kind(facts, version.criteria, subject_did), ends_at, now)


def written(case: EnrollmentCase) -> list[Written]:
    """What was written down at each check, the newest first."""
    rows = CaseCheck.objects.filter(case=case).order_by("-pk")[:_MOST_CHECKS]
    return [Written(at, list(lines)[::-1]) for at, lines in groupby(rows, key=lambda row: row.at)]


def _decided(
    case: EnrollmentCase, version: ProgramVersion, facts: Facts, ends_at: datetime | None, at: datetime
) -> Replay:
    kept = case.payload
    assert kept is not None
    command, authority = remembering.init_command(kept), remembering.authority(kept)
    decision = evaluate(
        catalog.terms(version),
        facts,
        command.meters,
        command.ders,
        subject_did=command.subject_did or authority.proven_subject,
        authority=authority,
        now=at,
        ends_at=ends_at,
    )
    return Replay(at, version, facts, decision)
