"""Addresses of the sign-in (contract: `/oidc/…`)."""

from django.urls import path

from identity.oidc import account, by_meter, views

urlpatterns = [
    path("oidc/sign-in", views.SignIn.as_view(), name="oidc-sign-in"),
    path("oidc/meter", by_meter.Meter.as_view(), name="oidc-meter"),
    path("oidc/code", by_meter.CodeSent.as_view(), name="oidc-code"),
    path("oidc/callback/<slug:slug>", views.callback, name="oidc-callback"),
    path("oidc/ended/<slug:ending>", views.ended, name="oidc-ended"),
    path("oidc/step-up", account.StepUp.as_view(), name="oidc-step-up"),
    path("oidc/link", account.Link.as_view(), name="oidc-link"),
    path("oidc/account", account.account, name="oidc-account"),
    path("oidc/sign-out", account.sign_out, name="oidc-sign-out"),
    path("oidc/signed-out", account.signed_out, name="oidc-signed-out"),
    path("oidc/logout/back-channel", views.back_channel, name="oidc-back-channel"),
]
