"""Addresses of the scorecard and of signals for review."""

from django.urls import path

from portals.agency import views_scorecard, views_signals

urlpatterns = [
    path("agency/scorecard", views_scorecard.ScorecardPage.as_view(), name="agency-scorecard"),
    path("agency/scorecard.csv", views_scorecard.ScorecardFile.as_view(), name="agency-scorecard-csv"),
    path("agency/signals", views_signals.Signals.as_view(), name="agency-signals"),
    path("agency/signals/<uuid:signal_id>", views_signals.OneSignal.as_view(), name="agency-signal"),
]
