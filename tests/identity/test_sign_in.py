"""Signing in at the utilities' own providers, over HTTP, as a browser does it; and what attackers try with it."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.bap import http
from tests.identity.visiting import A, B, Visitor
from tests.signing_in import _Form
from tests.stack import Stack

RAJESH = "did:example:user-12345"
SUBJECT = (
    "SELECT s.did FROM users u JOIN subjects s ON s.id = u.subject_id"
    " JOIN oidc_sessions o ON o.user_id = u.id WHERE o.session_key = %s AND o.is_primary"
)
FINISHED = "SELECT count(*) FROM account_links WHERE finished_at IS NOT NULL"


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)


def test_somebody_signs_in_at_their_utility_and_sees_who_they_are(visitor: Visitor) -> None:
    asked = parse_qs(urlsplit(visitor.begin(A)).query)
    assert asked["response_type"] == ["code"] and asked["code_challenge_method"] == ["S256"]
    arrived = visitor.sign_in("rajesh")
    assert (arrived.status, arrived.to) == (303, "/oidc/account")
    page = visitor.get("/oidc/account")
    assert page.heading == "Your account" and '<span class="number">3456</span>' in page.text
    assert "CUST-123456" not in page.text
    assert visitor.stack.sql(SUBJECT, visitor.session) == [(RAJESH,)]


def test_the_session_gets_a_new_id_with_the_sign_in(visitor: Visitor) -> None:
    back = visitor.come_back("rajesh")
    before = visitor.session
    visitor.get(back)
    assert before and visitor.session and before != visitor.session
    assert visitor.stack.sql("SELECT 1 FROM django_session WHERE session_key = %s", before) == []


def test_after_the_sign_in_one_goes_on_where_one_was_but_never_to_another_host(visitor: Visitor) -> None:
    assert visitor.sign_in("rajesh", next="/oidc/link?a=1").to == "/oidc/link?a=1"
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        assert Visitor(visitor.stack).sign_in("rajesh", next=elsewhere).to == "/oidc/account", elsewhere


def test_a_page_for_people_who_are_signed_in_asks_for_the_sign_in_and_comes_back(visitor: Visitor) -> None:
    sent = visitor.get("/oidc/account")
    assert (sent.status, sent.to) == (302, "/oidc/sign-in?next=/oidc/account")


def test_a_code_of_one_provider_is_refused_where_another_is_expected(visitor: Visitor) -> None:
    asked = len(visitor.stack.sql("SELECT 1 FROM oidc_sessions"))
    back = visitor.come_back("rajesh", A)
    assert visitor.get(back.replace(f"/callback/{A}", f"/callback/{B}")).ending == "wrong-provider"
    other_issuer = visitor.come_back("rajesh", A).replace(str(visitor.stack.port + 1), str(visitor.stack.port + 2))
    assert "iss=" in other_issuer and visitor.get(other_issuer).ending == "wrong-provider"
    nameless = visitor.come_back("rajesh", A).replace("iss=", "was=")
    assert visitor.get(nameless).ending == "wrong-provider"
    assert len(visitor.stack.sql("SELECT 1 FROM oidc_sessions")) == asked


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(visitor: Visitor) -> None:
    back = visitor.come_back("rajesh")
    assert Visitor(visitor.stack).get(back).ending == "used"
    assert visitor.get(back).to == "/oidc/account"
    assert visitor.get(back).ending == "used"
    page = visitor.get("/oidc/ended/used")
    assert page.status == 400 and page.heading == "This sign-in is over"


def test_who_says_no_at_the_provider_is_told_that_nothing_happened(visitor: Visitor) -> None:
    sent = visitor.get(visitor.decline("load-000009"))
    assert sent.ending == "cancelled"
    assert visitor.get(sent.to).heading == "You did not sign in"


def test_a_second_step_makes_the_sign_in_stronger_for_the_same_person_only(visitor: Visitor) -> None:
    visitor.sign_in("rajesh")
    weak, before = (
        visitor.stack.sql("SELECT acr FROM oidc_sessions WHERE session_key = %s", visitor.session),
        visitor.session,
    )
    sent = visitor.post("/oidc/step-up?acr=2&next=/oidc/link", next="/oidc/link", acr="2")
    assert "acr_values=2" in sent.to
    back = visitor.at(A).sign_in(sent.to, "rajesh")
    assert visitor.get(back).to == "/oidc/link"
    living = "SELECT acr FROM oidc_sessions WHERE session_key = %s AND ended_at IS NULL"
    assert weak == [("1",)] and visitor.stack.sql(living, visitor.session) == [("2",)]
    assert visitor.session != before

    other = Visitor(visitor.stack)
    other.sign_in("rajesh")
    sent = other.post("/oidc/step-up?acr=2", acr="2")
    somebody = Visitor(visitor.stack).at(A).sign_in(sent.to, "priya")
    assert other.get(somebody).ending == "other-person"


def test_two_accounts_are_linked_by_signing_in_to_both_in_one_session(visitor: Visitor) -> None:
    visitor.sign_in("chandra", A)
    before = visitor.session
    assert visitor.sign_in("chandra", B, page="/oidc/link").to == "/oidc/account"
    assert visitor.session != before
    rows = visitor.stack.sql(
        "SELECT DISTINCT u.issuer, s.did FROM users u JOIN subjects s ON s.id = u.subject_id"
        " WHERE s.did = (SELECT s.did FROM oidc_sessions o JOIN users u ON u.id = o.user_id"
        " JOIN subjects s ON s.id = u.subject_id WHERE o.session_key = %s AND o.is_primary)",
        visitor.session,
    )
    assert len(rows) == 2 and len({did for _, did in rows}) == 1
    assert visitor.get("/oidc/account").text.count("Account ending") >= 2


def test_p5_9_a_link_started_by_one_and_finished_by_another_is_refused(visitor: Visitor) -> None:
    """CVE-2026-9087: X starts a link, Y ends it in another session, or X brings Y's answer into their own."""
    finished = visitor.stack.sql(FINISHED)
    visitor.sign_in("chandra", A)
    started = visitor.begin(B, page="/oidc/link")
    somebody = Visitor(visitor.stack)
    somebody.sign_in("rajesh", A)
    back = somebody.at(B).sign_in(started, "chandra")
    assert somebody.get(back).ending == "used", "the answer is nobody's in another session"
    # In the browser of the one who started it, but after somebody else has signed in there.
    started = visitor.begin(B, page="/oidc/link")
    back = visitor.at(B).sign_in(started, "chandra")
    assert visitor.get("/oidc/account").status == 200
    visitor.post("/oidc/sign-out")
    assert visitor.get(back).ending == "used"
    assert visitor.stack.sql(FINISHED) == finished


def test_an_account_of_another_person_is_not_linked(visitor: Visitor) -> None:
    visitor.sign_in("rajesh", A)
    assert visitor.sign_in("chandra", B, page="/oidc/link").ending == "other-person"
    assert visitor.get("/oidc/account").text.count("Signed in at") == 1
    assert visitor.stack.sql(SUBJECT, visitor.session) == [(RAJESH,)]


def test_signing_out_ends_the_session_here_and_at_the_provider(visitor: Visitor) -> None:
    visitor.sign_in("rajesh")
    key = visitor.session
    sent = visitor.post("/oidc/sign-out")
    assert sent.to.startswith(visitor.stack.utility_url(A) + "/o/logout/") and "id_token_hint=" in sent.to
    assert visitor.get("/oidc/account").status == 302
    ended = "SELECT ended_by, tokens IS NULL, claims IS NULL FROM oidc_sessions WHERE session_key = %s"
    assert visitor.stack.sql(ended, key) == [("PERSON", True, True)]
    assert visitor.at(A)._open(sent.to)[0].startswith(visitor.stack.base + "/oidc/signed-out")


def test_a_session_ended_at_the_provider_ends_here_by_its_logout_token(visitor: Visitor) -> None:
    visitor.sign_in("rajesh")
    assert visitor.get("/oidc/account").status == 200
    theirs = f"{visitor.stack.utility_url(A)}/o/account/"
    _, page = visitor.at(A)._open(theirs)
    visitor.at(A)._open(theirs, _Form(page).values)
    until = time.monotonic() + 5
    while visitor.get("/oidc/account").status == 200 and time.monotonic() < until:
        time.sleep(0.02)
    assert visitor.get("/oidc/account").status == 302


def test_somebody_signs_in_with_their_meters_number_and_a_code(visitor: Visitor) -> None:
    sent = visitor.post("/oidc/meter", provider=A, number="MTR-load-690700", next="/oidc/link")
    assert sent.to == "/oidc/code"
    wrong = visitor.post("/oidc/code", code="0000")
    assert wrong.status == 422 and "You can try 4 more times" in wrong.text
    code = _code_for(visitor, "CUST-load-690700")
    somebody = Visitor(visitor.stack)
    somebody.post("/oidc/meter", provider=A, number="MTR-load-690701")
    assert somebody.post("/oidc/code", code=code).status == 422, "a code counts where it was asked for"
    assert visitor.post("/oidc/code", code=code).to == "/oidc/link"
    assert visitor.stack.sql(SUBJECT, visitor.session) == [("did:example:load-690700",)]
    assert "0700" in visitor.get("/oidc/account").text
    # The same person through the provider is the same Subject.
    other = Visitor(visitor.stack)
    other.sign_in("load-690700")
    assert visitor.stack.sql(SUBJECT, other.session) == visitor.stack.sql(SUBJECT, visitor.session)


def test_a_meters_number_that_nobody_has_is_answered_like_one_that_somebody_has(visitor: Visitor) -> None:
    known = visitor.post("/oidc/meter", provider=A, number="MTR-load-690702")
    page = visitor.get("/oidc/code")
    nobody = Visitor(visitor.stack)
    unknown = nobody.post("/oidc/meter", provider=A, number="MTR-nobody")
    assert (known.status, known.to) == (unknown.status, unknown.to)
    assert _without_token(page.text) == _without_token(nobody.get("/oidc/code").text)
    tries = [nobody.post("/oidc/code", code="1234").text for _ in range(6)]
    assert "4 more times" in tries[0] and "This code is over" in tries[-1]
    assert nobody.session and nobody.get("/oidc/account").status == 302


def test_no_log_names_a_code_a_token_or_a_meter(visitor: Visitor) -> None:
    back = visitor.come_back("rajesh")
    visitor.get(back)
    visitor.post("/oidc/meter", provider=A, number="MTR-load-690703")
    visitor.post("/oidc/code", code="473829")
    given = parse_qs(urlsplit(back).query)
    secrets = [given["code"][0], given["state"][0], visitor.session, "MTR-load-690703", "CUST-123456", RAJESH]
    the_code = re.compile(r"(?<![0-9a-f.])473829(?![0-9a-f])")  # six digits of a moment or of a random id are no code
    for name, text in visitor.stack.log_texts().items():
        if not name.startswith("utility"):
            assert [each for each in secrets if each in text] + the_code.findall(text) == [], name


def _code_for(visitor: Visitor, account: str) -> str:
    messages = http("GET", f"{visitor.stack.utility_url(A)}/outbox", headers={"Accept": "application/json"}).body
    found = [each for each in messages["messages"] if each["to"] == f"the contact of {account}"]
    return str(found[0]["parameters"]["code"])


def _without_token(page: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page)
