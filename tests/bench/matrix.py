"""The provider's half of the meter × program matrix: 200 meters × 20 programs, every verdict by the rules of init.

One `select` per program, as a portal asks them; the utility is a process thread beside us over HTTP. Beside it what the
utility's answers alone take: the floor, which no evaluation can undercut. Source: personas P2-7.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django.conf import settings

from enrollment import services
from enrollment.commands import Authority, OrderRef, ProvenIdentity, SelectProgram
from enrollment.results import Selected
from tests.bench.report import Figure
from tests.enrollment.utility import Utility, as_configured
from tests.factories import PORTAL, PROVIDER, RAJESH, UTILITY_A, a_program, meter, solar
from utility_systems import registry

SECTION = "The matrix: 200 meters × 20 programs, verdicts by the provider"
METERS, PROGRAMS, ROUNDS = 200, 20, 3
IDENTITY = ProvenIdentity(UTILITY_A, RAJESH, "OIDC", utility_customer_ids=("CUST-123456",))
SHOWN = Authority(PORTAL, (), proven_subject=RAJESH, proven_utility=UTILITY_A, acr="1", identities=(IDENTITY,))


def run() -> list[Figure]:
    utility = Utility()
    settings.UTILITIES = as_configured(utility, "bench")
    _furnish(utility)
    programs = [f"bench-program-{number:02}" for number in range(PROGRAMS)]
    for number, program_id in enumerate(programs):
        a_program(program_id=program_id, conflict_group=f"BENCH-{number}")
    try:
        taken = min(_seconds(programs) for _ in range(ROUNDS))
        floor = min(_floor_seconds() for _ in range(ROUNDS))
    finally:
        utility.server.shutdown()
    return [
        Figure(SECTION, "all 4,000 verdicts", taken, "s", at_most=5.0, note=f"best of {ROUNDS}"),
        Figure(SECTION, "the utility's answers alone", floor, "s", note="the same 20 times, over HTTP"),
        Figure(SECTION, "verdicts / utility's answers", taken / floor, "×"),
    ]


def _furnish(utility: Utility) -> None:
    for number in range(METERS):
        umid = f"bench-{number:03}"
        utility.knows(meter(umid, site_id=f"site-{number // 10}"))
        if number % 4 == 0:
            utility.knows(solar(f"bench-der-{number:03}", umid=umid))


def _seconds(programs: list[str]) -> float:
    begun, now = time.perf_counter(), datetime.now(UTC)
    for program_id in programs:
        command = SelectProgram(OrderRef(PORTAL, f"order-{program_id}"), program_id, PROVIDER)
        found = services.assess_selected(command, SHOWN, now)
        assert isinstance(found, Selected) and found.assessment is not None
        assert len(found.assessment.cells) == METERS
    return time.perf_counter() - begun


def _floor_seconds() -> float:
    begun, adapter = time.perf_counter(), registry.adapter_for(UTILITY_A)
    for _ in range(PROGRAMS):
        adapter.ders_at([each.umid for each in adapter.meters_of("CUST-123456")])
    return time.perf_counter() - begun
