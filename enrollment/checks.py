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
