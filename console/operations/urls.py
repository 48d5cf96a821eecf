"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern

pages: list[URLPattern] = []
