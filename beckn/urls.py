"""The network's addresses. `path` takes everything below, so that a wrong one is answered with a NACK, not a page."""

from django.urls import path

from beckn import views

urlpatterns = [
    path("beckn/<path:action>", views.receive, name="beckn-receive"),
    path("bap/<path:action>", views.receive_callback, name="bap-receive"),
]
