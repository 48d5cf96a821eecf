from django.urls import path

from enrollment import hearing, not_me_pages, uploading, views

urlpatterns = [
    path("utilities/<str:utility_id>/changes", hearing.changes, name="utility-changes"),
    path("documents/<str:token>", uploading.upload, name="document-upload"),
    path("not-me/<str:token>", not_me_pages.not_me, name="not-me"),
    path(
        "consent-texts/<str:program>/<str:consent_type>/<str:version>/<str:locale>",
        views.consent_text,
        name="consent-text",
    ),
]
