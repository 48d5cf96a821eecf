"""People have a copy of everything, or have it erased: asked in the portal or taken by staff, answered here."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from audit import clock
from audit.models import Event
from credentials.models import IssuedCredential
from enrollment.models import Consent, Document, Enrollment, ReviewNote
from enrollment.states import Decidable
from identity import people_requests
from identity.models import Mandate, PersonRequest, Subject, SubjectUtilityLink, User
from identity.staff import Role
from portals.models import Application, ConsentReceipt, HeldCredential, MandatePaper
from tests.enrollment.world import World
from tests.factories import UTILITY_A
from tests.portals.kept import SECRET, everything, journey, person
from tests.staff import Desk, break_glass, desk
from utility_systems.models import Meter, MeterSubjectLink, Site

BACKEND = "identity.oidc.backend.Backend"


@pytest.fixture
def kept(world: World, settings: Any, tmp_path: Any) -> SimpleNamespace:
    """Rajesh, who was enrolled, and whose data of every kind is kept."""
    settings.DOCUMENTS_DIR = tmp_path
    return everything(world)


@pytest.fixture
def known(db: None) -> SimpleNamespace:
    """Bina, who has signed in once and never enrolled."""
    subject, user = person(clock.now(), "did:example:neighbour-bina")
    return SimpleNamespace(subject=subject, user=user)


@pytest.fixture
def worker(db: None) -> Iterator[Desk]:
    yield desk(Role.CASE_WORKER, name="Chitra")


def at_home(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def ask(home: Client, what: str) -> PersonRequest:
    answer = home.post(f"/my-data/ask/{what}")
    assert answer.status_code == 303
    return PersonRequest.objects.get(public_id=answer.url.rpartition("/")[2])


def page(row: PersonRequest, what: str = "") -> str:
    name = f"admin:person-request-{what}" if what else "admin:person-request"
    return reverse(name, args=[row.public_id])


def when_somebody_waits(free: threading.Event) -> None:
    """Set `free` once a connection to this database waits for another's lock."""
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        while not free.wait(0.05):
            with connection.cursor() as cursor:
                cursor.execute(waits)
                if cursor.fetchone():
                    free.set()
    finally:
        connection.close()


def test_a_person_asks_for_a_copy_staff_makes_it_unseen_and_it_has_everything(kept, worker):
    home = at_home(kept.user)
    row = ask(home, "copy")
    assert row.due_at - row.asked_at == timedelta(days=30)
    shown = worker.get(page(row)).content.decode()
    assert "Your enrolments" in shown and "Credentials we have issued to you" in shown
    assert worker.post(page(row, "copy"), {"note": "Here it is."}).status_code == 302
    assert SECRET not in shown + worker.get(page(row)).content.decode()

    answered = home.get(f"/my-data/requests/{row.public_id}").content.decode()
    assert "Here it is." in answered and "Download my copy" in answered
    file = zipfile.ZipFile(io.BytesIO(home.post(f"/my-data/requests/{row.public_id}", {"copy": "1"}).content))
    told = json.loads(file.read("my-data.json"))
    rows = {each["title"]: each["rows"] for each in told["sections"]}
    assert rows["Who you are"][0]["name"] == SECRET
    assert rows["How utilities know you"][0]["customer number"] == "CUST-123456"
    assert rows["Your enrolments"][0]["reference"] == kept.enrollment.order_number
    assert rows["Your consents"] and rows["Your applications"] and rows["Credentials we have issued to you"]
    assert {each["state"] for each in rows["Your applications on our pages"]} == {"ENDED", "DRAFT"}
    assert rows["Messages about your applications that reached us"] and rows["What was done with your data"]
    read = file.read("my-data.html").decode()
    assert 'lang="hi"' in read and SECRET in read and "CUST-123456" in read
    _the_journal_names_the_acts_and_nobody(kept.subject, ["person.asked", "person.answered", "export"])


def test_nothing_is_erased_while_an_enrolment_lives_and_both_sides_read_what_has_to_end_first(world, worker):
    world.enrolled()
    enrolled = Enrollment.objects.get()
    subject, user = person(clock.now(), str(enrolled.subject.did))
    home = at_home(user)
    assert enrolled.order_number in home.get("/my-data/ask/erasure").content.decode()
    row = ask(home, "erasure")
    shown = worker.get(page(row)).content.decode()
    assert "Nothing is erased while something of theirs lives" in shown and enrolled.order_number in shown
    assert page(row, "erase") not in shown
    tried = worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]})
    assert tried.status_code == 409 and "Nothing can be erased before it has ended" in tried.content.decode()
    taken = {"who": enrolled.order_number, "kind": "ERASURE", "proof": "LETTER"}
    assert worker.post(reverse("admin:person-request-new"), taken).url == page(row), "theirs is open already"
    subject.refresh_from_db()
    assert subject.name == SECRET and PersonRequest.objects.get(pk=row.pk).state == "OPEN"

    world.end()
    assert worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]}).status_code == 302
    subject.refresh_from_db()
    assert subject.name == ""


def test_erasure_takes_what_may_go_keeps_the_evidence_and_the_person_reads_both(
    kept, worker, django_capture_on_commit_callbacks
):
    somebody_else, other_user = person(clock.now(), "did:example:neighbour-bina")
    others = journey(somebody_else, other_user, clock.now())
    home = at_home(kept.user)
    row = ask(home, "erasure")
    told = worker.get(page(row, "erase")).content.decode()
    assert "cannot be undone" in told and "What stays, and why" in told
    wrong = worker.post(page(row, "erase"), {"reference": "00000000"})
    assert wrong.status_code == 422 and Application.objects.filter(subject=kept.subject).exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]}).status_code == 302

    kept.subject.refresh_from_db()
    assert (kept.subject.name, kept.subject.email, kept.subject.phone, kept.subject.email_index) == ("", "", "", None)
    assert SubjectUtilityLink.objects.get(subject=kept.subject).utility_customer_id == ""
    assert list(Application.objects.filter(subject=somebody_else)) == [others]
    assert not Application.objects.filter(subject=kept.subject).exists()
    assert not HeldCredential.objects.exists() and not ConsentReceipt.objects.exists()
    assert Document.objects.get().storage_key == ""
    credential = kept.enrollment.credential
    credential.refresh_from_db()
    assert (credential.personal_claims, credential.document) == (None, None)
    # The evidence, and what a verifier is told of it.
    assert Enrollment.objects.count() == 1 and Consent.objects.exists()
    verified = Client().get(f"/verify/{credential.pk}", headers={"Accept": "application/json"})
    assert (verified.status_code, verified.json()["code"]) == (200, "REVOKED")
    somebody_else.refresh_from_db()
    assert somebody_else.name == SECRET

    row.refresh_from_db()
    assert dict(row.answer["went"])["JOURNEY"] == 2 and dict(row.answer["stays"])["ENROLLMENT"] == 1
    home = at_home(kept.user)  # the sign-in that was open has ended with the rest
    read = home.get(f"/my-data/requests/{row.public_id}").content.decode()
    assert "What was erased" in read and "both sides may have to prove them" in read
    _the_journal_names_the_acts_and_nobody(kept.subject, ["person.asked", "person.erased"])


def test_erasure_takes_the_address_of_their_meter_but_not_where_somebody_else_is_enrolled(kept, world, worker):
    site = Site.objects.get(utility_id=UTILITY_A, site_ref="site-001")
    Meter.objects.filter(enrollments__enrollment=kept.enrollment).update(site=site)
    row = ask(at_home(kept.user), "erasure")
    worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]})
    site.refresh_from_db()
    row.refresh_from_db()
    assert site.address == "" and dict(row.answer["went"])["ADDRESS"] == 1

    Site.objects.filter(pk=site.pk).update(address=SECRET)
    neighbour = Subject.objects.create()
    MeterSubjectLink.objects.create(
        meter=Meter.objects.get(enrollments__enrollment=kept.enrollment),
        subject=neighbour,
        role="TENANT",
        valid=(clock.now(), None),
        source="UTILITY_API",
    )
    again = ask(at_home(kept.user), "erasure")
    worker.post(page(again, "erase"), {"reference": str(again.public_id)[:8]})
    site.refresh_from_db()
    assert site.address == SECRET


def test_erasure_takes_what_staff_noted_about_their_mandates_on_paper(kept, worker):
    paper = MandatePaper.objects.get()
    Mandate.objects.filter(pk=paper.mandate_id).update(subject=kept.subject)
    about = {"kind": Decidable.PAPER, "by": worker.member, "at": clock.now(), "text": SECRET}
    ReviewNote.objects.create(reference=str(paper.pk), **about)
    ReviewNote.objects.create(reference=str(uuid4()), **about)
    row = ask(at_home(kept.user), "erasure")
    worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]})
    assert ReviewNote.objects.filter(kind=Decidable.PAPER).count() == 1, "somebody else's stays"
    assert not ReviewNote.objects.filter(reference=str(paper.pk)).exists()


@pytest.mark.django_db(transaction=True)
def test_erasure_waits_for_a_row_that_somebody_holds_and_takes_that_too(kept, worker):
    row, credential = ask(at_home(kept.user), "erasure"), kept.enrollment.credential
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                IssuedCredential.objects.select_for_update().get(pk=credential.pk)
                held.set()
                free.wait(30)
        finally:
            connection.close()

    holder, later = threading.Thread(target=hold), threading.Thread(target=when_somebody_waits, args=[free])
    holder.start()
    assert held.wait(10)
    later.start()
    assert worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]}).status_code == 302
    free.set()
    holder.join()
    later.join()
    credential.refresh_from_db()
    assert (credential.personal_claims, credential.document) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_erased_of_whoever_applies_at_this_moment(kept, world, worker):
    row = ask(at_home(kept.user), "erasure")
    writing, free = threading.Event(), threading.Event()

    def written(_result: Any) -> None:
        writing.set()
        free.wait(30)

    def apply() -> None:
        try:
            world.prepare(world.application(2, person={}), also_write=written)
        finally:
            connection.close()

    applying, later = threading.Thread(target=apply), threading.Thread(target=when_somebody_waits, args=[free])
    applying.start()
    assert writing.wait(10)
    later.start()
    answer = worker.post(page(row, "erase"), {"reference": str(row.public_id)[:8]})
    free.set()
    applying.join()
    later.join()
    assert answer.status_code == 409 and PersonRequest.objects.get(pk=row.pk).state == "OPEN"
    kept.subject.refresh_from_db()
    assert kept.subject.name == SECRET


def test_an_emergency_account_fetches_nobodys_copy(known, worker):
    said = {"who": "rajesh@home.example", "kind": "EXPORT", "proof": "CALL_BACK"}
    worker.post(reverse("admin:person-request-new"), said)
    row = PersonRequest.objects.get()
    worker.post(page(row, "copy"), {"note": ""})
    assert break_glass().post(page(row, "file")).status_code == 403
    assert not Event.objects.filter(action="export").exists()


def test_staff_takes_a_request_of_whoever_shows_who_they_are_and_one_of_a_kind_is_open(known, worker):
    new = reverse("admin:person-request-new")
    said = {"who": "rajesh@home.example", "kind": "EXPORT", "proof": "CALL_BACK"}
    assert worker.post(new, said | {"proof": ""}).status_code == 422
    assert worker.post(new, said | {"proof": "SIGN_IN"}).status_code == 422, "only the person's own sign-in is one"
    nobody = worker.post(new, said | {"who": "nobody@home.example"})
    assert nobody.status_code == 422 and "Nobody is known by this" in nobody.content.decode()
    first = worker.post(new, said)
    row = PersonRequest.objects.get(state="OPEN")
    assert first.url == page(row) and row.taken_by == str(worker.member.pk)
    for who in ("+91 98000 00001", "CUST-123456", "did:example:neighbour-bina"):
        assert worker.post(new, said | {"who": who}).url == page(row)
    assert PersonRequest.objects.filter(state="OPEN").count() == 1
    assert "Chitra" in worker.get(page(row)).content.decode()

    worker.post(page(row, "copy"), {"note": ""})
    assert "Download to hand it over" in worker.get(page(row)).content.decode()
    assert worker.post(page(row, "file")).headers["Content-Type"] == "application/zip"
    assert worker.post(page(row, "copy"), {"note": ""}).status_code == 409, "answered is answered"


def test_a_copy_that_was_asked_for_in_the_portal_is_fetched_there_and_by_nobody_else(known, worker):
    home = at_home(known.user)
    row = ask(home, "copy")
    worker.post(page(row, "copy"), {"note": ""})
    assert worker.post(page(row, "file")).status_code == 404
    stranger = at_home(User.objects.create(username=uuid4().hex, sub=uuid4().hex, subject=Subject.objects.create()))
    assert stranger.get(f"/my-data/requests/{row.public_id}").status_code == 404
    assert stranger.post(f"/my-data/requests/{row.public_id}", {"copy": "1"}).status_code == 404
    PersonRequest.objects.filter(pk=row.pk).update(file_until=clock.now() - timedelta(days=1))
    assert home.post(f"/my-data/requests/{row.public_id}", {"copy": "1"}).status_code == 409
    with pytest.raises(people_requests.Closed):
        people_requests.withdraw(row.public_id, by="PERSON", actor=people_requests.log.SYSTEM, now=clock.now())


def test_a_request_is_refused_with_its_reason_or_taken_back_by_whoever_asked(known, worker):
    home = at_home(known.user)
    row = ask(home, "erasure")
    assert worker.post(page(row, "refuse"), {"refusal": "", "note": ""}).status_code == 422
    assert worker.post(page(row, "refuse"), {"refusal": "NOT_PROVEN", "note": "Call us."}).status_code == 302
    read = home.get(f"/my-data/requests/{row.public_id}").content.decode()
    assert "could not make sure that it was you" in read and "Call us." in read and "data protection" in read
    again = ask(home, "erasure")
    assert again.pk != row.pk
    home.post(f"/my-data/requests/{again.public_id}", {"withdraw": "1"})
    assert PersonRequest.objects.get(pk=again.pk).state == "WITHDRAWN"
    known.subject.refresh_from_db()
    assert known.subject.name == SECRET


def test_only_who_answers_people_does_and_an_emergency_account_cannot(known):
    row = ask(at_home(known.user), "copy")
    for role in set(Role) - {Role.CASE_WORKER}:
        browser = desk(role)
        assert browser.get(reverse("admin:person-requests")).status_code == 403
        assert browser.post(page(row, "copy"), {"note": ""}).status_code == 403
    glass = break_glass()
    assert glass.post(page(row, "copy"), {"note": ""}).status_code == 422
    assert PersonRequest.objects.get(pk=row.pk).state == "OPEN"


def test_the_list_costs_the_same_for_three_requests_and_for_many(worker, django_assert_max_num_queries):
    def one(state: str) -> None:
        said: dict[str, Any] = {"state": state, "closed_at": clock.now(), "closed_by": "x"} if state != "OPEN" else {}
        now = clock.now()
        PersonRequest.objects.create(
            subject=Subject.objects.create(),
            kind="EXPORT",
            proof="SIGN_IN",
            asked_at=now,
            due_at=now + timedelta(1),
            **said,
        )

    one("OPEN")
    one("ANSWERED")
    for _ in range(2):
        with django_assert_max_num_queries(12) as asked:
            shown = worker.get(reverse("admin:person-requests")).content.decode()
        assert "soon" in shown
        costs = len(asked)
        for _ in range(55):
            one("ANSWERED")
        one("OPEN")
    assert costs <= 12 and "Older" in worker.get(reverse("admin:person-requests")).content.decode()


def _the_journal_names_the_acts_and_nobody(subject: Subject, acts: list[str]) -> None:
    lines = Event.objects.filter(subject=str(subject.pk), action__in=[*acts, "export"]).order_by("pk")
    assert [each.action for each in lines] == acts
    for each in lines:
        assert SECRET not in json.dumps(each.details) and "CUST-1" not in json.dumps(each.details)
