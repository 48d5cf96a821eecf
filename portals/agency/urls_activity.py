"""Addresses of the agency's activity (A14)."""

from django.urls import path

from portals.agency import views_activity

urlpatterns = [
    path("agency/activity", views_activity.Activity.as_view(), name="agency-activity"),
    path("agency/activity/export", views_activity.Export.as_view(), name="agency-activity-csv"),
]
