"""Addresses of an agency's imports."""

from django.urls import path

from portals.imports import views

_ONE = "agency/imports/<uuid:import_id>"

urlpatterns = [
    path("agency/imports", views.Imports.as_view(), name="agency-imports"),
    path("agency/imports/template.csv", views.Template.as_view(), name="agency-import-template"),
    path(_ONE, views.Import.as_view(), name="agency-import"),
    path(f"{_ONE}/start", views.Start.as_view(), name="agency-import-start"),
    path(f"{_ONE}/cancel", views.Cancel.as_view(), name="agency-import-cancel"),
    path(f"{_ONE}/release", views.Release.as_view(), name="agency-import-release"),
    path(f"{_ONE}/result.csv", views.Result.as_view(), name="agency-import-result"),
]
