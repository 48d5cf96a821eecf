"""Prometheus figures: what an operator is woken for."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from config import errors
from config.health import may_see_details


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    if not may_see_details(request):
        return errors.answer(request, 404)
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)
