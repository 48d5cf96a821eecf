"""Addresses of the desk and of cases."""

from django.urls import path

from portals.agency import views_case, views_desk, views_proof

_CASE = "agency/cases/<uuid:case_id>"

urlpatterns = [
    path("agency/", views_desk.Desk.as_view(), name="agency-desk"),
    path("agency/new", views_desk.New.as_view(), name="agency-new"),
    path("agency/find", views_desk.Find.as_view(), name="agency-find"),
    path("agency/help-code", views_desk.TakeDraft.as_view(), name="agency-help-code"),
    path("agency/look-ups", views_desk.LookUps.as_view(), name="agency-look-ups"),
    path("agency/look-ups/<int:member_id>", views_desk.LookUpsGoOn.as_view(), name="agency-look-ups-go-on"),
    path(_CASE, views_case.Case.as_view(), name="agency-case"),
    path(f"{_CASE}/go-on", views_proof.GoOn.as_view(), name="agency-go-on"),
    path(f"{_CASE}/read", views_proof.Read.as_view(), name="agency-read"),
    path(f"{_CASE}/proof", views_proof.Proof.as_view(), name="agency-proof"),
    path(f"{_CASE}/code", views_proof.Code.as_view(), name="agency-code"),
    path(f"{_CASE}/hand-over", views_proof.HandOver.as_view(), name="agency-hand-over"),
    path(f"{_CASE}/send-link", views_proof.SendLink.as_view(), name="agency-send-link"),
    path(f"{_CASE}/take-back", views_proof.TakeBack.as_view(), name="agency-take-back"),
    path(f"{_CASE}/consents", views_proof.Consents.as_view(), name="agency-consents"),
    path(f"{_CASE}/ask/<str:asks>", views_proof.Ask.as_view(), name="agency-ask"),
    path(f"{_CASE}/assign", views_case.Assign.as_view(), name="agency-assign"),
    path(f"{_CASE}/take", views_desk.Take.as_view(), name="agency-take"),
    path(f"{_CASE}/drop-case", views_case.Drop.as_view(), name="agency-drop-case"),
]
