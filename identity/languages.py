"""The language somebody reads: chosen in a browser, kept for the person, and brought along to their next browser."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from identity import people
from identity.models import Subject


def choose(request: HttpRequest, response: HttpResponse, language: str) -> None:
    """Keep a language for this browser, and for whoever is signed in; one that we do not have changes nothing."""
    if not set_for_browser(response, language):
        return
    subject = _subject(request)
    if subject is not None:
        subject.remember_contact(locale=language)


def set_for_browser(response: HttpResponse, language: str) -> bool:
    """Keep a language for this browser alone; return whether we have it."""
    if language not in dict(settings.LANGUAGES):
        return False
    _keep(response, language)
    return True


def bring_along(request: HttpRequest, response: HttpResponse) -> None:
    """After a sign-in: what was chosen elsewhere counts here, unless this browser has a choice of its own."""
    subject = None if settings.LANGUAGE_COOKIE_NAME in request.COOKIES else _subject(request)
    language = subject.locale.partition("-")[0] if subject is not None else ""
    if language in dict(settings.LANGUAGES):
        _keep(response, language)


def _subject(request: HttpRequest) -> Subject | None:
    return people.living(request.user.subject) if request.user.is_authenticated else None


def _keep(response: HttpResponse, language: str) -> None:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )
