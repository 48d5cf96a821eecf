"""What a P2P program's enrolment tells a trading platform beside its credential (pilot: `p2pdetails`). Reads only."""

from __future__ import annotations

from dataclasses import replace

from enrollment.models import EnrollmentDer, EnrollmentMeter, Program
from enrollment.results import AlsoWrite, Confirmed, Order, Result, TradingLine
from enrollment.states import EnrollmentState
from utility_systems.models import MeterNumber

P2P = "P2P"
#: Of a meter's sanctioned load, what may be committed to trades at a time (spec programs, P2P; rule R-P7.3).
SHARE_OF_SANCTIONED_LOAD = 0.5
_SELLING = ("SOLAR_PV", "WIND", "BATTERY_STORAGE", "V2G_EV")


def telling_trade(also_write: AlsoWrite) -> AlsoWrite:
    """`also_write` with the trading line of a P2P program's enrolment, however the confirm came to its answer."""

    def write(result: Result) -> None:
        also_write(replace(result, trading=_line(result.order)) if isinstance(result, Confirmed) else result)

    return write


def _line(order: Order) -> TradingLine | None:
    enrollment = order.enrollment
    if enrollment is None or not Program.objects.filter(program_id=order.program_id, kind=P2P).exists():
        return None
    meters = EnrollmentMeter.objects.filter(enrollment__enrollment_id=enrollment.enrollment_id)
    first = meters.select_related("meter").order_by("pk").first()
    if first is None:
        return None
    numbers = MeterNumber.objects.filter(meter=first.meter_id).order_by("-valid__startswith")
    load = first.meter.sanctioned_load_kw
    ders = EnrollmentDer.objects.filter(enrollment__enrollment_id=enrollment.enrollment_id, der__type__in=_SELLING)
    is_live = enrollment.state not in (EnrollmentState.CANCELLED, EnrollmentState.EXPIRED)
    return TradingLine(
        user_type="PROSUMER" if ders.exists() else "CONSUMER",
        is_active=is_live and enrollment.state is not EnrollmentState.SUSPENDED,
        is_account_active=is_live,
        meter_number=str(numbers.values_list("number", flat=True).first() or ""),
        sanctioned_load_kw=load,
        limit_kw=load * SHARE_OF_SANCTIONED_LOAD if load is not None else None,
    )
