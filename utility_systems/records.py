"""Keep what a utility said about meters and DERs."""

from collections.abc import Sequence
from datetime import datetime

from identity.models import Subject
from utility_systems.models import Der, Meter, Source
from utility_systems.ports import DerFacts, MeterFacts


def remember(
    meters: Sequence[MeterFacts],
    ders: Sequence[DerFacts],
    *,
    subject: Subject,
    source: str = Source.UTILITY_API,
    now: datetime,
) -> tuple[dict[str, Meter], dict[str, Der]]:
    raise NotImplementedError
