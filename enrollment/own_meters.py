"""Which meters are the proven customer's: the utilities are asked, what a token names is only a hint for them.

No transaction is open here. Source: onboarding guide 8.1, personas P3-1 and P3-2, spec wire 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from enrollment.commands import Authority, MeterRef, ProvenIdentity
from enrollment.facts import is_current
from enrollment.results import AvailableMeter
from utility_systems import registry
from utility_systems.ports import ConnectionType, MeterFacts, UtilityAdapter


def of(authority: Authority, utilities: Sequence[str], now: datetime) -> tuple[MeterFacts, ...]:
    """The customer's meters at the program's `utilities` (any, where it names none), by umid.

    Raises UtilityUnavailable. Each once, and only those where the utility's own record knows the customer today.
    """
    allowed = tuple(utilities) or registry.utility_ids()
    found: dict[str, MeterFacts] = {}
    for identity in _identities(authority, allowed):
        if identity.utility_id in allowed and identity.utility_id in registry.utility_ids():
            for meter in _at(registry.adapter_for(identity.utility_id), identity, now):
                found.setdefault(meter.umid, meter)
    return tuple(found[umid] for umid in sorted(found))


def refs(meters: Iterable[MeterFacts]) -> tuple[MeterRef, ...]:
    return tuple(MeterRef(meter.umid, meter.utility_id) for meter in meters)


def lines(meters: Iterable[MeterFacts]) -> tuple[AvailableMeter, ...]:
    return tuple(
        AvailableMeter(
            meter.umid,
            meter.utility_id,
            meter.meter_number,
            "" if meter.connection_type is ConnectionType.UNKNOWN else meter.connection_type.value,
            meter.sanctioned_load_kw,
        )
        for meter in meters
    )


def _identities(authority: Authority, utilities: Sequence[str]) -> tuple[ProvenIdentity, ...]:
    """Who was proven where; who proved only a DID may be known at each of the utilities."""
    if authority.identities:
        return authority.identities
    return tuple(ProvenIdentity(utility_id, authority.proven_subject, "DID") for utility_id in utilities)


def _at(adapter: UtilityAdapter, identity: ProvenIdentity, now: datetime) -> Iterable[MeterFacts]:
    accounts = set(identity.utility_customer_ids)
    if not accounts and identity.subject.startswith("did:"):
        accounts = set(adapter.accounts_of(identity.subject))
    named = list(adapter.meters(identity.meter_ids)) if identity.meter_ids else []
    held = [meter for account in sorted(accounts) for meter in adapter.meters_of(account)]
    return [meter for meter in [*named, *held] if _is_theirs(meter, identity.subject, accounts, now)]


def _is_theirs(meter: MeterFacts, subject: str, accounts: set[str], now: datetime) -> bool:
    """A record that names people must name this one; one that names only accounts, one of theirs."""
    holders = [h for h in meter.holders if is_current(h.since, h.until, now)]
    if any(h.subject_did for h in holders):
        return any(h.subject_did == subject for h in holders)
    return any(h.utility_customer_id in accounts for h in holders)
