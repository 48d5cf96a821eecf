"""The states of a case, an enrolment, a consent and a claim (spec: domain, state machines).

Kept apart from the models so that the pure modules can name a state without importing the database.
"""

from enum import StrEnum


class VersionState(StrEnum):
    DRAFT = "DRAFT"
    PUBLISHED = "PUBLISHED"
    RETIRED = "RETIRED"


class CaseState(StrEnum):
    SUBMITTED = "SUBMITTED"
    NEEDS_INPUT = "NEEDS_INPUT"
    IN_REVIEW = "IN_REVIEW"
    READY = "READY"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"


#: What a case may still become something else from by the clock or by the applicant.
OPEN_CASE_STATES = (CaseState.SUBMITTED, CaseState.NEEDS_INPUT, CaseState.IN_REVIEW, CaseState.READY)


class DocumentState(StrEnum):
    ASKED = "ASKED"
    UPLOADED = "UPLOADED"
    APPROVED = "APPROVED"
    REFUSED = "REFUSED"


class Decidable(StrEnum):
    """What a person of staff decides at the console: a file, a mandate on paper, an order that its customer stopped."""

    DOCUMENT = "DOCUMENT"
    PAPER = "PAPER"
    ORDER = "ORDER"


class EnrollmentState(StrEnum):
    SCHEDULED = "SCHEDULED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


#: States in which the enrolment holds its meters (a suspended one still claims).
LIVE_ENROLLMENT_STATES = (EnrollmentState.SCHEDULED, EnrollmentState.ACTIVE, EnrollmentState.SUSPENDED)


class ConsentState(StrEnum):
    GRANTED = "GRANTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"


class ClaimState(StrEnum):
    HELD = "HELD"
    CLAIMED = "CLAIMED"
    RELEASED = "RELEASED"


class OnConsentRevoked(StrEnum):
    KEEP = "KEEP"
    SUSPEND = "SUSPEND"
    CANCEL = "CANCEL"


class ConsentCapture(StrEnum):
    EXPLICIT = "EXPLICIT"
    BY_CONFIRM = "BY_CONFIRM"


class Partial(StrEnum):
    PER_METER = "PER_METER"
    ALL_OR_NOTHING = "ALL_OR_NOTHING"


class Control(StrEnum):
    NONE = "NONE"
    VOLUNTARY = "VOLUNTARY"
    DIRECT = "DIRECT"
