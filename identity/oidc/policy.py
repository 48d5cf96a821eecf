"""Which pages' forms may lead to our providers: a browser holds the redirect of a form against the policy, too."""

from urllib.parse import urlsplit

from django.conf import settings

from identity.providers import STAFF, all_sign_ins


def to_providers(*, of_staff: bool = False) -> str:
    """The house's Content-Security-Policy for a page that has a form to sign in or out; the console's own providers
    are on no other page, and the others not on its.
    """
    origins = sorted({_origin(each.issuer) for each in all_sign_ins() if (each.kind == STAFF) == of_staff})
    forms = " ".join(["form-action 'self'", *origins])
    return str(settings.CONTENT_SECURITY_POLICY).replace("form-action 'self'", forms)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
