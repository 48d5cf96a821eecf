"""Addresses of the meter × program matrix, its basket, and the orders that came of one."""

from django.urls import path

from portals.utility import views_basket, views_matrix, views_meters

urlpatterns = [
    path("matrix", views_matrix.Matrix.as_view(), name="portal-matrix"),
    path("matrix.csv", views_matrix.MatrixFile.as_view(), name="portal-matrix-csv"),
    path("matrix/cell", views_matrix.MatrixCell.as_view(), name="portal-matrix-cell"),
    path("enrolments/<uuid:application_id>/meters", views_meters.Meters.as_view(), name="portal-enrolment-meters"),
    path("basket", views_basket.Basket.as_view(), name="portal-basket"),
    path("batches/<slug:batch_id>", views_basket.Batch.as_view(), name="portal-batch"),
]
