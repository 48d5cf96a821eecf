"""The owner's staff reviews an agency's mandates on paper where the program says so (EA-5)."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from audit.models import Event
from identity.models import Membership
from identity.staff import Role
from portals.models import MandatePaper
from tests.portals.test_mandate_papers import PDF, agent, reviewer, server, state, uploaded, utility  # noqa: F401 - fixtures
from tests.staff import Desk, desk

pytestmark = pytest.mark.django_db
OWNERS = {"assistance": {"paperReview": "PROVIDER"}}


@pytest.fixture
def staff() -> Desk:
    return desk(Role.CASE_WORKER)


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:portals_mandatepaper_{name}", args=args)


def test_staff_sees_what_is_theirs_reads_the_file_and_decides_once(staff: Desk, agent: Membership) -> None:  # noqa: F811
    theirs, agencys = uploaded(agent, presentation=OWNERS), uploaded(agent)
    assert "1 mandate on paper of an agency waits" in staff.get(reverse("admin:index")).content.decode()
    listed = staff.get(page("changelist")).content.decode()
    assert theirs.case.reference in listed and agencys.case.reference not in listed
    assert staff.get(page("change", agencys.pk)).status_code == 404
    assert "They may not agree to anything in my place" in staff.get(page("change", theirs.pk)).content.decode()

    unseen = staff.post(page("decide", theirs.pk), {"verdict": "APPROVE"})
    assert unseen.status_code == 403 and b"look at it before you approve it" in unseen.content
    assert staff.post(page("file", theirs.pk)).status_code == 409, "nobody has scanned it"
    assert staff.post(page("file", theirs.pk), {"unscanned": "yes"}).content == PDF
    assert staff.post(page("decide", theirs.pk), {"verdict": "AGAIN"}).status_code == 422
    assert staff.get(page("decide", theirs.pk)).status_code == 405
    assert staff.post(page("decide", theirs.pk), {"verdict": "APPROVE"}).status_code == 302
    assert state(theirs) == ("APPROVED", "ACTIVE", "OPEN") and theirs.reviewed_by_staff == str(staff.member.user)
    again = staff.post(page("decide", theirs.pk), {"verdict": "REFUSE", "reason": "OTHER"})
    assert again.status_code == 409 and state(theirs)[0] == "APPROVED"
    assert Event.objects.get(action="pii.read").actor_kind == "STAFF"


def test_staff_without_the_right_sees_the_list_and_neither_reads_nor_decides(agent: Membership) -> None:  # noqa: F811
    paper = uploaded(agent, presentation=OWNERS)
    client = desk(Role.VIEWER)
    assert "not for you to read" in client.get(page("change", paper.pk)).content.decode()
    for name in ("file", "decide"):
        assert client.post(page(name, paper.pk), {"verdict": "APPROVE", "unscanned": "yes"}).status_code == 403
    assert MandatePaper.objects.get().state == "WAITING"
