"""What production refuses of the network's side (decision 60): system checks, run before a process starts."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from beckn.signatures import WELL_KNOWN_PUBLIC_KEYS, public_key_of


@checks.register("beckn")
def settings_are_fit_for_production(app_configs: Any = None, **_: Any) -> list[checks.CheckMessage]:
    """Unsigned mode, no time limit, published test keys and addresses without TLS are for a sandbox."""
    if settings.DEPLOYMENT != "production":
        return []
    found: list[checks.CheckMessage] = []
    if not settings.BECKN_REQUIRE_SIGNATURE:
        found.append(checks.Error("BECKN_REQUIRE_SIGNATURE must be true in production.", id="beckn.E001"))
    if settings.BECKN_TTL_POLICY == "off":
        found.append(checks.Error("BECKN_TTL_POLICY must be log or nack in production.", id="beckn.E002"))
    for identity in settings.BECKN_IDENTITIES:
        if any(public_key_of(key.seed) in WELL_KNOWN_PUBLIC_KEYS for key in identity.keys):
            text = f"BECKN_IDENTITIES: {identity.subscriber_id} signs with a published test key."
            found.append(checks.Error(text, id="beckn.E003"))
        if not identity.uri.startswith("https://"):
            text = f"BECKN_IDENTITIES: the uri of {identity.subscriber_id} must be https in production."
            found.append(checks.Error(text, id="beckn.E004"))
    return found


@checks.register("beckn")
def participants_are_fit_for_production(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any
) -> Iterable[checks.CheckMessage]:
    """No sandbox participant, no published test key, no callback without TLS. Asks the database only when told to."""
    if settings.DEPLOYMENT != "production" or not databases:
        return []
    from beckn.models import Participant, ParticipantKey, Source

    found = [
        checks.Error(f"Participant {name} is a sandbox fixture.", id="beckn.E005")
        for name in Participant.objects.filter(source=Source.SANDBOX).values_list("subscriber_id", flat=True)
    ]
    keys = ParticipantKey.objects.filter(public_key__in=WELL_KNOWN_PUBLIC_KEYS).select_related("participant")
    found += [
        checks.Error(f"Participant {key.participant.subscriber_id} has a published test key.", id="beckn.E006")
        for key in keys
    ]
    plain = Participant.objects.filter(suspended_at=None).exclude(url__startswith="https://").exclude(url="")
    found += [
        checks.Error(f"The callback URL of participant {each.subscriber_id} must be https.", id="beckn.E007")
        for each in plain
    ]
    return found
