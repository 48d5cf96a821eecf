"""Personal data is masked until somebody who may asks to see it and says why; that is a line in the journal."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import RequestFactory

from audit.models import Event
from console import personal
from identity.staff import Role
from tests.staff import desk


def asks(*roles, **form):
    browser = desk(*roles)
    request = RequestFactory().post("/", {personal.ASKED: "yes", **form})
    request.session, request.user = browser.console, browser.member.user
    return request


def unmask(request):
    personal.unmask(request, subject="a-subject", object_type="enrollment", object_id="e-1", fields=["phone", "name"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Asha Rao", "A…"),
        ("asha@example.org", "a…@example.org"),
        ("a@example.org", "…@example.org"),
        ("9876543210", "…3210"),
        ("+91 98765 43210", "…3210"),
        ("1234567", "…"),
        ("Jo", "…"),
        ("", ""),
    ],
)
def test_masked_leaves_enough_to_compare_and_nothing_to_know(text, shown):
    assert personal.masked(text) == shown


@pytest.mark.django_db
def test_looking_is_a_line_with_the_fields_and_the_reason_and_never_the_data():
    unmask(asks(Role.CASE_WORKER, reason="COMPLAINT"))
    line = Event.objects.get(action="pii.read")
    assert (line.subject, line.object_type, line.object_id) == ("a-subject", "enrollment", "e-1")
    assert line.details == {"fields": ["name", "phone"], "reason": "COMPLAINT"}


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["", "CURIOUS"])
def test_nobody_looks_without_a_reason_that_is_on_the_list(reason):
    with pytest.raises(personal.NoReason):
        unmask(asks(Role.CASE_WORKER, reason=reason))
    assert not Event.objects.filter(action="pii.read").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.VIEWER, Role.PROGRAM_EDITOR, Role.SECURITY_OFFICER])
def test_who_has_not_the_right_does_not_see_it_and_leaves_no_line_of_having_seen(role):
    with pytest.raises(PermissionDenied):
        unmask(asks(role, reason="COMPLAINT"))
    assert not Event.objects.filter(action="pii.read").exists()
