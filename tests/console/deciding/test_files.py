"""Files in place of a certificate at the console: taken by one person at a time, approved by two, asked for again."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.urls import reverse

from audit import clock
from audit.models import Event
from enrollment import leases, lifecycle, notices, reviews
from enrollment.models import CustomerNotice, Document, ReviewLease, ReviewNote
from enrollment.results import Refused
from identity.staff import Role
from portals import reading
from tests.enrollment.conftest import bare_world, running_utility, told, utility  # noqa: F401 - fixtures
from tests.enrollment.test_documents import a_scan, apply, asked, send, solar_world  # noqa: F401 - fixtures
from tests.enrollment.world import World, code, the_case
from tests.factories import NOON, RAJESH, ten_kw_solar
from tests.staff import Desk, break_glass, desk

QUEUE = "/admin/cases-to-decide/"


def handed_in(world: World, content: bytes = b"", kind: str = "image/png") -> Document:
    """A picture that its applicant has handed in, and that waits for its review."""
    line = asked(apply(world))
    assert send(line, content or a_scan("PNG"), content_type=kind).status_code == 201
    apply(world, line.document_id)
    return Document.objects.get(document_id=line.document_id)


def text_of(answer: Any) -> str:
    """What a person reads on the page: its main part, without tags."""
    page = answer.content.decode().partition('id="content-main"')[2].partition('<nav class="console-menu"')[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def at(row: Document, more: str = "") -> str:
    return f"{QUEUE}document/{row.document_id}/{more}"


def act(who: Desk, row: Document, name: str, **said: Any) -> Any:
    return who.post(at(row), {"act": name, **said})


def took(row: Document, *roles: Role) -> Desk:
    """Somebody who has the file before them and has looked at it."""
    who = desk(*(roles or (Role.CASE_WORKER,)))
    assert act(who, row, "take").status_code == 303
    assert act(who, row, "open", unscanned="yes").status_code == 303
    return who


APPROVED = {"verdict": "APPROVE", "capacity_kw": "10", "valid_until": "2030-12-31"}
AGAIN = {"verdict": "AGAIN", "reason": "INCOMPLETE", "text": "Please photograph the whole page, with the stamp."}


def test_two_persons_take_look_and_approve_and_the_application_goes_on(
    solar_world: World,  # noqa: F811
    told: list[Any],  # noqa: F811
) -> None:
    row = handed_in(solar_world)
    asha, ravi = desk(Role.CASE_WORKER, name="Asha"), desk(Role.APPROVER, name="Ravi")
    queue = text_of(asha.get(QUEUE))
    assert "Certificate of the device der-solar-001" in queue and "the applicant" in queue, queue
    assert re.search(r"in (2\sdays|1\sday)", queue), queue

    unseen = asha.get(at(row))
    assert "Nobody has this case before them" in text_of(unseen) and b"<img" not in unseen.content
    assert act(asha, row, "decide", **APPROVED).status_code == 409, "nobody decides what they have not taken"
    assert act(asha, row, "take").status_code == 303
    assert asha.get(at(row, "file/")).status_code == 404
    early = act(asha, row, "decide", **APPROVED)
    assert early.status_code == 409 and "look at it before you approve" in text_of(early)
    assert 'value="10"' in early.content.decode(), "what was entered is still there"
    assert "none is configured" in text_of(act(asha, row, "open"))
    assert not Event.objects.filter(action="pii.read").exists()
    assert act(asha, row, "open", unscanned="yes").status_code == 303
    shown = asha.get(at(row, "file/"))
    assert shown.headers["Content-Type"] == "image/png" and shown.headers["Content-Disposition"] == "inline"
    assert shown.headers["Content-Security-Policy"].startswith("sandbox") and "no-store" in shown["Cache-Control"]
    assert Event.objects.get(action="pii.read").object_id == row.document_id
    page = asha.get(at(row))
    assert f'<img src="{at(row, "file/")}"' in page.content.decode()
    assert "Power 10 kW" in text_of(page) and "The meter umid-001" in text_of(page)

    taken = act(ravi, row, "take")
    assert taken.status_code == 409 and "Asha has this case until 12:15 UTC" in text_of(taken)
    assert ravi.get(at(row, "file/")).status_code == 404

    assert act(asha, row, "decide", note="Stamp of 2024, looks right.", **APPROVED).status_code == 303
    row.refresh_from_db()
    assert (row.state, row.first_reviewer) == ("UPLOADED", f"staff:{asha.member.pk}")
    assert act(asha, row, "take").status_code == 403, "the second person is another one"
    assert act(ravi, row, "take").status_code == 303 and act(ravi, row, "open", unscanned="yes").status_code == 303
    page = ravi.get(at(row))
    assert "Stamp of 2024" in text_of(page) and "Asha" in text_of(page)
    other_figure = act(ravi, row, "decide", **{**APPROVED, "capacity_kw": "8"})
    assert other_figure.status_code == 403 and "different figures" in text_of(other_figure)
    done = act(ravi, row, "decide-next", verdict="APPROVE")
    assert done.status_code == 303 and done["Location"] == QUEUE
    assert "Nothing else is free" in ravi.get(QUEUE).content.decode()

    row.refresh_from_db()
    assert (row.state, row.second_reviewer) == ("APPROVED", f"staff:{ravi.member.pk}")
    assert row.valid_until is not None and f"{row.valid_until:%Y-%m-%d}" in ("2030-12-31", "2031-01-01")
    assert not ReviewLease.objects.exists()
    lifecycle.retry_waiting(NOON)
    assert the_case().state == "READY" and told[-1][0] == "on_status"
    assert "Asha, Ravi" in text_of(asha.get(f"{QUEUE}decided/")) and "Asha, Ravi" in text_of(asha.get(at(row)))
    assert ReviewNote.objects.get().text == "Stamp of 2024, looks right."


def test_who_is_asked_again_reads_the_reviewers_words_in_the_notice_and_where_they_applied(
    solar_world: World,  # noqa: F811
    told: list[Any],  # noqa: F811
) -> None:
    from beckn.profiles import words

    row = handed_in(solar_world)
    meera = took(row)
    for wrong, why in (
        ({**AGAIN, "reason": ""}, "Select why it does not do."),
        ({**AGAIN, "text": ""}, "Say what the next file has to show"),
        ({**AGAIN, "text": "Call me: meera@owner.example"}, "Write no addresses"),
        ({**AGAIN, "text": "Your account 1234-5678"}, "no numbers of six or more digits"),
        ({**AGAIN, "verdict": "REFUSE"}, "Nothing is asked for again"),
        ({}, "Select what becomes of this file."),
    ):
        answer = act(meera, row, "decide", **wrong)
        assert answer.status_code == 400 and why in text_of(answer), wrong
    preview = act(meera, row, "preview", **AGAIN)
    read = "“Please photograph the whole page, with the stamp.”"
    assert preview.status_code == 200 and read in text_of(preview)
    assert "A page or a part of the document is missing." in text_of(preview)
    assert Document.objects.get().state == "UPLOADED", "a preview decides nothing"

    assert act(meera, row, "decide", **AGAIN).status_code == 303
    notice = CustomerNotice.objects.order_by("-pk")[0]
    assert notice.template == "document-asked-again" and "photograph" not in str(notice.parameters)
    assert read in notices.preview(the_case(), notice.template, "en", **notice.parameters).text
    assert "photograph" not in str(list(Event.objects.values_list("details", flat=True)))

    lifecycle.retry_waiting(NOON)
    assert CustomerNotice.objects.order_by("-pk")[0] == notice, "one notice, not two"
    result = told[-1][1]
    assert isinstance(result, Refused) and code(result) == "DER_NOT_CERTIFIED"
    (line,) = words.documents(result.documents)["documents"]
    (wanted,) = reading.prepared({"message": {"order": {"beckn:orderAttributes": {"documents": [line]}}}}).documents
    assert (wanted.status, wanted.reason, wanted.text) == ("ASKED", "INCOMPLETE", AGAIN["text"])
    assert wanted.id != row.document_id and "reviewText" in words.SECRET_KEYS_OUT


def test_a_file_refused_for_good_is_followed_by_no_other_in_this_order(solar_world: World) -> None:  # noqa: F811
    row = handed_in(solar_world)
    meera = took(row)

    assert act(meera, row, "decide", verdict="REFUSE", reason="NOT_GENUINE", note="Forged stamp.").status_code == 303

    row.refresh_from_db()
    assert (row.state, row.is_final, row.applicant_text) == ("REFUSED", True, None)
    lifecycle.retry_waiting(NOON)
    assert the_case().state == "REJECTED" and Document.objects.count() == 1
    assert CustomerNotice.objects.order_by("-pk")[0].template == "document-refused-for-good"
    again = apply(solar_world, now=NOON + timedelta(minutes=5))
    assert code(again) == "DER_NOT_CERTIFIED" and again.documents == ()
    assert "for good" in text_of(meera.get(at(row))) and "Forged stamp." in text_of(meera.get(at(row)))


def test_a_case_is_before_one_person_until_it_is_left_taken_by_a_supervisor_or_a_quarter_of_an_hour_is_over(
    solar_world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = handed_in(solar_world)
    asha, ravi, boss = desk(Role.CASE_WORKER), desk(Role.CASE_WORKER), desk(Role.APPROVER)
    assert act(asha, row, "take").status_code == 303
    assert act(asha, row, "leave").status_code == 303 and not ReviewLease.objects.exists()
    assert asha.post(f"{QUEUE}next/").headers["Location"] == at(row)

    release = f"{QUEUE}document/{row.document_id}/release/"
    assert ravi.post(release).status_code == 403
    assert boss.post(release).status_code == 303 and not ReviewLease.objects.exists()
    lost = act(asha, row, "decide", **AGAIN)
    assert lost.status_code == 409 and "what you have entered is still here" in text_of(lost)
    assert "with the stamp" in lost.content.decode() and "Take the case again" in text_of(lost)
    kept = act(asha, row, "retake", **AGAIN)
    assert kept.status_code == 200 and "with the stamp" in kept.content.decode()

    monkeypatch.setattr(clock, "now", lambda: NOON + leases.LASTS)
    assert act(asha, row, "decide", **AGAIN).status_code == 409
    assert act(ravi, row, "take").status_code == 303 and ReviewLease.objects.get().held_by == ravi.member
    lines = Event.objects.filter(action__startswith="review.", object_id=row.document_id).order_by("pk")
    assert [(line.action, (line.details or {}).get("by", "")) for line in lines] == [
        ("review.claimed", ""),
        ("review.released", "HOLDER"),
        ("review.claimed", ""),
        ("review.released", "SUPERVISOR"),
        ("review.claimed", ""),
        ("review.claimed", ""),
    ]


def test_why_replays_the_check_on_its_own_facts_and_shows_what_would_come_out_now(solar_world: World) -> None:  # noqa: F811
    row = handed_in(solar_world)
    meera = desk(Role.CASE_WORKER)
    page = text_of(meera.get(at(row, "why/")))
    assert "Waits for two persons to look at a file" in page and "Certificate of the device" in page
    assert "met" in page and "not asked yet" in page
    written = page.partition("What was written down at each check")[2]
    assert "Certificate of the device · met · for 1" in written, "the replay says what was written down"

    solar_world.utility.forget()  # the utility knows the meter no more
    assert "Waits for two persons" in text_of(meera.get(at(row, "why/"))), "then stays then"
    now = meera.post(at(row, "why/"))
    assert now.status_code == 200 and "Meter umid-001 was not found" in text_of(now) and "Refused" in text_of(now)
    assert Event.objects.filter(action="meter.resolved", details__why="REPLAY").count() == 1
    assert the_case().state == "IN_REVIEW"


def test_a_local_account_looks_and_neither_takes_nor_decides_and_a_viewer_sees_nothing_here(
    solar_world: World,  # noqa: F811
) -> None:
    row = handed_in(solar_world, b"%PDF-1.7\n" + b"a certificate" * 40, "application/pdf")
    glass, viewer, meera = break_glass(), desk(Role.VIEWER), desk(Role.CASE_WORKER)
    assert "nobody's own" in text_of(glass.get(at(row)))
    assert act(glass, row, "take").status_code == 403 and glass.post(at(row, "file/")).status_code == 403
    for address in (QUEUE, f"{QUEUE}decided/", at(row), at(row, "why/"), at(row, "file/")):
        assert viewer.get(address).status_code == 403, address
        assert viewer.post(address).status_code in (403, 405), address

    assert meera.post(at(row, "file/")).status_code == 409, "a PDF, too, is given to who has the case"
    act(meera, row, "take")
    assert "Download the PDF" in text_of(meera.get(at(row)))
    got = meera.post(at(row, "file/"), {"unscanned": "yes"})
    assert got.content.startswith(b"%PDF") and got["Content-Disposition"].startswith("attachment")
    assert meera.get(at(row, "file/")).status_code == 404, "no page shows a PDF"
    assert act(meera, row, "decide", **APPROVED).status_code == 303, "they have had it"


def test_the_queue_asks_as_much_for_three_cases_as_for_sixty_and_pages_by_urgency(
    solar_world: World,  # noqa: F811
    django_assert_max_num_queries: Any,
) -> None:
    row = handed_in(solar_world)
    meera = desk(Role.CASE_WORKER)

    def more(count: int) -> None:
        for number in range(count):
            copy = Document.objects.get(pk=row.pk)
            copy.pk, copy.document_id, copy.token_digest = None, f"document-{number}", f"{number}".zfill(64)
            copy.der_id, copy.uploaded_at = f"der-{number}", NOON - timedelta(minutes=number + 1)
            copy.save(force_insert=True)

    more(59)
    with django_assert_max_num_queries(12):
        first = meera.get(QUEUE)
    assert text_of(first).index("der-58") < text_of(first).index("der-57")
    pages = [first]
    while address := re.search(r'rel="next" href="([^"]+)"', pages[-1].content.decode()):
        pages.append(meera.get(QUEUE + unescape(address[1])))
    seen = [each for page in pages for each in re.findall(r"device (der-[\w-]+)</a>", page.content.decode())]
    assert len(seen) == len(set(seen)) == 60 and seen[-1] == "der-solar-001"
    assert meera.get(QUEUE, {"after": "nonsense"}).status_code == 200
    assert "Nothing waits that fits" in text_of(meera.get(QUEUE, {"kind": "ORDER"}))
    assert "Nothing waits that fits" in text_of(meera.get(QUEUE, {"who": "MINE"}))


def test_a_name_is_masked_until_somebody_says_why_they_need_it(solar_world: World) -> None:  # noqa: F811
    row = handed_in(solar_world)
    subject = row.case.subject
    assert subject is not None and subject.did == RAJESH
    subject.name = "Rajesh Kumar"
    subject.save()
    meera = took(row)
    assert "Rajesh" not in meera.get(at(row)).content.decode()
    page = meera.post(at(row), {"show-personal-data": "yes", "reason": "DECIDING"})
    assert "Rajesh Kumar" in text_of(page) and f'<img src="{at(row, "file/")}"' in page.content.decode()
    assert Event.objects.filter(action="pii.read", object_id=row.document_id).count() == 2
    assert reverse("admin:document-to-decide", args=[row.document_id]) == at(row)


def test_what_one_may_not_write_to_an_applicant_is_refused_by_the_service_too(solar_world: World) -> None:  # noqa: F811
    row = handed_in(solar_world)
    who = reviews.Reviewer("staff:meera")
    with pytest.raises(ValueError, match="no addresses"):
        reviews.refuse(row.document_id, who, "OTHER", text="see www.example", actor=notices_actor(), now=NOON)
    assert ten_kw_solar().der_id == row.der_id and Document.objects.get().state == "UPLOADED"


def notices_actor() -> Any:
    from audit.log import SYSTEM

    return SYSTEM
