"""Addresses of mandates on paper: uploading one, and the second person's queue."""

from django.urls import path

from portals.agency import views_papers, views_review

_CASE = "agency/cases/<uuid:case_id>"

urlpatterns = [
    path(f"{_CASE}/paper", views_papers.Paper.as_view(), name="agency-paper"),
    path(f"{_CASE}/paper/print", views_papers.PaperToPrint.as_view(), name="agency-paper-print"),
    path("agency/review", views_review.Queue.as_view(), name="agency-reviews"),
    path("agency/review/<uuid:paper_id>", views_review.Review.as_view(), name="agency-review"),
    path("agency/review/<uuid:paper_id>/file", views_review.File.as_view(), name="agency-review-file"),
]
