from enrollment.models.acts import StaffAct
from enrollment.models.cases import CaseCheck, EnrollmentCase
from enrollment.models.claims import Claim, ConflictPair
from enrollment.models.consents import Consent, ConsentEvent
from enrollment.models.deciding import ReviewLease, ReviewNote
from enrollment.models.documents import Document, ReliedCertificate
from enrollment.models.enrollments import Enrollment, EnrollmentDer, EnrollmentMeter
from enrollment.models.figures import (
    CaseFigure,
    DailyFigure,
    DurationFigure,
    FigureCursor,
    ListFigure,
    RefusalFigure,
    Stage,
    UnpublishedFigure,
)
from enrollment.models.notices import CustomerNotice, NotMeLink
from enrollment.models.programs import CapCounter, CatalogChange, ConsentText, Program, ProgramVersion
from enrollment.models.rechecks import Recheck
from enrollment.models.utilities import UtilityChange, UtilityFeed, UtilityNotice

__all__ = [
    "CapCounter",
    "CaseCheck",
    "CaseFigure",
    "CatalogChange",
    "Claim",
    "ConflictPair",
    "Consent",
    "ConsentEvent",
    "ConsentText",
    "CustomerNotice",
    "DailyFigure",
    "Document",
    "DurationFigure",
    "Enrollment",
    "EnrollmentCase",
    "EnrollmentDer",
    "EnrollmentMeter",
    "FigureCursor",
    "ListFigure",
    "NotMeLink",
    "Program",
    "ProgramVersion",
    "Recheck",
    "RefusalFigure",
    "ReliedCertificate",
    "ReviewLease",
    "ReviewNote",
    "StaffAct",
    "Stage",
    "UnpublishedFigure",
    "UtilityChange",
    "UtilityFeed",
    "UtilityNotice",
]
