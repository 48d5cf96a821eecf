"""The sandbox utility's billing and its feed of changes, from outside."""

from typing import Any

import pytest

from tests.sandbox.running import RunningUtility


def happen(a_utility: RunningUtility, kind: str, **more: Any) -> Any:
    return a_utility.json("/happen", {"kind": kind, **more})


def meter(a_utility: RunningUtility, umid: str) -> Any:
    (found,) = a_utility.json(f"/api/v1/meters?umid={umid}", token=a_utility.token)["meters"]
    return found


def test_billing_acknowledges_a_notice_and_the_same_one_again_with_the_same_reference(
    a_utility: RunningUtility,
) -> None:
    notice = {"noticeId": "n-1", "event": "STARTED", "meters": [{"meterId": "load-700001"}], "programId": "p"}
    first, again = (a_utility.json("/billing/enrolments", notice, token=a_utility.token) for _ in range(2))
    assert first == again and first["acknowledgement"].startswith("BILL-")
    (kept,) = a_utility.json("/told?umid=load-700001")["enrolments"]
    assert kept["event"] == "STARTED" and "load-700001" in a_utility.call("/news")[1].decode()
    assert a_utility.call("/billing/enrolments", notice)[0] == 401  # not with everybody's token


def test_what_happens_is_in_the_records_and_in_the_feed(a_utility: RunningUtility) -> None:
    before = a_utility.json("/changes/feed?limit=500", token=a_utility.token)["cursor"]
    happen(a_utility, "METER_EXCHANGE", umid="load-700002", newNumber="NEW-1")
    happen(a_utility, "NEW_HOLDER", umid="load-700002", subject="did:example:load-700003")
    happen(a_utility, "SANCTIONED_LOAD", umid="load-700002", sanctionedLoadKw=2)
    found = meter(a_utility, "load-700002")
    assert (found["meterNumber"], found["sanctionedLoadKw"]) == ("NEW-1", 2)
    assert found["earlierNumbers"][0]["number"] == "MTR-load-700002"
    living = {holder["subject"] for holder in found["holders"] if not holder["until"]}
    assert living == {"did:example:load-700003"}
    page = a_utility.json(f"/changes/feed?cursor={before}&limit=2", token=a_utility.token)
    assert [each["kind"] for each in page["changes"]] == ["METER_EXCHANGE", "NEW_HOLDER"]
    rest = a_utility.json(f"/changes/feed?cursor={page['cursor']}", token=a_utility.token)
    assert [each["kind"] for each in rest["changes"]] == ["SANCTIONED_LOAD"]


def test_the_cursor_of_a_feed_that_is_over_begins_at_the_beginning(a_utility: RunningUtility) -> None:
    happen(a_utility, "RECONNECTION", umid="load-700004")
    old = a_utility.json("/changes/feed?cursor=feedface-99&limit=500", token=a_utility.token)
    assert old == a_utility.json("/changes/feed?limit=500", token=a_utility.token) and old["changes"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"kind": "EARTHQUAKE", "umid": "umid-001"}, 400),
        ({"kind": "MOVE_OUT", "umid": "nobody-s"}, 404),
        ({"kind": "CERTIFICATE_REVOKED", "derId": "nobody-s"}, 404),
        ({"kind": "NEW_HOLDER", "umid": "load-700005"}, 400),
        ({"kind": "SANCTIONED_LOAD", "umid": "load-700005", "sanctionedLoadKw": "much"}, 400),
        ({"kind": "ACCOUNT_STANDING", "umid": "load-700005", "standing": "FINE"}, 400),
    ],
)
def test_what_cannot_happen_here_is_said_and_is_in_no_feed(
    a_utility: RunningUtility, asked: dict[str, str], status: int
) -> None:
    def feed() -> Any:
        return a_utility.json("/changes/feed?limit=500", token=a_utility.token)["changes"]

    before = feed()
    assert a_utility.call("/happen", asked)[0] == status
    assert feed() == before


def test_billing_that_is_down_takes_the_other_systems_with_it_no_more_than_they_it(a_utility: RunningUtility) -> None:
    a_utility.json("/faults", {"system": "billing", "mode": "down", "seconds": 30})
    assert a_utility.call("/billing/enrolments", {}, token=a_utility.token)[0] == 503
    assert meter(a_utility, "umid-001")
    a_utility.json("/faults", {"system": "billing", "mode": "none"})
    a_utility.fault("down", 30)
    assert a_utility.call("/changes/feed", token=a_utility.token)[0] == 200
    assert a_utility.call("/faults", {"system": "weather", "mode": "down"})[0] == 400
