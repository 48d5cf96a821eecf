"""Programs that use a device behind another utility's meter: who must have signed in there, and how it stands.

Source: personas P5, onboarding guide appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping

from enrollment.codes import Code, Refusal
from enrollment.commands import Authority
from enrollment.facts import Facts
from enrollment.models import ProgramVersion
from enrollment.results import CrossUtilityLine


def missing_sign_in(version: ProgramVersion, authority: Authority) -> Refusal | None:
    """AUTH_REQUIRED where the customer has not shown who they are to one of the program's other utilities.

    A participant's own standing is not enough here: nothing is shared between utilities on somebody's word.
    """
    wanted = version.secondary_utilities
    if not wanted or any(authority.is_proven_at(utility_id) for utility_id in wanted):
        return None
    return Refusal(
        Code.AUTH_REQUIRED,
        f"This program uses devices of {' or '.join(wanted)}: send the customer's sign-in there, too, in identities.",
        field="user_auth",
        details={"utilities": list(wanted)},
    )


def lines(
    version: ProgramVersion, authority: Authority, facts: Facts, *, silent: str = ""
) -> tuple[CrossUtilityLine, ...]:
    """How each utility's part of the order stands; nothing for a program of one utility. `silent` does not answer."""
    if not version.secondary_utilities:
        return ()
    involved = [*version.utilities, *version.secondary_utilities]
    proven = {identity.utility_id for identity in authority.identities}
    meters = _meters(facts)
    return tuple(
        CrossUtilityLine(
            utility_id,
            identity="VERIFIED" if utility_id in proven else "NOT_SHOWN",
            meters=meters.get(utility_id, ()),
            status="UNAVAILABLE" if utility_id == silent else "OK",
        )
        for utility_id in dict.fromkeys(involved)
        if utility_id in proven or utility_id == silent
    )


def _meters(facts: Facts) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for umid, meter in facts.meters.items():
        found[meter.utility_id] = (*found.get(meter.utility_id, ()), umid)
    return found
