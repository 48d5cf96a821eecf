from django.urls import path

from enrollment import views

urlpatterns = [
    path(
        "consent-texts/<str:program>/<str:consent_type>/<str:version>/<str:locale>",
        views.consent_text,
        name="consent-text",
    ),
]
