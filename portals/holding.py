"""The credentials a portal holds for its customer: those that were checked, each once, the replaced ones marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from portals.models import Application, HeldCredential
from portals.reading import EnrollmentView, IssuedView, instant
from portals.verifying import Found

SECRETS = ("credentialData", "credentialUrl", "offerUrl")


def keep(row: Application, view: EnrollmentView, checked: Mapping[str, Found], now: datetime) -> None:
    """Keep what came with a message and was found good; mark what it replaces. Caller's transaction."""
    kinds = HeldCredential.Kind
    if view.credential is not None:
        _keep(row, view.credential, kinds.ENROLLMENT, "", checked, now)
        if view.credential.status == "REVOKED" or view.status in ("CANCELLED", "EXPIRED"):
            row.credentials.filter(kind=kinds.ENROLLMENT, revoked_at=None).update(revoked_at=view.cancelled_at or now)
    elif view.status == "CANCELLED":
        row.credentials.filter(revoked_at=None).update(revoked_at=view.cancelled_at or now)
    for consent in view.consents:
        _keep(row, consent.credential, kinds.CONSENT, consent.key, checked, now)
        if consent.state == "REVOKED":
            row.credentials.filter(credential_id=consent.credential.credential_id, revoked_at=None).update(
                revoked_at=consent.revoked_at or now
            )


def withdrawn(row: Application, told: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, datetime]]:
    """The consents that a message says are revoked, with when; their credentials are marked. Caller's transaction."""
    order = _map(_map(told.get("message")).get("order"))
    about = _map(order.get("beckn:orderAttributes"))
    revocation, leaving = _map(about.get("consentRevocation")), _map(about.get("unenrollment"))
    named = []
    if revocation.get("status") == "REVOKED":
        named.append((revocation.get("consentCredentialId"), revocation.get("revokedAt")))
    if leaving.get("status") == "CANCELLED":
        entries = leaving.get("consentsRevoked")
        listed = [_map(each) for each in entries] if isinstance(entries, list) else []
        named += [(each.get("consentCredentialId"), leaving.get("cancelledAt")) for each in listed]
    for credential_id, at in named:
        held = row.credentials.filter(credential_id=str(credential_id)).first()
        if held is not None:
            when = instant(at) or now
            HeldCredential.objects.filter(pk=held.pk, revoked_at=None).update(revoked_at=when)
            yield held.consent_type, when


def without_secrets(told: Any) -> Any:
    """The message without what opens a credential: that is kept apart, encrypted, in `HeldCredential`."""
    if isinstance(told, Mapping):
        return {key: without_secrets(value) for key, value in told.items() if key not in SECRETS}
    return [without_secrets(each) for each in told] if isinstance(told, list) else told


def _keep(
    row: Application, issued: IssuedView, kind: str, consent_key: str, checked: Mapping[str, Found], now: datetime
) -> None:
    found = checked.get(issued.credential_id)
    if not issued.data or found is None or found.problem:
        return
    if HeldCredential.objects.filter(credential_id=issued.credential_id[:500]).exclude(application=row).exists():
        return  # somebody else's: whoever sends it again does not move it
    issued_at = issued.issued_at or now
    living = row.credentials.filter(kind=kind, consent_type=consent_key, replaced_at=None)
    others = living.exclude(credential_id=issued.credential_id[:500])
    is_old = others.filter(issued_at__gt=issued_at).exists()  # told again, after the one that replaced it
    if not is_old:
        others.update(replaced_at=now)
    before = row.credentials.filter(credential_id=issued.credential_id[:500]).first()
    held = before or HeldCredential(application=row, credential_id=issued.credential_id[:500], issued_at=issued_at)
    held.kind, held.consent_type, held.data, held.verified_at = kind, consent_key, issued.data, now
    # What opens the credential is told once; a second telling comes without it and takes nothing away.
    if before is None or issued.access_url != issued.credential_id:
        held.access_url = issued.access_url or held.access_url
    held.offer_url = issued.offer_url or held.offer_url
    held.verification_url = issued.verification_url[:1000] or held.verification_url
    held.replaced_at = (held.replaced_at or now) if is_old else None
    held.save()


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
