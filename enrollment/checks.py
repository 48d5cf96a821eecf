"""What the database must not hold where this deployment is a production one (decision 60)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.database)
def consent_texts_are_reviewed(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse to serve consent texts of published programs that nobody approved."""
    if not databases or settings.DEPLOYMENT != "production":
        return []
    from enrollment.models import ConsentText, ProgramVersion

    asked = {
        (version.program_id, consent["type"], consent.get("textVersion", ""))
        for version in ProgramVersion.objects.filter(state="PUBLISHED")
        for consent in version.required_consents
    }
    unreviewed = ConsentText.objects.filter(reviewed_by="").select_related("program")
    return [
        Error(
            f"The consent text {text} is shown to people, and nobody has reviewed it.",
            hint="Add the reviewed text as a new version (reviewed_by), and publish a program version that asks it.",
            id="enrollment.E001",
        )
        for text in unreviewed
        if (text.program_id, text.consent_type, text.version) in asked
    ]


@register()
def the_notice_gateway_is_there(**_: Any) -> list[CheckMessage]:
    """Refuse a gateway for notices that cannot be made: customers would be written to by nobody."""
    from enrollment.gateways import gateway

    try:
        gateway()
    except (ImportError, TypeError) as problem:
        return [Error(f"NOTICE_GATEWAY: {problem}", hint="utility, email, or a class's path", id="enrollment.E003")]
    return []


@register(Tags.database)
def deg_programs_have_a_licensed_issuer(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Tell programs whose credentials cannot have the shape they ask for: it names the issuer and its licence."""
    from enrollment.deg import PROFILE, is_ready
    from enrollment.models import ProgramVersion

    if not databases or is_ready():
        return []
    asking = ProgramVersion.objects.filter(state="PUBLISHED", credential_profile=PROFILE).select_related("program")
    return [
        Error(
            f"The program {version.program.program_id} issues credentials of the DEG profile, and the issuer has no "
            "name or no licence number.",
            hint="Set ISSUER_NAME and ISSUER_LICENSE_NUMBER.",
            id="enrollment.E002",
        )
        for version in asking
    ]
