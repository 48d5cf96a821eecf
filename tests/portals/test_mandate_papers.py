"""A mandate on paper: uploaded by one, looked at by another, and whose it is says the utility (EA-5)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connections, transaction
from django.test import Client
from PIL import Image

from audit import clock
from audit.models import Event
from beckn import participants
from beckn.models import Outbox, Participant
from files import scanning
from identity import mandates as words_of
from identity.models import Mandate, Membership, Subject, SubjectUtilityLink, User
from portals import mandates
from portals.agency import cases, papers
from portals.agency.papers import AGAIN, APPROVE, REFUSE, Reviewer
from portals.models import AssistedCase, CatalogProgram, MandatePaper
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.enrollment.utility import Utility, as_configured
from tests.factories import RAJESH, UTILITY_A, holder, meter

pytestmark = pytest.mark.django_db
ACCOUNT = "CUST-123456"
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer <<>>\n%%EOF\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Utility]:
    made = Utility()
    yield made
    made.server.shutdown()


@pytest.fixture(autouse=True)
def utility(server: Utility, settings: Any, db: None, tmp_path: Path) -> Iterator[Utility]:
    """Rajesh holds account CUST-123456, and the agency's portal may send."""
    server.forget()
    settings.UTILITIES = as_configured(server, uuid4().hex)
    settings.DOCUMENTS_DIR = tmp_path
    server.knows(meter(holders=(holder(RAJESH, customer=ACCOUNT),)))
    participants.forget()
    participants.sync(now=clock.now())
    yield server
    participants.forget()


@pytest.fixture
def agent() -> Membership:
    return a_member("op-1", agency=an_agency("ea-001", name="Sahaya Enrolments"))


@pytest.fixture
def reviewer(agent: Membership) -> Membership:
    return a_member("op-2", role="REVIEWER", agency=agent.agency)


def a_case(agent: Membership, *, presentation: Any = None, account: str = ACCOUNT) -> AssistedCase:
    now = clock.now()
    bpp, _ = Participant.objects.get_or_create(
        subscriber_id="provider.example",
        defaults={"url": "https://provider.example/beckn", "type": "BPP", "created_at": now, "updated_at": now},
    )
    item = {"beckn:id": f"program-{uuid4().hex[:6]}", "beckn:itemAttributes": {"presentation": presentation or {}}}
    program = CatalogProgram.objects.create(
        bpp=bpp, provider_id="p-1", program_id=item["beckn:id"], slug=uuid4().hex[:8], item=item, fetched_at=now
    )
    case = cases.open_case(agent, program, UTILITY_A, source="DESK", now=now, looked_up={"account": account})
    return cases.read(case, "en", by=agent, now=now)


def uploaded(agent: Membership, content: bytes = PDF, **how: Any) -> MandatePaper:
    paper = papers.upload(a_case(agent, **how), agent, content, now=clock.now())
    assert isinstance(paper, MandatePaper), paper
    return paper


def seen(paper: MandatePaper, who: Membership) -> Reviewer:
    """The reviewer who has had the file."""
    reviewer = Reviewer(who)
    papers.show(paper, reviewer, now=clock.now(), unscanned=True)
    return reviewer


def decide(paper: MandatePaper, who: Membership, verdict: str, reason: str = "") -> MandatePaper:
    return papers.decide(paper, seen(paper, who), verdict, reason=reason, now=clock.now())


def state(paper: MandatePaper) -> tuple[str, str, str]:
    paper.refresh_from_db()
    case = AssistedCase.objects.get(pk=paper.case_id)
    return paper.state, Mandate.objects.get(pk=paper.mandate_id).state, case.state


def a_photograph() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "12 Park Street"
    target = BytesIO()
    Image.new("RGB", (80, 60)).save(target, "JPEG", exif=exif)
    return target.getvalue()


# --- uploading -------------------------------------------------------------------------------------------------------


def test_a_scan_is_kept_sealed_and_redrawn_and_nothing_can_be_done_by_it_before_its_review(
    agent: Membership, tmp_path: Path
) -> None:
    client = signed_in_agent(agent)
    case = a_case(agent)
    file = SimpleUploadedFile("m.jpg", a_photograph(), content_type="image/jpeg")

    answer = client.post(f"/agency/cases/{case.pk}/paper", {"file": file})

    assert answer.status_code == 303
    paper = MandatePaper.objects.get()
    assert state(paper) == ("WAITING", "PENDING", "REVIEW")
    (lies,) = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert lies.parent.parent.name == "mandates" and b"Park Street" not in lies.read_bytes()
    assert b"Park Street" not in papers.SHELF.read(paper.storage_key)
    mandate = paper.mandate
    assert (mandate.subject.did, mandate.operator_id, mandate.evidence_digest) == (RAJESH, "op-1", paper.sha256)
    assert mandate.text_digest == papers.words(case, agent).digest and mandate.valid_until == papers.until(case)
    case.refresh_from_db()
    assert case.application_id is None and case.subject_id is None and not Outbox.objects.exists()
    refused = words_of.prove(
        mandate.mandate_id,
        agency_id="ea-001",
        operator_id="op-1",
        action="init",
        program_id="",
        utility_ids=[],
        at=clock.now(),
    )
    assert refused == "PENDING"
    page = client.get(f"/agency/cases/{case.pk}/paper")
    assert "Waits for its review" in page.content.decode() and "Choose the file" not in page.content.decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"MZ\x90", "This is not one of"),
        (b"%PDF-1.4\n<< /OpenAction << /S /JavaScript /JS (x) >> >>", "does more than show pages"),
        (b"", "The file is empty"),
    ],
)
def test_a_file_that_is_none_is_said_and_not_kept(agent: Membership, content: bytes, says: str, tmp_path: Path) -> None:
    case = a_case(agent)
    answer = signed_in_agent(agent).post(
        f"/agency/cases/{case.pk}/paper", {"file": SimpleUploadedFile("m.pdf", content)}
    )
    text = answer.content.decode()
    assert answer.status_code == 422 and says in text and "<title>Error:" in text
    assert not MandatePaper.objects.exists() and not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_malware_is_not_kept(agent: Membership, settings: Any) -> None:
    settings.DOCUMENT_SCANNER = "false"  # every file is infected
    taken = papers.upload(a_case(agent), agent, PDF, now=clock.now())
    assert not isinstance(taken, MandatePaper) and taken.code == "INFECTED"
    assert scanning.is_configured() and not MandatePaper.objects.exists() and not Mandate.objects.exists()


def test_without_one_holder_by_the_utilitys_data_there_is_no_mandate_on_paper(
    agent: Membership, utility: Utility
) -> None:
    """Whoever has signed: nobody's account, two people's account, a mobile number, and a silent utility."""
    case = a_case(agent, account="CUST-NOBODY")
    assert papers.upload(case, agent, PDF, now=clock.now()).code == "NO_HOLDER"  # type: ignore[union-attr]
    utility.knows(meter("umid-002", holders=(holder("did:example:other", customer=ACCOUNT),)))
    assert papers.upload(a_case(agent), agent, PDF, now=clock.now()).code == "NO_HOLDER"  # type: ignore[union-attr]
    by_mobile = a_case(agent)
    AssistedCase.objects.filter(pk=by_mobile.pk).update(looked_up={"mobile": "+918000000001"})
    by_mobile.refresh_from_db()
    assert papers.upload(by_mobile, agent, PDF, now=clock.now()).code == "NO_ACCOUNT"  # type: ignore[union-attr]
    utility.is_down = True
    assert papers.upload(a_case(agent), agent, PDF, now=clock.now()).code == "SILENT"  # type: ignore[union-attr]
    assert not Mandate.objects.exists() and not Subject.objects.exists()


def test_the_same_paper_twice_is_one_and_another_waits_for_the_first(agent: Membership) -> None:
    paper = uploaded(agent)
    case = AssistedCase.objects.get()
    again = papers.upload(case, agent, PDF, now=clock.now())
    other = papers.upload(case, agent, PDF + b"%", now=clock.now())
    assert again == paper and other.code == "UNDER_REVIEW"  # type: ignore[union-attr]
    assert MandatePaper.objects.count() == 1 == Mandate.objects.count()


def test_what_is_printed_to_be_signed_is_the_very_text_that_the_mandate_keeps_and_names_nobody(
    agent: Membership,
) -> None:
    case = a_case(agent)
    page = signed_in_agent(agent).get(f"/agency/cases/{case.pk}/paper/print").content.decode()
    assert papers.words(case, agent).digest in page and "Sahaya Enrolments" in page
    cases.read(case, "ur", by=agent, now=clock.now())
    urdu = signed_in_agent(agent).get(f"/agency/cases/{case.pk}/paper/print").content.decode()
    assert '<article lang="ur" dir="rtl">' in urdu and papers.words(case, agent).digest not in urdu
    assert ACCOUNT not in page and "Rajesh" not in page and RAJESH not in page


# --- four eyes -------------------------------------------------------------------------------------------------------


def test_ea_5_whoever_uploaded_a_paper_cannot_review_it_in_any_role_by_page_service_or_database(
    agent: Membership, reviewer: Membership
) -> None:
    paper = uploaded(agent)
    Membership.objects.filter(pk=agent.pk).update(role="MANAGER")
    agent.refresh_from_db()
    client = signed_in_agent(agent)

    assert "your own: a colleague looks at it" in client.get("/agency/review").content.decode()
    client.post(f"/agency/review/{paper.pk}/file", {"unscanned": "yes"})
    answer = client.post(f"/agency/review/{paper.pk}", {"verdict": APPROVE})

    assert answer.status_code == 403 and "Who uploaded a paper cannot review it" in answer.content.decode()
    for verdict in (APPROVE, AGAIN, REFUSE):
        with pytest.raises(papers.NotYours, match="OWN"):
            decide(paper, agent, verdict, "OTHER")
    with pytest.raises(IntegrityError, match="nobody_reviews_the_paper_they_uploaded"), transaction.atomic():
        MandatePaper.objects.filter(pk=paper.pk).update(state="APPROVED", reviewed_by=agent, reviewed_at=clock.now())
    with pytest.raises(IntegrityError, match="a_decided_paper_has_moment_and_reviewer"), transaction.atomic():
        MandatePaper.objects.filter(pk=paper.pk).update(state="APPROVED", reviewed_at=clock.now())
    assert state(paper) == ("WAITING", "PENDING", "REVIEW") and not Outbox.objects.exists()


def test_ea_5_where_the_program_says_so_its_owners_staff_reviews_and_nobody_of_the_agency(
    agent: Membership, reviewer: Membership
) -> None:
    paper = uploaded(agent, presentation={"assistance": {"paperReview": "PROVIDER"}})
    assert paper.by_owner and papers.queue(reviewer).count() == 0
    with pytest.raises(papers.NotYours, match="OWNER"):
        decide(paper, reviewer, APPROVE)
    with pytest.raises(IntegrityError, match="the_owners_papers"), transaction.atomic():
        MandatePaper.objects.filter(pk=paper.pk).update(state="APPROVED", reviewed_by=reviewer, reviewed_at=clock.now())
    uploader_at_the_owners = Reviewer(staff="asha", user_pk=agent.user_id)
    with pytest.raises(papers.NotYours, match="OWN"):
        papers.decide(paper, uploader_at_the_owners, APPROVE, now=clock.now())

    staff = Reviewer(staff="meera", user_pk=User.objects.create(username="meera", sub="meera").pk)
    papers.show(paper, staff, now=clock.now(), unscanned=True)
    papers.decide(paper, staff, APPROVE, now=clock.now())

    assert state(paper) == ("APPROVED", "ACTIVE", "OPEN")
    assert Event.objects.get(action="mandate.approved").actor_kind == "STAFF"


def test_the_owners_staff_decides_nothing_that_is_the_agencys_to_review(agent: Membership) -> None:
    paper = uploaded(agent)
    with pytest.raises(papers.NotYours, match="OWNER"):
        papers.decide(paper, Reviewer(staff="meera", user_pk=1), APPROVE, now=clock.now())


def test_a_colleague_approves_and_the_journey_of_the_accounts_holder_begins(
    agent: Membership, reviewer: Membership
) -> None:
    paper = uploaded(agent)
    client = signed_in_agent(reviewer)
    queue = client.get("/agency/review").content.decode()
    assert paper.case.reference in queue and "Operator op-1" in queue
    page = f"/agency/review/{paper.pk}"
    unseen = client.post(page, {"verdict": APPROVE})
    assert unseen.status_code == 403 and "Download the file" in unseen.content.decode()

    file = client.post(f"{page}/file", {"unscanned": "yes"})
    assert file.content == PDF and file["Content-Disposition"].startswith("attachment")
    assert "sandbox" in file["Content-Security-Policy"] and "no-store" in file["Cache-Control"]
    done = client.post(page, {"verdict": APPROVE})

    assert done.status_code == 303 == client.post(page, {"verdict": APPROVE}).status_code, "pressed twice is once"
    assert state(paper) == ("APPROVED", "ACTIVE", "OPEN") and paper.reviewed_by == reviewer
    case = AssistedCase.objects.get()
    assert case.subject is not None and case.subject.did == RAJESH and case.application is not None
    assert case.application.subject == case.subject and case.application.operator_id == "op-1"
    assert SubjectUtilityLink.objects.get(subject=case.subject).utility_customer_id == ACCOUNT
    assert Outbox.objects.get().action == "select"
    read = Event.objects.get(action="pii.read", object_type="agency-case")
    assert read.details["operator"] == "op-2" and ACCOUNT not in str(Event.objects.values_list("details"))


def test_another_is_asked_for_with_a_reason_that_the_uploader_reads_and_the_next_one_does(
    agent: Membership, reviewer: Membership
) -> None:
    paper = uploaded(agent)
    client, page = signed_in_agent(reviewer), f"/agency/review/{paper.pk}"
    empty = client.post(page, {"verdict": AGAIN})
    assert empty.status_code == 422 and "Select a reason" in empty.content.decode()
    client.post(page, {"verdict": AGAIN, "reason": "NOT_SIGNED", "note": "Page 2 is missing."})

    assert state(paper) == ("AGAIN", "REFUSED", "PROVING")
    told = signed_in_agent(agent).get(f"/agency/cases/{paper.case_id}/paper").content.decode()
    assert "It is not signed" in told and "Page 2 is missing." in told and "Choose the file" in told
    case = AssistedCase.objects.get()
    second = papers.upload(case, agent, PDF + b"%2", now=clock.now())
    assert isinstance(second, MandatePaper)
    decide(second, reviewer, APPROVE)
    assert state(second) == ("APPROVED", "ACTIVE", "OPEN")


def test_a_refused_paper_is_the_last_of_its_case(agent: Membership, reviewer: Membership) -> None:
    paper = uploaded(agent)
    decide(paper, reviewer, REFUSE, "NOT_GENUINE")
    assert state(paper) == ("REFUSED", "REFUSED", "PROVING")
    assert Event.objects.filter(action="mandate.refused").count() == 1
    taken = papers.upload(AssistedCase.objects.get(), agent, PDF + b"%2", now=clock.now())
    assert taken.code == "REFUSED"  # type: ignore[union-attr]
    text = signed_in_agent(agent).get(f"/agency/cases/{paper.case_id}/paper").content.decode()
    assert "can still sign in" in text and "Choose the file" not in text


def test_a_paper_is_decided_once_also_by_two_who_press_at_once(agent: Membership, reviewer: Membership) -> None:
    paper = uploaded(agent)
    decide(paper, reviewer, AGAIN, "UNREADABLE")
    other = a_member("op-3", role="MANAGER", agency=agent.agency)
    answer = signed_in_agent(other).post(f"/agency/review/{paper.pk}", {"verdict": REFUSE, "reason": "OTHER"})
    assert answer.status_code == 409 and "Somebody was faster" in answer.content.decode()
    assert state(paper)[0] == "AGAIN" and Event.objects.filter(action="mandate.refused").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_the_same_moment_make_one_decision(agent: Membership, reviewer: Membership) -> None:
    paper = uploaded(agent)
    others = [reviewer, a_member("op-3", role="MANAGER", agency=agent.agency)]
    who = [seen(paper, each) for each in others]
    gate, outcomes = threading.Barrier(2), []

    def press(reviewer: Reviewer, verdict: str) -> None:
        gate.wait()
        try:
            papers.decide(paper, reviewer, verdict, reason="OTHER", now=clock.now())
            outcomes.append("done")
        except papers.Decided:
            outcomes.append("late")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press, args=pair) for pair in zip(who, (APPROVE, REFUSE), strict=True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(outcomes) == ["done", "late"]
    assert Event.objects.filter(action__in=["mandate.approved", "mandate.refused"]).count() == 1


def test_a_paper_whose_account_has_another_holder_meanwhile_is_not_approved(
    agent: Membership, reviewer: Membership, utility: Utility
) -> None:
    paper = uploaded(agent)
    utility.knows(meter(holders=(holder("did:example:next", customer=ACCOUNT),)))
    with pytest.raises(papers.NotPossible, match="HOLDER"):
        decide(paper, reviewer, APPROVE)
    utility.is_down = True
    with pytest.raises(papers.NotPossible, match="UNAVAILABLE"):
        decide(paper, reviewer, APPROVE)
    assert state(paper) == ("WAITING", "PENDING", "REVIEW")


def test_the_oldest_comes_first_and_a_long_queue_has_pages(
    agent: Membership, reviewer: Membership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portals.agency.views_review.PAGE_LENGTH", 2)
    waiting = [uploaded(agent, PDF + str(n).encode()) for n in range(3)]
    for days, paper in enumerate(waiting):
        MandatePaper.objects.filter(pk=paper.pk).update(uploaded_at=clock.now() - timedelta(days=days + 1))
    client = signed_in_agent(reviewer)
    first, second = (client.get(f"/agency/review?page={n}").content.decode() for n in (1, 2))
    old, middle, young = (paper.case.reference for paper in reversed(waiting))
    assert first.index(old) < first.index(middle) and young not in first and "waiting for 3" in first
    assert young in second and old not in second and "?page=1" in second


def test_another_agencys_people_and_plain_agents_find_no_paper(agent: Membership) -> None:
    paper = uploaded(agent)
    stranger = signed_in_agent(a_member("op-9", role="MANAGER", agency=an_agency("ea-002")))
    colleague = signed_in_agent(a_member("op-4", agency=agent.agency))
    for client in (stranger, colleague):
        for address in (f"/agency/review/{paper.pk}", f"/agency/review/{paper.pk}/file"):
            assert client.post(address, {"verdict": APPROVE, "unscanned": "yes"}).status_code == 404
        assert client.get(f"/agency/cases/{paper.case_id}/paper").status_code == 404
        upload = client.post(f"/agency/cases/{paper.case_id}/paper", {"file": SimpleUploadedFile("m.pdf", PDF)})
        assert upload.status_code == 404
    assert signed_in_agent(agent).get("/agency/review").status_code == 404, "an agent has no queue"
    assert state(paper) == ("WAITING", "PENDING", "REVIEW")
    assert not Event.objects.filter(action="pii.read").exists()


def test_looking_decides_nothing_and_the_file_is_no_page(agent: Membership, reviewer: Membership) -> None:
    paper = uploaded(agent)
    client = signed_in_agent(reviewer)
    assert client.get(f"/agency/review/{paper.pk}").status_code == 200
    assert client.get(f"/agency/review/{paper.pk}/file").status_code == 405
    assert client.get(f"/agency/review/{paper.pk}?verdict=APPROVE").status_code == 200
    assert state(paper) == ("WAITING", "PENDING", "REVIEW")
    empty = signed_in_agent(a_member("op-8", role="REVIEWER", agency=an_agency("ea-003"))).get("/agency/review")
    assert "Nothing waits for a review." in empty.content.decode()


# --- the customer ----------------------------------------------------------------------------------------------------


def test_whoever_never_signed_hears_of_an_approved_paper_and_takes_it_back_by_the_address_in_it(
    agent: Membership, reviewer: Membership, utility: Utility, client: Client, settings: Any
) -> None:
    paper = uploaded(agent)
    assert mandates.tell(clock.now()) == 0, "nothing counts yet"
    decide(paper, reviewer, APPROVE)
    known, settings.UTILITIES = settings.UTILITIES, []
    assert mandates.tell(clock.now()) == 0 and MandatePaper.objects.get().told_at is None, "nobody answers: again later"
    settings.UTILITIES = known
    assert mandates.tell(clock.now()) == 1
    assert mandates.tell(clock.now()) == 0, "once"
    letter = utility.notices[-1]
    assert letter["utilityCustomerId"] == ACCOUNT and "Sahaya Enrolments" in letter["text"]
    address = letter["parameters"]["mandateUrl"]
    path = "/mandates/" + address.rpartition("/")[2]

    looked = client.get(path)
    assert looked.status_code == 200 and looked["Referrer-Policy"] == "no-referrer" and ACCOUNT not in str(looked)
    assert state(paper)[1] == "ACTIVE", "looking ends nothing"
    done = client.post(path)

    assert "may not act for you any more" in done.content.decode()
    assert state(paper)[1:] == ("REVOKED", "PROVING")
    assert client.post(path).status_code == 200 and Event.objects.filter(action="mandate.revoked").count() == 2
    assert client.post(path[:-2] + "xx").status_code == 404


def test_a_mandate_that_the_customer_takes_back_during_its_review_is_decided_by_nobody(
    agent: Membership, reviewer: Membership
) -> None:
    paper = uploaded(agent)
    reviewing = seen(paper, reviewer)
    mandates.take_back(paper.mandate, now=clock.now())
    assert state(paper) == ("TAKEN_BACK", "REVOKED", "PROVING")
    with pytest.raises(papers.Decided):
        papers.decide(paper, reviewing, APPROVE, now=clock.now())


def test_scans_are_forgotten_in_time_and_what_waits_is_not(agent: Membership, reviewer: Membership) -> None:
    waits, done = uploaded(agent), uploaded(agent, PDF + b"%2")
    decide(done, reviewer, REFUSE, "OTHER")
    later = done.retention_until + timedelta(seconds=1)
    assert papers.forget_files(later) == 1
    waits.refresh_from_db()
    done.refresh_from_db()
    assert waits.storage_key and not done.storage_key
    assert papers.SHELF.read(waits.storage_key) == PDF


def test_the_case_shows_how_each_document_and_paper_stands_and_no_address_to_change_one(
    agent: Membership, reviewer: Membership
) -> None:
    paper = uploaded(agent)
    decide(paper, reviewer, APPROVE)
    application = AssistedCase.objects.get().application
    assert application is not None
    secret = "https://owner.example/documents/secret-token"
    asked = {"kind": "DER_CERTIFICATE", "derId": "der-1", "formats": ["image/png"], "maxBytes": 1, "uploadUrl": secret}
    documents = [
        {**asked, "documentId": "document-1", "status": "REFUSED", "reason": "UNREADABLE"},
        {**asked, "documentId": "document-2", "status": "UNDER_REVIEW"},
    ]
    order = {"beckn:orderAttributes": {"documents": documents}}
    application.told = {**application.told, "on_init": {"message": {"order": order}, "at": clock.now().isoformat()}}
    application.save(update_fields=["told"])

    page = signed_in_agent(agent).get(f"/agency/cases/{paper.case_id}").content.decode()

    assert "not accepted (it cannot be read)" in page and "being looked at by the program’s owner" in page
    assert "Approved" in page and "secret-token" not in page
