"""Addresses of the journey: programs, and one customer's application to one of them."""

from django.urls import path

from portals.utility import views_documents, views_ends, views_journey, views_programs

_JOURNEY = "applications/<uuid:application_id>"

urlpatterns = [
    path("", views_programs.programs, name="portal-programs"),
    path("programs/<slug:slug>", views_programs.program, name="portal-program"),
    path("programs/<slug:slug>/start", views_programs.Start.as_view(), name="portal-start"),
    path(_JOURNEY, views_journey.Overview.as_view(), name="portal-application"),
    path(f"{_JOURNEY}/account", views_journey.Account.as_view(), name="portal-account"),
    path(f"{_JOURNEY}/meters", views_journey.Meters.as_view(), name="portal-meters"),
    path(f"{_JOURNEY}/equipment", views_journey.Equipment.as_view(), name="portal-equipment"),
    path(f"{_JOURNEY}/eligibility", views_journey.Eligibility.as_view(), name="portal-eligibility"),
    path(f"{_JOURNEY}/documents", views_documents.Documents.as_view(), name="portal-documents"),
    path(f"{_JOURNEY}/dates", views_journey.Dates.as_view(), name="portal-dates"),
    path(f"{_JOURNEY}/check", views_journey.Check.as_view(), name="portal-check"),
    path(f"{_JOURNEY}/waiting", views_ends.Waiting.as_view(), name="portal-waiting"),
    path(f"{_JOURNEY}/enrolled", views_ends.Enrolled.as_view(), name="portal-enrolled"),
    path(f"{_JOURNEY}/refused", views_ends.Refused.as_view(), name="portal-refused"),
    path(f"{_JOURNEY}/drop", views_journey.Drop.as_view(), name="portal-drop"),
]
