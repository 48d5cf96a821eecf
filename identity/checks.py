"""What an operator should know of the sign-ins before somebody stands before a shut door."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

from identity.providers import staff_sign_ins


@register("identity")
def staff_can_sign_in(**_: Any) -> list[CheckMessage]:
    """Somebody has to be able to get into the console, and better not at the portals' own host."""
    found: list[CheckMessage] = []
    if not staff_sign_ins():
        way = "break-glass accounts only" if settings.BREAK_GLASS else "nobody"
        found.append(
            Warning(
                f"OIDC_PROVIDERS has no provider of kind STAFF: the console is open to {way}.",
                hint="docs/operations.md, The console",
                id="identity.W001",
            )
        )
    if settings.DEPLOYMENT == "production" and settings.CONSOLE_URL == settings.PUBLIC_URL:
        found.append(
            Warning(
                "CONSOLE_URL is PUBLIC_URL: console and portals share a host, and only their cookies keep them apart.",
                hint="docs/operations.md, The console",
                id="identity.W002",
            )
        )
    return found
