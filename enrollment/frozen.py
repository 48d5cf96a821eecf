"""What is answered about a case that its customer has stopped with "this was not me" (enrollment.freezing)."""

from __future__ import annotations

from enrollment.codes import Code, Refusal

#: Why an enrolment is suspended whose customer says that it was not theirs.
NOT_ME = "NOT_ME"


def refusal() -> Refusal:
    return Refusal(
        Code.NOT_POSSIBLE_NOW,
        "The customer has said that this was not them. It goes on only when the program owner has cleared it up.",
        field="order",
        details={"state": "FROZEN"},
    )
