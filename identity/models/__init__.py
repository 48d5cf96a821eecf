"""People, the agencies that help them, and the proofs they brought."""

from identity.models.agencies import Agency, AgencyLetter, Mandate, Membership
from identity.models.keeping import KeptKind, PersonRequest
from identity.models.people import Subject, SubjectQuerySet, SubjectUtilityLink, User, UserManager
from identity.models.proofs import (
    AccountLink,
    JournalKey,
    LinkReference,
    LogoutToken,
    OidcSession,
    OneTimeCode,
    ProofUse,
    RateBucket,
)
from identity.models.staff import Alarm, ConsoleSession, StaffLetter, StaffMember

__all__ = [
    "AccountLink",
    "Agency",
    "AgencyLetter",
    "Alarm",
    "ConsoleSession",
    "JournalKey",
    "KeptKind",
    "Letter",
    "LinkReference",
    "LogoutToken",
    "Mandate",
    "Membership",
    "OidcSession",
    "OneTimeCode",
    "PersonRequest",
    "ProofUse",
    "RateBucket",
    "StaffLetter",
    "StaffMember",
    "Subject",
    "SubjectQuerySet",
    "SubjectUtilityLink",
    "User",
    "UserManager",
]
