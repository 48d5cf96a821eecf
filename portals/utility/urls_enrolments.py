"""Addresses of consents, of enrolments and what belongs to them, and of help with a draft."""

from django.urls import path

from portals.utility import (
    views_consents,
    views_ending,
    views_enrolments,
    views_help,
    views_my_data,
    views_requests,
)

_JOURNEY = "applications/<uuid:application_id>"
_ENROLMENT = "enrolments/<uuid:application_id>"

urlpatterns = [
    path(f"{_JOURNEY}/consents/<int:place>", views_consents.ConsentPage.as_view(), name="portal-consent"),
    path(f"{_JOURNEY}/consents/<int:place>/no", views_consents.RefusedConsent.as_view(), name="portal-consent-no"),
    path(f"{_JOURNEY}/help", views_help.Help.as_view(), name="portal-help"),
    path("my-data", views_my_data.MyData.as_view(), name="portal-my-data"),
    path("my-data/ask/<slug:what>", views_requests.AskAboutMyData.as_view(), name="portal-my-data-ask"),
    path("my-data/requests/<uuid:public_id>", views_requests.AboutMyData.as_view(), name="portal-my-data-request"),
    path("enrolments", views_enrolments.Enrolments.as_view(), name="portal-enrolments"),
    path(_ENROLMENT, views_enrolments.EnrolmentInFull.as_view(), name="portal-enrolment"),
    path(f"{_ENROLMENT}/credential", views_enrolments.CredentialPage.as_view(), name="portal-credential"),
    path(f"{_ENROLMENT}/credential/file", views_enrolments.CredentialFile.as_view(), name="portal-credential-file"),
    path(f"{_ENROLMENT}/credential/qr", views_enrolments.CredentialCode.as_view(), name="portal-credential-qr"),
    path(f"{_ENROLMENT}/consents/<int:place>/withdraw", views_ending.Withdraw.as_view(), name="portal-withdraw"),
    path(f"{_ENROLMENT}/consents/<int:place>/grant", views_ending.GrantAgain.as_view(), name="portal-grant"),
    path(f"{_ENROLMENT}/leave", views_ending.Leave.as_view(), name="portal-leave"),
    path(f"{_ENROLMENT}/left", views_ending.Left.as_view(), name="portal-left"),
    path(f"{_ENROLMENT}/stay", views_ending.Stay.as_view(), name="portal-stay"),
    path(f"{_ENROLMENT}/receipts/<uuid:receipt_id>", views_enrolments.Receipt.as_view(), name="portal-receipt"),
    path(
        f"{_ENROLMENT}/receipts/<uuid:receipt_id>.json",
        views_enrolments.ReceiptAsJson.as_view(),
        name="portal-receipt-json",
    ),
]
