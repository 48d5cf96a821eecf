"""How utilities are shown to their customers: the setting, and what stands in for it."""

from __future__ import annotations

from typing import Any

from config.env import PortalUtility
from portals import houses
from sandbox.generated import UTILITY_A, UTILITY_B, portal_utility


def test_the_sandbox_describes_both_utilities_and_only_the_first_has_an_api_for_its_customers(settings: Any) -> None:
    described = [portal_utility(UTILITY_A, 8001), portal_utility(UTILITY_B, 8002)]
    settings.PORTAL_UTILITIES = [PortalUtility.model_validate(each) for each in described]

    first, second = houses.house_of(UTILITY_A), houses.house_of(UTILITY_B)

    assert (first.name, first.dial, first.time_zone) == ("North Grid", "+918000000011", "Asia/Kolkata")
    assert first.customer_api.endswith("/customer/v1") and second.customer_api == ""
    assert "grievance@" in first.grievance and [h.utility_id for h in houses.houses()] == [UTILITY_A, UTILITY_B]


def test_a_utility_that_is_not_described_is_shown_by_its_id_with_the_deployments_help_line(settings: Any) -> None:
    settings.PORTAL_UTILITIES, settings.HELP_PHONE = [], "+91 80 0000 0001"

    shown = houses.house_of("utility-nowhere")

    assert (shown.name, shown.phone, shown.customer_api) == ("utility-nowhere", "+91 80 0000 0001", "")
