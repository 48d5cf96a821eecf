"""Addresses of a customer's control over who may act for them."""

from django.urls import path

from portals.utility import views_mandates

urlpatterns = [
    path("my-data/mandates", views_mandates.Mandates.as_view(), name="portal-mandates"),
    path("my-data/mandates/<str:mandate_id>", views_mandates.TakeBack.as_view(), name="portal-mandate"),
    path("mandates/<str:token>", views_mandates.by_link, name="mandate-link"),
]
