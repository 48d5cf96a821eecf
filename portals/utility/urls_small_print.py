"""Addresses of the small print, and of the language of the pages."""

from django.urls import path

from portals.utility import views_small_print

urlpatterns = [
    path("language", views_small_print.choose_language, name="portal-language"),
    path("accessibility", views_small_print.accessibility, name="portal-accessibility"),
    path("privacy", views_small_print.privacy, name="portal-privacy"),
    path("cookies", views_small_print.cookies, name="portal-cookies"),
    path("signed-out-idle", views_small_print.idle, name="portal-idle"),
]
