from django.urls import path

from enrollment import uploading, views

urlpatterns = [
    path("documents/<str:token>", uploading.upload, name="document-upload"),
    path(
        "consent-texts/<str:program>/<str:consent_type>/<str:version>/<str:locale>",
        views.consent_text,
        name="consent-text",
    ),
]
