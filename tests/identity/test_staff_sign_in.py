"""The console's people sign in at the sandbox's provider of staff, over HTTP, as a browser does it."""

from __future__ import annotations

import pytest

from tests.identity.visiting import STAFF, Visitor
from tests.stack import Stack


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


def test_each_of_the_sandboxs_staff_comes_in_with_both_steps_and_sees_what_their_role_shows(visitor: Visitor) -> None:
    officer = visitor.sign_in_staff("officer", next="/admin/staff/")
    assert (officer.status, officer.heading) == (200, "Staff")
    assert "Charu Bose" in officer.text and "Invite somebody" in officer.text
    names = {cookie.name for cookie in visitor.jar}
    assert f"console{visitor.stack.port}" in names
    assert visitor.get("/oidc/account").to.startswith("/oidc/sign-in"), "nobody's customer by it"

    clerk = Visitor(visitor.stack)
    assert clerk.sign_in_staff("caseworker").heading == "Home"
    assert clerk.get("/admin/staff/invite/").status == 403
    clerk.sign_in("rajesh")
    assert clerk.get("/admin/").status == 200, "a customer's session beside it is another one, in another cookie"

    stranger = Visitor(visitor.stack).sign_in_staff("applicant")
    assert stranger.to.startswith("/admin/sign-in")


def test_signing_out_ends_it_here_and_at_the_organisation(visitor: Visitor) -> None:
    visitor.sign_in_staff("auditor")
    page = visitor.get("/admin/")
    out = visitor.post("/admin/sign-out") if page.status == 200 else page
    assert out.to.startswith(visitor.stack.staff_url()), "the provider ends its session, too"
    assert visitor.at(STAFF) and visitor.get("/admin/").to.startswith("/admin/sign-in")
