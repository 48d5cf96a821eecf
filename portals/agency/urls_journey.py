"""Addresses of an assisted journey. There is none for a consent: the customer answers those themselves."""

from django.urls import path

from portals.agency import views_ending_in_hand, views_journey

_CASE = "agency/cases/<uuid:case_id>"
_HAND = "hand-over/<uuid:handover_id>"

urlpatterns = [
    path(f"{_CASE}/account", views_journey.Account.as_view(), name="agency-account"),
    path(f"{_CASE}/meters", views_journey.Meters.as_view(), name="agency-meters"),
    path(f"{_CASE}/equipment", views_journey.Equipment.as_view(), name="agency-equipment"),
    path(f"{_CASE}/eligibility", views_journey.Eligibility.as_view(), name="agency-eligibility"),
    path(f"{_CASE}/documents", views_journey.Documents.as_view(), name="agency-documents"),
    path(f"{_CASE}/dates", views_journey.Dates.as_view(), name="agency-dates"),
    path(f"{_CASE}/check", views_journey.Check.as_view(), name="agency-check"),
    path(f"{_CASE}/waiting", views_journey.Waiting.as_view(), name="agency-waiting"),
    path(f"{_CASE}/enrolled", views_journey.Enrolled.as_view(), name="agency-enrolled"),
    path(f"{_CASE}/receipt", views_journey.OnPaper.as_view(), name="agency-receipt"),
    path(f"{_CASE}/refused", views_journey.Refused.as_view(), name="agency-refused"),
    path(f"{_CASE}/ending", views_journey.Ending.as_view(), name="agency-ending"),
    path(f"{_HAND}/leave", views_ending_in_hand.HandedLeave.as_view(), name="handover-leave"),
    path(f"{_HAND}/withdraw", views_ending_in_hand.HandedWithdraw.as_view(), name="handover-withdraw"),
    path(f"{_HAND}/ended", views_ending_in_hand.HandedEnded.as_view(), name="handover-ended"),
]
