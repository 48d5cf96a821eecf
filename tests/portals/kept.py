"""A row of every kind of personal data, of one person who was enrolled and of those who helped them."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from django.contrib.sessions.models import Session

from beckn import participants
from beckn.models import Inbox, MessageNote, Outbox
from credentials.models import PresentedCredential, SignedForm
from enrollment.models import Document, Enrollment, EnrollmentCase, Recheck, ReviewNote, StaffAct
from files.store import Shelf
from identity.encryption import blind_index
from identity.models import (
    AgencyLetter,
    LinkReference,
    OidcSession,
    OneTimeCode,
    PersonRequest,
    ProofUse,
    RateBucket,
    StaffLetter,
    StaffMember,
    Subject,
    SubjectUtilityLink,
    User,
)
from portals.models import (
    Application,
    BulkImport,
    ConsentReceipt,
    HeldCredential,
    ImportPart,
    ImportRow,
    MandatePaper,
    MatrixAnswer,
)
from tests import staff
from tests.agencies import a_member
from tests.enrollment.world import World, the_enrollment
from tests.factories import UTILITY_A
from tests.portals.agency_cases import a_case, a_finished_case, a_program, a_proved_case
from utility_systems.models import Site

SECRET = "Rajesh Sharma, 42 Lake Road"


def person(now: datetime, did: str) -> tuple[Subject, User]:
    """Somebody with a name, whose utility knows them, and who has signed in."""
    subject = Subject.objects.for_did(did)
    subject.remember_contact(name=SECRET, email="rajesh@home.example", phone="+91 98000 00001", locale="hi")
    user = User.objects.create(
        username=uuid4().hex, issuer="https://id.north.example", sub=uuid4().hex, name=SECRET, email="r@home.example"
    )
    User.objects.filter(pk=user.pk).update(subject=subject, last_login=now)
    SubjectUtilityLink.objects.create(
        subject=subject,
        utility_id=UTILITY_A,
        iss=user.issuer,
        sub=user.sub,
        utility_customer_id="CUST-123456",
        customer_index=blind_index("CUST-123456", purpose="utility_customer_id"),
        linked_at=now,
    )
    OidcSession.objects.create(
        user=user,
        session_key=uuid4().hex,
        issuer=user.issuer,
        sub=user.sub,
        tokens={"access": "a"},
        claims={"sub": user.sub},
        began_at=now,
    )
    return subject, user


def journey(subject: Subject, user: User, now: datetime, enrollment: Enrollment | None = None) -> Application:
    """What the Utility Portal has of an enrolment that is over."""
    row = Application.objects.create(
        portal="portal.example",
        subject=subject,
        started_by=user,
        program=a_program(),
        utility_id=UTILITY_A,
        transaction_id=f"txn-{uuid4()}",
        order_id=f"order-{uuid4()}",
        state="ENDED" if enrollment else "DRAFT",
        answers={"account": SECRET},
        told={"on_confirm": {"message": {}}},
        order_number=enrollment.order_number if enrollment else "",
        enrollment_id=enrollment.enrollment_id if enrollment else "",
        started_at=now,
        updated_at=now,
        finished_at=now,
    )
    if enrollment:
        HeldCredential.objects.create(
            application=row,
            kind="ENROLLMENT",
            credential_id=f"urn:{uuid4()}",
            data="eyJ.secret",
            access_url="https://x.example/?t=secret",
            offer_url="openid-credential-offer://secret",
            issued_at=now,
            verified_at=now,
        )
        ConsentReceipt.objects.create(
            application=row,
            consent_type="DATA_COLLECTION",
            is_granted=True,
            text_version="1",
            text_digest="0" * 64,
            locale="en",
            record={"principal": SECRET},
            answered_at=now,
        )
    return row


def everything(world: World) -> SimpleNamespace:
    """Rows of every kind, as old as the world's now; the enrolment and whatever else can end has ended."""
    now = world.now
    world.enrolled()
    world.end()
    enrolled = the_enrollment()
    subject, user = person(now, str(enrolled.subject.did))
    row = journey(subject, user, now, enrolled)
    journey(subject, user, now)
    MatrixAnswer.objects.create(
        portal="portal.example",
        subject=subject,
        program=row.program,
        utility_id=UTILITY_A,
        order_id=f"order-{uuid4()}",
        transaction_id="t",
        cells={"told": {"said": SECRET}},
        answered_at=now,
    )
    key = _files(world, enrolled)
    _of_identity(user, now)
    _of_credentials(enrolled, now)
    _of_enrollments(enrolled, now)
    _messages(enrolled, now)
    _of_agencies(now)
    Session.objects.create(session_key=uuid4().hex, session_data="x", expire_date=now)
    StaffMember.objects.update(switched_off_at=now)
    return SimpleNamespace(subject=subject, user=user, enrollment=enrolled, application=row, file=key)


def _files(world: World, enrolled: Enrollment) -> str:
    key = Shelf("enrollment.document.bytes").keep(b"%PDF a certificate with a name")
    Document.objects.create(
        document_id=f"doc-{uuid4()}",
        case=enrolled.case,
        kind="DER_CERTIFICATE",
        max_bytes=10,
        state="REFUSED",
        asked_at=world.now,
        token_digest=uuid4().hex,
        token_expires_at=world.now,
        uploaded_at=world.now,
        uploaded_by=f"subject:{enrolled.subject_id}",
        sha256="0" * 64,
        storage_key=key,
        first_reviewer="staff:a",
        decided_at=world.now,
        refusal_reason="UNREADABLE",
        applicant_text=SECRET,
        retention_until=world.now + timedelta(days=400),
    )
    return key


def _of_identity(user: User, now: datetime) -> None:
    end = now + timedelta(minutes=10)
    LinkReference.objects.create(
        digest=uuid4().bytes * 2, user=user, identities=[{"a": 1}], created_at=now, expires_at=end
    )
    ProofUse.objects.create(
        digest=uuid4().bytes * 2, participant_id="p", order_id="o", first_used_at=now, expires_at=end
    )
    OneTimeCode.objects.create(
        participant_id="p",
        message_id="m",
        order_id="o",
        utility_id=UTILITY_A,
        number_index=b"1" * 32,
        session="session",
        asked_at=now,
        expires_at=end,
        verdict="RIGHT",
        right_code=b"2" * 32,
        proof={"account": "CUST-123456"},
        verified_at=now,
    )
    RateBucket.objects.create(key="sign-in:198.51.100.7", tokens=1, at=now)
    User.objects.create(username=uuid4().hex, sub=uuid4().hex, name=SECRET, email="somebody@home.example")
    asha = staff.member(email="asha@owner.example")
    letter = {"about": uuid4().hex, "to": "a@owner.example", "title": "t", "text": SECRET, "made_at": now}
    StaffLetter.objects.create(member=asha, due_at=now, **letter)
    said: dict[str, Any] = {"asked_at": now, "due_at": now + timedelta(days=30), "proof": "SIGN_IN"}
    PersonRequest.objects.create(
        subject=Subject.objects.get(users=user),
        kind="EXPORT",
        state="ANSWERED",
        closed_at=now,
        closed_by="somebody",
        answer={"sections": [[SECRET, 1]]},
        note=SECRET,
        file=b"PK",
        file_sha256="0" * 64,
        file_until=now + timedelta(days=30),
        **said,
    )


def _of_credentials(enrolled: Enrollment, now: datetime) -> None:
    PresentedCredential.objects.create(
        digest="0" * 64,
        type="MeterOwnershipCredential",
        verified=True,
        checked_at=now,
        body=SECRET,
        body_until=now + timedelta(days=30),
    )
    row = enrolled.credential
    type(row).objects.filter(pk=row.pk).update(
        personal_claims={"consumerNumber": "CUST-123456"}, document={"credentialSubject": {"name": SECRET}}
    )
    SignedForm.objects.filter(credential=row).update(body="", sealed_body=SECRET)


def _of_enrollments(enrolled: Enrollment, now: datetime) -> None:
    # As an error would leave it behind: an end wipes it.
    EnrollmentCase.objects.filter(pk=enrolled.case_id).update(payload={"init": SECRET}, deadline=now)
    Recheck.objects.create(
        enrollment=enrolled, agency_id="ea", queued_at=now, done_at=now, done_by="1", outcome="IN_ORDER", note=SECRET
    )
    StaffAct.objects.create(
        kind="END", case=enrolled.case, enrollment=enrolled, reason="OTHER", note=SECRET, by="1", at=now
    )
    ReviewNote.objects.create(kind="ORDER", reference=str(enrolled.case_id), by=staff.member(), at=now, text=SECRET)
    site, _ = Site.objects.get_or_create(utility_id=UTILITY_A, site_ref="site-001")
    Site.objects.filter(pk=site.pk).update(address="42 Lake Road")


def _messages(enrolled: Enrollment, now: datetime) -> None:
    peer = participants.add(subscriber_id="bap.example.com", url="https://bap.example.com", now=now)
    said: dict[str, Any] = {
        "participant": peer,
        "sender_id": peer.subscriber_id,
        "action": "init",
        "transaction_id": enrolled.case.transaction_ids[0],
        "message_id": "m-1",
        "body": {"message": {}},
        "sealed": {"/message/name": SECRET},
        "state": "DONE",
        "due_at": now,
        "done_at": now,
    }
    came = Inbox.objects.create(received_at=now, deadline=now, **said)
    went = Outbox.objects.create(kind="ANSWER", uri="https://b.example", created_at=now, give_up_at=now, **said)
    MessageNote.objects.create(received=came, act="RETRIED", at=now, by="1", note=SECRET)
    MessageNote.objects.create(sent=went, act="RETRIED", at=now, by="1", note=SECRET)


def _of_agencies(now: datetime) -> None:
    asha = a_member("op-1", email="asha@help.example")
    letter = {"about": uuid4().hex, "to": "asha@help.example", "title": "t", "text": SECRET, "made_at": now}
    AgencyLetter.objects.create(agency=asha.agency, kind="CERTIFICATE", due_at=now, **letter)
    a_case(asha, opened_at=now)
    a_proved_case(asha, opened_at=now)
    case = a_finished_case(asha, opened_at=now, journey={"state": "REFUSED"})
    MandatePaper.objects.create(
        case=case,
        mandate=case.mandate,
        state="REFUSED",
        uploaded_by=asha,
        uploaded_at=now,
        reviewed_by=a_member("op-r"),
        reviewed_at=now,
        reason="OTHER",
        note=SECRET,
        size=1,
        scan="CLEAN",
        storage_key=Shelf("portals.mandate.bytes", folder="mandates").keep(b"%PDF signed"),
        retention_until=now + timedelta(days=400),
    )
    file = BulkImport.objects.create(
        agency=asha.agency,
        uploaded_by=asha,
        upload_key=uuid4(),
        file_name=SECRET,
        digest="0" * 64,
        size=1,
        delimiter=",",
        columns=["a"],
        state="IMPORTED",
        rows=1,
        uploaded_at=now,
        finished_at=now,
        worked_at=now,
    )
    ImportPart.objects.create(bulk_import=file, number=1, data=b"name,number")
    ImportRow.objects.create(bulk_import=file, number=2, told={"account": "CUST-1"}, value=SECRET, state="NEW")
    type(asha).objects.update(switched_off_at=now, active=False)
