"""What is answered in any profile when we failed: INTERNAL, with a reference to quote (spec domain 6)."""

from __future__ import annotations

from datetime import datetime

from beckn import profiles
from beckn.messages import Received
from beckn.profiles.words import Json
from enrollment.codes import Code, Refusal
from enrollment.results import Order, Refused, Stage

_SENTENCE = "Something went wrong on our side. Please quote the incident id."


def apology(message: Received, incident_id: str, now: datetime) -> Json:
    """The body of the callback, in the words of the message that could not be handled."""
    profile = profiles.profile_named(message.profile)
    ref = profile.order_ref(message.context, message.body)
    provider_id, program_id = profile.asked_for(message.body)
    order = Order(ref.bap_id, ref.order_id, ref.transaction_id, provider_id, program_id)
    refusal = Refusal(Code.INTERNAL, _SENTENCE, field="order", details={"incident_id": incident_id})
    written: Json = profile.write(f"on_{message.action}", Refused(refusal, order, now, Stage.DOOR))
    return written
