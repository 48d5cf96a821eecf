"""The addresses of what is kept of people and of what they ask about it, below /admin/."""

from django.urls import path

from console.privacy import requests
from console.privacy.kept import Kept

_ONE = "person-requests/<uuid:public_id>/"

pages = [
    path("kept-data/", Kept.as_view(), name="retention"),
    path("person-requests/", requests.Requests.as_view(), name="person-requests"),
    path("person-requests/new/", requests.NewRequest.as_view(), name="person-request-new"),
    path(_ONE, requests.Request.as_view(), name="person-request"),
    path(f"{_ONE}copy/", requests.GiveCopy.as_view(), name="person-request-copy"),
    path(f"{_ONE}erase/", requests.Erase.as_view(), name="person-request-erase"),
    path(f"{_ONE}refuse/", requests.Refuse.as_view(), name="person-request-refuse"),
    path(f"{_ONE}file/", requests.Fetch.as_view(), name="person-request-file"),
]
