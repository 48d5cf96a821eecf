"""Addresses of the agents' sign-in (A1)."""

from django.urls import path

from portals.agency import views_sign_in

urlpatterns = [
    path("agency/sign-in", views_sign_in.SignIn.as_view(), name="agency-sign-in"),
    path("agency/choose", views_sign_in.Choose.as_view(), name="agency-choose"),
    path("agency/step-up", views_sign_in.StepUp.as_view(), name="agency-step-up"),
    path("agency/blocked", views_sign_in.blocked, name="agency-blocked"),
]
