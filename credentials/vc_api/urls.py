"""The addresses of the VC API (spec credentials.md 5); they stand before `credentials/<id>`."""

from django.urls import path

from credentials.vc_api import views

urlpatterns = [
    path("credentials/issue", views.issue, name="vc-issue"),
    path("jwt/credentials/issue", views.issue_jwt, name="vc-issue-jwt"),
    path("credentials/verify", views.verify_credential, name="vc-verify"),
    path("presentations/verify", views.verify_held, name="vp-verify"),
    path("credentials/status", views.set_status, name="vc-status"),
]
