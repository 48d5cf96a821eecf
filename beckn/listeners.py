"""What changed without anybody's request is told to the BAP of record (design, layers; decisions 40, 52).

`enrollment_changed` is sent inside the transaction of the change, so the Outbox row commits with it.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from audit import clock
from beckn import profiles
from beckn.door import Door
from beckn.handlers import lists_to_publish
from beckn.models import Participant
from enrollment.models import EnrollmentCase
from enrollment.results import Result
from enrollment.signals import enrollment_changed


@receiver(enrollment_changed, dispatch_uid="tell_the_bap")
def tell_the_bap(sender: object, *, result: Result, case: EnrollmentCase, action: str, **_: Any) -> None:
    """Write the unsolicited `on_status` or `on_update` for a case's BAP, in the profile its order came in."""
    profile = profiles.profile_named(case.profile) if case.profile else profiles.profile_for({"domain": case.domain})
    participant = Participant.objects.filter(subscriber_id=case.bap_id).first()
    if profile is None or participant is None:
        return  # enrolled by another door, or the participant is gone: there is nobody to tell
    Door().unsolicited(
        bap_id=case.bap_id,
        bap_uri=case.bap_uri,
        transaction_id=case.transaction_ids[-1] if case.transaction_ids else "",
        action=action,
        domain=case.domain,
        message=profile.write(action, result, is_strict=participant.strict),
        after_lists=lists_to_publish(result),
        now=clock.now(),
    )
