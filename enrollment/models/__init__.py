from enrollment.models.acts import StaffAct
from enrollment.models.cases import CaseCheck, EnrollmentCase
from enrollment.models.claims import Claim, ConflictPair
from enrollment.models.consents import Consent, ConsentEvent
from enrollment.models.deciding import ReviewLease, ReviewNote
from enrollment.models.documents import Document, ReliedCertificate
from enrollment.models.enrollments import Enrollment, EnrollmentDer, EnrollmentMeter
from enrollment.models.notices import CustomerNotice, NotMeLink
from enrollment.models.programs import CapCounter, CatalogChange, ConsentText, Program, ProgramVersion
from enrollment.models.rechecks import Recheck
from enrollment.models.utilities import UtilityChange, UtilityFeed, UtilityNotice

__all__ = [
    "CapCounter",
    "CaseCheck",
    "CatalogChange",
    "Claim",
    "ConflictPair",
    "Consent",
    "ConsentEvent",
    "ConsentText",
    "CustomerNotice",
    "Document",
    "Enrollment",
    "EnrollmentCase",
    "EnrollmentDer",
    "EnrollmentMeter",
    "NotMeLink",
    "Program",
    "ProgramVersion",
    "Recheck",
    "ReliedCertificate",
    "ReviewLease",
    "ReviewNote",
    "StaffAct",
    "UtilityChange",
    "UtilityFeed",
    "UtilityNotice",
]
