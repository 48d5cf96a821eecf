"""The HTTP adapter of a utility: one request, one typed answer, or UtilityUnavailable."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from utility_systems.ports import AccountFacts, DerFacts, MeterFacts


class RestAdapter:
    def __init__(
        self,
        utility_id: str,
        time_zone: ZoneInfo,
        url: str,
        token: str,
        *,
        connect_timeout: float = 3.0,
        read_timeout: float = 5.0,
    ) -> None:
        self.utility_id = utility_id
        self.time_zone = time_zone

    def meters(self, umids: Sequence[str]) -> tuple[MeterFacts, ...]:
        raise NotImplementedError

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]:
        raise NotImplementedError

    def account(self, utility_customer_id: str) -> AccountFacts | None:
        raise NotImplementedError

    def notify(
        self, utility_customer_id: str, *, template: str, locale: str = "", parameters: Mapping[str, str] | None = None
    ) -> None:
        raise NotImplementedError
