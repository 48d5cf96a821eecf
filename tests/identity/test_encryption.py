"""What is sealed opens only where it belongs, and only with our keys."""

import base64

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.encryption import (
    DecryptionError,
    blind_index,
    check_keys,
    encrypted_fields,
    key_id,
    newest_header,
    reseal,
    seal,
    seal_bytes,
    unseal,
    unseal_bytes,
)
from identity.models import Subject, SubjectUtilityLink, User
from tests.identity.keys import INDEX, NEW, OLD

RAJESH = "Rajesh Kumar"


@pytest.fixture(autouse=True)
def keys(settings):
    settings.FIELD_KEYS, settings.INDEX_KEY = [OLD], INDEX


@given(st.recursive(st.none() | st.integers() | st.text(st.characters(codec="utf-8")), st.lists, max_leaves=5))
@settings(max_examples=50)
def test_what_is_sealed_opens_again(value):
    assert unseal(seal(value, context="here"), context="here") == value


def test_the_same_value_is_never_sealed_to_the_same_bytes():
    assert seal("x") != seal("x")


def test_a_sealed_value_tells_its_key_and_nothing_else():
    sealed = seal(RAJESH)
    assert key_id(sealed) == "old-1"
    assert sealed.startswith(newest_header())
    assert b"Rajesh" not in sealed


def test_every_changed_byte_is_noticed():
    sealed = seal_bytes(b"secret", context="a.b.c")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(DecryptionError):
            unseal_bytes(bytes(changed), context="a.b.c")


@pytest.mark.parametrize("garbage", [b"", b"\x01", b"plain text that was never sealed at all, really", bytes(60)])
def test_what_was_never_sealed_is_refused(garbage):
    with pytest.raises(DecryptionError):
        unseal_bytes(garbage)


def test_the_error_names_the_column_and_not_the_value():
    sealed = seal_bytes(RAJESH.encode(), context="identity.subject.name")
    with pytest.raises(DecryptionError, match=r"identity\.subject\.name does not open") as problem:
        unseal_bytes(sealed[:-1] + b"\x00", context="identity.subject.name")
    assert "Rajesh" not in str(problem.value)


def test_a_value_moved_to_another_column_does_not_open():
    with pytest.raises(DecryptionError, match="belongs to another column"):
        unseal(seal("x", context="identity.subject.name"), context="identity.subject.email")


def test_a_key_that_is_gone_is_named(settings):
    sealed = seal("x")
    settings.FIELD_KEYS = [NEW]
    with pytest.raises(DecryptionError, match="'old-1', which FIELD_KEYS does not hold"):
        unseal(sealed)


def test_the_newest_key_seals_and_all_open(settings):
    before = seal("x", context="c")
    settings.FIELD_KEYS = [NEW, OLD]
    assert unseal(before, context="c") == "x"
    after = reseal(before, context="c")
    assert (key_id(after), unseal(after, context="c")) == ("new-2", "x")
    assert reseal(after, context="c") == after, "a value under the newest key is left alone"


@pytest.mark.parametrize(
    ("field_keys", "index_key", "says"),
    [
        ([], INDEX, "FIELD_KEYS holds no key"),
        (["old-1:c2hvcnQ="], INDEX, "FIELD_KEYS, key old-1 should be the base64 of 32"),
        (["old-1:***"], INDEX, "FIELD_KEYS, key old-1 should be the base64 of 32"),
        ([OLD, OLD], INDEX, "malformed or used twice"),
        (["no colon"], INDEX, "malformed"),
        ([OLD], "", "INDEX_KEY should be"),
        ([OLD], "index:" + OLD.partition(":")[2], "INDEX_KEY must be another key"),
        ([NEW, OLD], OLD.partition(":")[2], "INDEX_KEY must be another key"),
    ],
    ids=range(8),  # the keys are new in each run
)
def test_the_start_is_refused_with_keys_that_cannot_be_right(settings, field_keys, index_key, says):
    settings.FIELD_KEYS, settings.INDEX_KEY = field_keys, index_key
    with pytest.raises(ImproperlyConfigured, match=says) as problem:
        check_keys()
    assert all(key.partition(":")[2] not in str(problem.value) for key in field_keys if len(key) > 20)


def test_the_blind_index_sees_through_case_width_and_spaces():
    def email(text):
        return blind_index(text, purpose="email")

    assert email(" Rajesh@Example.COM ") == email("rajesh@example.com")
    assert email("\uff52ajesh@example.com") == email("rajesh@example.com")
    assert email("rajesh@example.org") != email("rajesh@example.com")
    assert len(email("x")) == 32


def test_the_blind_index_of_a_phone_number_is_of_its_digits():
    assert blind_index("+91 98765-43210", purpose="phone") == blind_index("+919876543210", purpose="phone")
    assert blind_index("919876543210", purpose="phone") != blind_index("+919876543210", purpose="phone")


def test_the_blind_index_depends_on_purpose_and_its_own_key_only(settings):
    here = blind_index("x", purpose="email")
    assert blind_index("x", purpose="name") != here
    settings.FIELD_KEYS = [NEW]
    assert blind_index("x", purpose="email") == here
    settings.INDEX_KEY = base64.b64encode(bytes(range(32))).decode()
    assert blind_index("x", purpose="email") != here


@pytest.mark.django_db
class TestFields:
    def test_nothing_personal_is_readable_in_the_table(self):
        Subject.objects.for_did("did:example:1").remember_contact(name=RAJESH, email="r@example.com", phone="+9198")
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, email, phone, subjects::text FROM subjects")
            *sealed, row = cursor.fetchone()
        assert all(b"ajesh" not in bytes(each) and bytes(each).startswith(newest_header()) for each in sealed)
        assert RAJESH.encode().hex() not in row
        subject = Subject.objects.get()
        assert (subject.name, subject.email, subject.phone) == (RAJESH, "r@example.com", "+9198")

    def test_an_empty_text_and_none_stay_what_they_are(self):
        subject = Subject.objects.create(name="")
        subject.refresh_from_db()
        assert subject.name == ""

    def test_a_tampered_column_gives_a_clear_error(self):
        subject = Subject.objects.create(name=RAJESH)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE subjects SET name = set_byte(name, length(name) - 1, 0) || '\\x00'")
        with pytest.raises(DecryptionError, match=r"identity\.subject\.name does not open"):
            Subject.objects.get(pk=subject.pk)

    def test_ciphertext_copied_between_columns_does_not_open(self):
        subject = Subject.objects.create(name=RAJESH, email="r@example.com")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE subjects SET email = name")
        with pytest.raises(DecryptionError, match=r"identity\.subject\.email"):
            Subject.objects.get(pk=subject.pk)

    def test_an_encrypted_column_cannot_be_searched(self):
        with pytest.raises(FieldError, match="blind index"):
            Subject.objects.filter(name=RAJESH).exists()
        assert not Subject.objects.filter(name__isnull=True).exists()

    def test_bulk_writes_and_updates_encrypt_too(self):
        Subject.objects.bulk_create([Subject(name=f"n{number}") for number in range(3)])
        for subject in (subjects := list(Subject.objects.all())):
            subject.name += "!"
        Subject.objects.bulk_update(subjects, ["name"])
        assert sorted(each.name for each in Subject.objects.all()) == ["n0!", "n1!", "n2!"]
        Subject.objects.update(name="all")
        assert {each.name for each in Subject.objects.all()} == {"all"}

    def test_the_registry_knows_the_columns_of_every_app(self):
        columns = {(field.model, field.name) for field in encrypted_fields()}
        assert {(User, "email"), (Subject, "phone"), (SubjectUtilityLink, "utility_customer_id")} <= columns
