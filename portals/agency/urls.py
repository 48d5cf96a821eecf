"""Addresses of the agencies' portal; each part has its own list."""

from importlib.util import find_spec

from django.urls import include, path

PARTS = (
    "urls_sign_in",
    "urls_cases",
    "urls_journey",
    "urls_handovers",
    "urls_review",
    "urls_members",
    "urls_activity",
    "urls_scorecard",
    "urls_imports",
)

urlpatterns = [
    path("", include(f"portals.agency.{part}")) for part in PARTS if find_spec(f"portals.agency.{part}") is not None
]
