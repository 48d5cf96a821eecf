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
from portals.models.papers import MandateLink, MandatePaper
from portals.models.signals import CaseLetter, CaseSignal, DeviceProof, SignalLook

__all__ = [
    "Application",
    "AssistedCase",
    "BasketItem",
    "BulkImport",
    "CaseLetter",
    "CaseSignal",
    "CatalogProgram",
    "ConsentReceipt",
    "DeviceProof",
    "Handover",
    "HeldCredential",
    "HelpCode",
    "ImportPart",
    "ImportRow",
    "Invitation",
    "InvitationDay",
    "MandateLink",
    "MandatePaper",
    "MatrixAnswer",
    "SignalLook",
]
