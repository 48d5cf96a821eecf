"""Keys and certificates that end soon, or that are old: ours, participants', agencies', and those for mutual TLS.

Asked by the first page, the page of operations and /metrics; few rows, few queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from beckn import identities
from beckn.models import Participant, ParticipantKey, Source
from credentials import policy
from credentials.models import IssuerKey, KeyState
from identity.models import Agency, Membership

SOON = timedelta(days=30)
URGENT = timedelta(days=7)
MOST = 100


@dataclass(frozen=True)
class Ending:
    """Something that ends at a moment, or ended: what kind, whose it is, and the page where it is seen."""

    kind: str
    what: str
    name: str
    ends_at: datetime
    page: str
    args: tuple[Any, ...] = ()
    remedy: str = ""

    def is_over(self, now: datetime) -> bool:
        return self.ends_at <= now

    def is_urgent(self, now: datetime) -> bool:
        return self.ends_at <= now + URGENT


def all_of_them(now: datetime, within: timedelta = SOON) -> list[Ending]:
    """Return what ends before `now + within` and nothing takes its place, the soonest first."""
    found = [*_own(now), *_participants(now, within), *_mutual_tls(), *_agencies(now, within), *_issuer_keys()]
    return sorted((each for each in found if each.ends_at <= now + within), key=lambda each: each.ends_at)


def _own(now: datetime) -> Iterator[Ending]:
    """Each of our names with the last of its keys: a key that another one follows ends as it should."""
    for identity in identities.all_of_them():
        ends = [key.valid_until for key in identity.keys if not (key.valid_until and key.valid_until <= now)]
        if not ends:
            ends = [key.valid_until for key in identity.keys]
        if ends and all(ends):
            yield Ending(
                "own",
                _("our key on the network"),
                identity.subscriber_id,
                max(ends),
                "admin:participants",
                remedy=_("Put a new key into BECKN_IDENTITIES and into the registry."),
            )


def _participants(now: datetime, within: timedelta) -> Iterator[Ending]:
    """Participants whose last key ends; what a registry tells is asked for again by itself."""
    soon = now + within
    lasting = ParticipantKey.objects.filter(Q(valid_until=None) | Q(valid_until__gt=soon), participant=OuterRef("pk"))
    keys = ParticipantKey.objects.filter(participant__suspended_at=None, valid_until__lte=soon)
    keys = keys.exclude(source__in=(Source.REGISTRY, Source.OURS))
    peers = Participant.objects.filter(pk__in=keys.values("participant")).filter(~Exists(lasting))
    for peer in peers.prefetch_related("keys")[:MOST]:
        last = max(key.valid_until for key in peer.keys.all() if key.valid_until)
        yield Ending(
            "participant",
            _("a participant's key"),
            peer.subscriber_id,
            last,
            "admin:participant",
            (peer.pk,),
            _("Ask the participant for its next key, and add it with manage.py participant add."),
        )


def _mutual_tls() -> Iterator[Ending]:
    """The certificates by which utilities' systems know us. One that cannot be read counts as over."""
    for utility in settings.UTILITIES:
        for name, system in utility.systems.items():
            if system.tls is not None:
                yield Ending(
                    "tls",
                    _("our certificate towards a utility's system"),
                    f"{utility.id} {name}",
                    end_of_certificate(system.tls.certificate),
                    "admin:utility_systems_systemhealth_changelist",
                    remedy=_("Have a new certificate made, and put it in the place of the file."),
                )


def _agencies(now: datetime, within: timedelta) -> Iterator[Ending]:
    remedy = _("The utility that certifies it renews the certificate: manage.py agency certify.")
    ending = Agency.objects.filter(suspended_at=None, certified_until__lte=now + within, certified_until__gt=now - SOON)
    for agency in ending.order_by("certified_until")[:MOST]:
        assert agency.certified_until is not None
        page, args = "admin:identity_agency_change", (agency.pk,)
        yield Ending(
            "agency", _("an agency's certificate"), agency.agency_id, agency.certified_until, page, args, remedy
        )
    people = Membership.objects.filter(
        active=True, suspended_at=None, certified_until__lte=now + within, certified_until__gt=now - SOON
    )
    for member in people.select_related("agency").order_by("certified_until")[:MOST]:
        assert member.certified_until is not None
        name = f"{member.agency.agency_id} {member.operator_id}"
        page, args = "admin:identity_agency_change", (member.agency_id,)
        yield Ending("operator", _("an operator's certificate"), name, member.certified_until, page, args, remedy)


def _issuer_keys() -> Iterator[Ending]:
    """Keys that sign credentials have no end; after a time they ought to be replaced."""
    for key in IssuerKey.objects.filter(state=KeyState.ACTIVE).defer("private"):
        if key.activated_at is not None:
            yield Ending(
                "issuer",
                _("the age at which an issuer key is replaced"),
                key.kid,
                key.activated_at + policy.key_age(),
                "admin:credentials_issuerkey_change",
                (key.pk,),
                _("Announce a new key, and activate it when caches know it."),
            )


def end_of_certificate(path: str) -> datetime:
    """Return when the certificate in a PEM file ends; the beginning of time where there is none to read."""
    try:
        return _end(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):
        return _NEVER


@lru_cache(maxsize=64)
def _end(path: str, _stamp: int) -> datetime:
    return x509.load_pem_x509_certificate(Path(path).read_bytes()).not_valid_after_utc


_NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
