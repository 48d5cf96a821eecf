"""One DID is one subject, and a merged subject leads straight to the one that lives on."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from identity.encryption import blind_index
from identity.models import Subject, SubjectUtilityLink, User

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.mark.django_db
class TestSubjects:
    def test_the_same_did_is_the_same_subject(self, django_assert_num_queries):
        first = Subject.objects.for_did("did:example:1")
        with django_assert_num_queries(1):
            assert Subject.objects.for_did("did:example:1") == first
        assert Subject.objects.for_did("did:example:2", kind="ORGANISATION").kind == "ORGANISATION"

    def test_a_merged_subject_leads_to_the_one_that_lives_on(self):
        old, living = Subject.objects.for_did("did:example:old"), Subject.objects.for_did("did:example:living")
        old.merged_into = living
        old.save()
        assert Subject.objects.for_did("did:example:old") == living

    def test_merges_are_not_chained(self):
        first, second, third = (Subject.objects.create() for _ in range(3))
        first.merged_into = second
        first.save()
        second.merged_into = third
        with pytest.raises(IntegrityError, match="move them first"), transaction.atomic():
            second.save()
        third.merged_into = first
        with pytest.raises(IntegrityError, match="merged itself"), transaction.atomic():
            third.save()

    def test_a_subject_is_not_merged_into_itself(self):
        subject = Subject.objects.create()
        subject.merged_into = subject
        with pytest.raises(IntegrityError), transaction.atomic():
            subject.save()

    def test_contact_is_written_only_where_it_is_new(self, django_assert_num_queries):
        subject = Subject.objects.for_did("did:example:1")
        assert subject.remember_contact(name="Rajesh", email="R@example.com", phone="+91 98")
        with django_assert_num_queries(0):
            assert not subject.remember_contact(name="Rajesh", email="R@example.com")
        assert subject.remember_contact(email="new@example.com")
        subject.refresh_from_db()
        assert (subject.name, subject.email, subject.phone) == ("Rajesh", "new@example.com", "+91 98")
        assert list(Subject.objects.with_email("NEW@example.com")) == [subject]
        assert list(Subject.objects.with_email("R@example.com")) == []
        assert list(Subject.objects.with_phone("+9198")) == [subject]

    def test_one_sign_in_is_one_link_and_a_customer_number_is_linked_once_while_active(self):
        subject, other = Subject.objects.create(), Subject.objects.create()
        index = blind_index("CUST-1", purpose="customer")
        usual = {"utility_id": "u", "linked_at": NOON}
        SubjectUtilityLink.objects.create(subject=subject, iss="i", sub="s", **usual)
        with pytest.raises(IntegrityError), transaction.atomic():
            SubjectUtilityLink.objects.create(subject=other, iss="i", sub="s", **usual)
        for status in ("ENDED", "ACTIVE"):
            SubjectUtilityLink.objects.create(subject=subject, customer_index=index, status=status, **usual)
        with pytest.raises(IntegrityError), transaction.atomic():
            SubjectUtilityLink.objects.create(subject=subject, customer_index=index, **usual)
        with pytest.raises(IntegrityError), transaction.atomic():
            SubjectUtilityLink.objects.create(subject=other, iss="i", **usual)

    def test_a_user_is_found_by_provider_and_sub_and_has_a_handle_without_meaning(self):
        user = User.objects.for_login("https://idp.example.com", "sub-1")
        assert User.objects.for_login("https://idp.example.com", "sub-1") == user
        assert User.objects.for_login("https://other.example.com", "sub-1") != user
        assert "sub-1" not in user.username
        assert not user.is_staff

    def test_a_break_glass_account_is_local(self):
        user = User.objects.create_superuser("root", "a long password")
        assert (user.issuer, user.is_staff, user.check_password("a long password")) == ("", True, True)


@pytest.mark.django_db(transaction=True)
def test_many_who_ask_for_a_new_did_at_once_get_one_subject():
    found, problems = set(), []

    def ask():
        try:
            found.add(Subject.objects.for_did("did:example:new").pk)
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), problems, Subject.objects.count()) == (1, [], 1)
