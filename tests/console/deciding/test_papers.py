"""The owner's staff reviews an agency's mandates on paper where the program says so (EA-5), in the queue of cases."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import Event
from enrollment.models import ReviewLease, ReviewNote
from identity.models import Membership
from identity.staff import Role
from portals.models import MandatePaper
from tests.console.deciding.test_files import QUEUE, text_of
from tests.portals.test_mandate_papers import (  # noqa: F401 - fixtures
    PDF,
    a_photograph,
    agent,
    server,
    state,
    uploaded,
    utility,
)
from tests.staff import desk

pytestmark = pytest.mark.django_db
OWNERS = {"assistance": {"paperReview": "PROVIDER"}}


def at(paper: MandatePaper, more: str = "") -> str:
    return f"{QUEUE}paper/{paper.pk}/{more}"


def test_staff_takes_what_is_theirs_reads_the_file_and_decides_once(agent: Membership) -> None:  # noqa: F811
    theirs, agencys = uploaded(agent, presentation=OWNERS), uploaded(agent)
    meera, asha = desk(Role.CASE_WORKER, name="Meera"), desk(Role.CASE_WORKER)
    queue = text_of(meera.get(QUEUE))
    assert theirs.case.reference in queue and agencys.case.reference not in queue
    assert meera.get(at(agencys)).status_code == 404

    def act(name: str, **said: Any) -> Any:
        return meera.post(at(theirs), {"act": name, **said})

    assert act("take").status_code == 303
    page = meera.get(at(theirs))
    assert "They may not agree to anything in my place" in text_of(page) and "CUST-123456" not in text_of(page)
    shown = meera.post(at(theirs), {"show-personal-data": "yes", "reason": "DECIDING"})
    assert "CUST-123456" in text_of(shown)
    unseen = act("decide", verdict="APPROVE")
    assert unseen.status_code == 403 and "look at it before you approve it" in text_of(unseen)
    assert asha.post(at(theirs, "file/"), {"unscanned": "yes"}).status_code == 409, "it is before somebody else"
    assert meera.post(at(theirs, "file/")).status_code == 409, "nobody has scanned it"
    assert meera.post(at(theirs, "file/"), {"unscanned": "yes"}).content == PDF
    assert act("decide", verdict="AGAIN").status_code == 400
    assert act("decide", verdict="APPROVE", note="Signature compared.").status_code == 303
    assert state(theirs) == ("APPROVED", "ACTIVE", "OPEN")
    assert theirs.reviewed_by_staff == str(meera.member.pk)
    assert ReviewNote.objects.get().text == "Signature compared." and not ReviewLease.objects.exists()
    again = act("take")
    assert again.status_code == 409 and "Nothing is left to be decided here" in text_of(again)
    assert "Meera" in text_of(meera.get(f"{QUEUE}decided/"))
    assert Event.objects.filter(action="pii.read", actor_kind="STAFF").count() == 2


def test_a_photographed_paper_is_seen_on_its_page_and_the_agency_reads_what_is_to_be_done_better(
    agent: Membership,  # noqa: F811
) -> None:
    paper = uploaded(agent, a_photograph(), presentation=OWNERS)
    meera = desk(Role.CASE_WORKER)
    assert meera.post(at(paper), {"act": "take"}).status_code == 303
    assert meera.get(at(paper, "file/")).status_code == 404
    assert meera.post(at(paper), {"act": "open", "unscanned": "yes"}).status_code == 303
    assert meera.get(at(paper, "file/")).headers["Content-Type"] == "image/jpeg"
    said = {"act": "decide", "verdict": "AGAIN", "reason": "NOT_SIGNED", "text": "The signature is missing."}
    assert meera.post(at(paper), said).status_code == 303
    paper.refresh_from_db()
    assert (paper.state, paper.reason, paper.note) == ("AGAIN", "NOT_SIGNED", "The signature is missing.")
