"""What the portals keep: the Utility Portal's journeys, and an agency's cases."""

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

__all__ = [
    "Application",
    "AssistedCase",
    "BasketItem",
    "CatalogProgram",
    "ConsentReceipt",
    "Handover",
    "HeldCredential",
    "HelpCode",
    "MatrixAnswer",
]
