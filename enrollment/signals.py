"""The one signal: an enrolment or application changed without anybody's request (design, layers).

Sent inside the transaction of the change, so that a listener's row commits with it. Arguments: `result` (a value of
enrollment.results), `case` (EnrollmentCase) and `action` ("on_status" or "on_update").
"""

from django.dispatch import Signal

enrollment_changed = Signal()
