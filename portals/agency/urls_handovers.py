"""Addresses in the customer's hands; `portals.agency.held` says who may ask for them."""

from django.urls import path

from portals.agency import views_handovers, views_in_hand

_ONE = "hand-over/<uuid:handover_id>"

urlpatterns = [
    path("hand-over/link/<str:token>", views_handovers.Link.as_view(), name="handover-link"),
    path(_ONE, views_handovers.Page.as_view(), name="handover-page"),
    path(f"{_ONE}/sign-in", views_handovers.SignIn.as_view(), name="handover-sign-in"),
    path(f"{_ONE}/arrived", views_handovers.Arrived.as_view(), name="handover-arrived"),
    path(f"{_ONE}/answer", views_handovers.Answer.as_view(), name="handover-answer"),
    path(f"{_ONE}/consents/<int:place>", views_in_hand.HandedConsent.as_view(), name="handover-consent"),
    path(f"{_ONE}/consents/<int:place>/no", views_in_hand.HandedConsentNo.as_view(), name="handover-consent-no"),
    path(f"{_ONE}/finish", views_handovers.Finish.as_view(), name="handover-finish"),
    path(f"{_ONE}/back", views_handovers.back, name="handover-back"),
]
