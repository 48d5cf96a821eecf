"""Addresses of the portals."""

from django.urls import include, path

urlpatterns = [
    path("", include("portals.utility.urls")),
    path("", include("portals.utility.urls_enrolments")),
    path("", include("portals.utility.urls_matrix")),
    path("", include("portals.utility.urls_mandates")),
    path("", include("portals.utility.urls_small_print")),
    path("", include("portals.agency.urls")),
]
