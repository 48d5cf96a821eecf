"""Give the personas their meters back: end what they have enrolled in, withdraw what they have applied for.

Through the same service as everybody else, so that credentials are revoked and the journal tells of it; nothing is
deleted (`make demo-reset` wipes a whole deployment).
"""

import json
from datetime import datetime
from pathlib import Path

from django.db.models import Q

from audit.log import SYSTEM
from enrollment import services
from enrollment.commands import EndEnrollment, OrderRef
from enrollment.models import EnrollmentCase
from enrollment.states import LIVE_ENROLLMENT_STATES, OPEN_CASE_STATES

PERSONAS = Path(__file__).resolve().parent / "personas.json"
REASON = "SANDBOX_RESET"


def reset(*, now: datetime) -> list[str]:
    """End and withdraw; return one line for each order."""
    people = [person["did"] for person in json.loads(PERSONAS.read_text())["people"]]
    begun = EnrollmentCase.objects.filter(
        Q(state__in=OPEN_CASE_STATES) | Q(enrollment__state__in=LIVE_ENROLLMENT_STATES), subject__did__in=people
    )
    said = []
    for bap_id, order_id in list(begun.order_by("pk").values_list("bap_id", "order_id")):
        command = EndEnrollment(OrderRef(bap_id=bap_id, order_id=order_id), reason=REASON)
        services.cancel(command, actor=SYSTEM, now=now, also_write=lambda _: None)
        said.append(f"ended order {order_id} of {bap_id}")
    return said
