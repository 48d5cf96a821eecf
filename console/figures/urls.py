"""The pages of figures (issue of the console, 6)."""

from __future__ import annotations

from django.urls import URLPattern, path

from console.figures import pages as views

pages: list[URLPattern] = [
    path("figures/", views.ApplicationsPage.as_view(), name="figures"),
    path("figures/enrolments/", views.EnrollmentsPage.as_view(), name="figures-enrollments"),
    path("figures/times/", views.TimesPage.as_view(), name="figures-times"),
    path("figures/utilities/", views.UtilitiesPage.as_view(), name="figures-utilities"),
    path("figures/status-lists/", views.ListsPage.as_view(), name="figures-lists"),
    path("figures/<slug:page>/<slug:table>.csv", views.TableFile.as_view(), name="figures-table"),
]
