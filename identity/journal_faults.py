"""What happens when a check finds that the journal does not hold (`settings.AUDIT_ALARM`)."""

from datetime import datetime

from audit.log import SYSTEM
from identity import alarms
from identity.models import Alarm


def found(check: str, faults: int, now: datetime) -> None:
    """Raise the alarm, unless one for the journal is still to be seen: each check would find the same again."""
    if not alarms.open_alarms().filter(kind=Alarm.Kind.JOURNAL).exists():
        alarms.ring(Alarm.Kind.JOURNAL, actor=SYSTEM, now=now, told={"check": check, "faults": faults})
