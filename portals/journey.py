"""The steps of a journey: which there are, how each stands, and which comes next. Pure.

A step is COMPLETED when its answer is there and the provider's newest word is about it; what was answered to an older
question is asked again. Source: screens P4-P13, task list pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

from portals import consents, reading
from portals.models import Application

COMPLETED, INCOMPLETE = "COMPLETED", "INCOMPLETE"
CANNOT_START_YET, PROBLEM = "CANNOT_START_YET", "PROBLEM"


@dataclass(frozen=True)
class Step:
    """One page of questions. `place` is that of a consent, from 1; 0 for all others."""

    name: str
    url_name: str
    status: str
    place: int = 0

    @property
    def is_done(self) -> bool:
        return self.status == COMPLETED


def steps(application: Application) -> tuple[Step, ...]:
    """All steps of this journey in their order; what nobody asks for is left out."""
    found: list[Step] = []

    def add(name: str, is_done: bool, *, place: int = 0, problem: bool = False) -> None:
        is_open = all(step.is_done for step in found)
        status = COMPLETED if is_done and is_open else PROBLEM if problem and is_open else INCOMPLETE
        found.append(Step(name, f"portal-{name}", status if is_open else CANNOT_START_YET, place))

    answers, told = application.answers, application.told
    prepared = reading.prepared(told.get("on_init"))
    add("account", answers.get("account") is True and "on_select" in told)
    add("meters", bool(answers.get("meters")) and answers["meters"] != [], problem=_asks_for_meters(prepared))
    if needs_equipment(application):
        add("equipment", "ders" in answers and not prepared.questions, problem=bool(prepared.questions))
    if asks_for_documents(prepared):
        add("documents", not wanted_documents(application), problem=False)
    add("eligibility", is_ready(application), problem=prepared.state is reading.Outcome.REFUSED)
    for consent in consents.asked(application):
        is_said = consents.answer_to(application, consent) is not None
        is_given = consents.is_granted(application, consent)
        add(
            "consent",
            is_said and (is_given or not consent.is_required),
            place=consent.place,
            problem=is_said and consent.is_required and not is_given,
        )
    add("dates", bool(answers.get("starts_on")))
    add("check", answers.get("declared") is True and application.state != Application.State.DRAFT)
    return tuple(found)


def next_step(application: Application) -> Step:
    """The first step that is not done; the last one where all are."""
    all_steps = steps(application)
    return next((step for step in all_steps if not step.is_done), all_steps[-1])


def is_ready(application: Application) -> bool:
    """Whether the provider has said yes to what was asked last: only a confirm is missing."""
    return reading.prepared(application.told.get("on_init")).state is reading.Outcome.READY


def needs_equipment(application: Application) -> bool:
    """Whether devices are asked about: the program needs one, and the meters' own choice is made."""
    return reading.program(application.program.item).needs_ders


def asks_for_documents(prepared: reading.PreparedView) -> bool:
    return any(document.status in ("ASKED", "UNDER_REVIEW", "REFUSED") for document in prepared.documents)


def wanted_documents(application: Application) -> tuple[reading.DocumentView, ...]:
    """The files that are asked for and were neither sent nor decided about."""
    prepared, sent = reading.prepared(application.told.get("on_init")), set(application.answers.get("documents", ()))
    return tuple(d for d in prepared.documents if d.status in ("ASKED", "REFUSED") and d.id not in sent)


def _asks_for_meters(prepared: reading.PreparedView) -> bool:
    return prepared.state is reading.Outcome.NEEDS_INPUT and bool(prepared.meters) and not prepared.lines
