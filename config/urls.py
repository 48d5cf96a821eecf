"""Where the rooms hang their addresses; a room without `urls` has none."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from config import errors, health, metrics

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.show, name="metrics"),
    path("admin/", admin.site.urls),
    *(
        path("", include(f"{room}.urls"))
        for room in ("audit", "identity", "credentials", "enrollment", "beckn", "portals")
        if find_spec(f"{room}.urls")
    ),
]
handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
