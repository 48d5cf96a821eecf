"""For which orders a utility's word counts about who somebody is: those on its own meters, and no other's.

A provider may put any DID into its tokens. Without this, one utility's provider would open, end and list the orders of
another's customers. Source: issue 4 point 2, decisions 10 and 25.
"""

from __future__ import annotations

from collections.abc import Iterable

from enrollment import catalog, remembering
from enrollment.models import EnrollmentCase
from utility_systems.models import Meter


def vouched(cases: Iterable[EnrollmentCase], proven_at: tuple[str, ...]) -> list[EnrollmentCase]:
    """Return the cases for which one of these utilities may speak; all, by a key of their own."""
    found = list(cases)
    if not proven_at:
        return found
    umids = {umid for case in found for umid in case.meters}
    utility_of = dict(Meter.objects.filter(umid__in=umids).values_list("umid", "utility_id"))
    return [case for case in found if _utilities(case, utility_of) & set(proven_at)]


def _utilities(case: EnrollmentCase, utility_of: dict[str, str]) -> set[str]:
    """Whose meters it is about; before any is known, where its customer was proven, else whose program it is."""
    known = {utility_of[umid] for umid in case.meters if umid in utility_of}
    if known:
        return known
    kept = set(remembering.authority(case.payload).proven_at) if case.payload is not None else set()
    if kept or case.program_version_id is None:
        return kept
    return set(catalog.kept_version(case.program_version_id).utilities)
