"""What the portals keep: the Utility Portal's journeys, an agency's cases and imports."""

from portals.models.applications import (
    Application,
    BasketItem,
    CatalogProgram,
    ConsentReceipt,
    HeldCredential,
    HelpCode,
    MatrixAnswer,
)
from portals.models.cases import AssistedCase, Handover
from portals.models.imports import BulkImport, ImportPart, ImportRow, Invitation, InvitationDay
from portals.models.signals import CaseLetter, CaseSignal, SignalLook

__all__ = [
    "Application",
    "AssistedCase",
    "BasketItem",
    "BulkImport",
    "CaseLetter",
    "CaseSignal",
    "CatalogProgram",
    "ConsentReceipt",
    "Handover",
    "HeldCredential",
    "HelpCode",
    "ImportPart",
    "ImportRow",
    "Invitation",
    "InvitationDay",
    "MatrixAnswer",
    "SignalLook",
]
