"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern, path

from console.operations import views

pages: list[URLPattern] = [path("operations/", views.OperationsPage.as_view(), name="operations")]
