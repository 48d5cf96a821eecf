"""Who gets into the console, how strongly and for how long; and that its sessions are nobody's elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as ours
from django.core import mail
from django.http import HttpRequest
from django.test import Client

from audit import clock
from audit.log import SYSTEM, Actor
from audit.models import Event
from config.metrics import FromRows
from identity import alarms, letters, sessions, staffing
from identity.console_sessions import BEGAN, SEEN, SessionStore
from identity.models import Alarm, ConsoleSession, OidcSession, StaffLetter, StaffMember, User
from identity.staff import Role
from identity.staffing import Invited
from tests.identity import idp
from tests.staff import PASSWORD, Desk, break_glass, desk, desk_of, member

pytestmark = pytest.mark.django_db
HOME, SIGN_IN = "/admin/", "/admin/sign-in"


@pytest.fixture(scope="module")
def register() -> Iterator[Any]:
    with idp.running() as provider:
        yield provider


@pytest.fixture
def provider(register: Any, settings: Any) -> Any:
    """The provider where staff sign in, beside a utility's at the same address."""
    register.is_broken = False
    told = idp.ProviderSettings(
        register.issuer, (), client_id="console", client_secret="s" * 20, slug="staff", name="Us"
    )
    settings.OIDC_PROVIDERS = [replace(told, kind="STAFF", minimum_acr="2")]
    return register


def begin(browser: Client, page: str = SIGN_IN, **form: str) -> dict[str, str]:
    sent = browser.post(page, form)
    assert sent.status_code == 303, sent.content
    return {name: values[0] for name, values in parse_qs(urlsplit(sent["Location"]).query).items()}


def answer(
    browser: Client, provider: Any, asked: dict[str, str], path: str = "/admin/sign-in/back/staff", **say: Any
) -> str:
    """The provider's answer; returns where the browser is sent."""
    said = {"aud": "console", "nonce": asked["nonce"], "sid": "theirs", "acr": "2", "auth_time": _now(), **say}
    token = provider.token(clock.now(), alg="RS256", **said)
    provider.grants["the-code"] = {"access_token": "opaque", "expires_in": 300, "id_token": token}
    return str(browser.get(path, {"code": "the-code", "state": asked["state"]})["Location"])


def of_provider(provider: Any, *roles: Role, sub: str = "sub-of-staff", **more: Any) -> StaffMember:
    user = User.objects.for_login(provider.issuer, sub)
    return StaffMember.objects.create(user=user, roles=list(roles), added_at=clock.now(), **more)


def _now() -> int:
    return int(clock.now().timestamp())


# ── in ──


def test_staff_sign_in_at_their_organisation_with_both_steps_and_the_journal_says_so(provider: Any) -> None:
    someone, browser = of_provider(provider, Role.VIEWER), Desk()
    assert browser.get("/admin/figures-of-nobody/")["Location"].startswith(SIGN_IN)
    asked = begin(browser, next="/admin/staff/")
    assert (asked["acr_values"], asked["client_id"]) == ("2", "console")
    assert asked["redirect_uri"] == f"{ours.CONSOLE_URL}/admin/sign-in/back/staff"
    assert answer(browser, provider, asked, sub="sub-of-staff") == "/admin/staff/"
    assert browser.get("/admin/staff/").status_code == 200
    assert ours.SESSION_COOKIE_NAME not in browser.cookies, "no portal's session comes of it"
    someone.refresh_from_db()
    assert (someone.acr, someone.signed_in_at is not None) == ("2", True)
    line = Event.objects.get(action="login")
    told = {"door": "console", "provider": "staff", "acr": "2"}
    assert (line.actor_kind, line.channel, line.details) == ("STAFF", "CONSOLE", told)


def test_one_step_is_not_enough_and_neither_is_what_was_enough_before(provider: Any, settings: Any) -> None:
    of_provider(provider, Role.VIEWER)
    browser = Desk()
    weak = answer(browser, provider, begin(browser), sub="sub-of-staff", acr="1")
    assert weak.startswith("/admin/sign-in/ended/too-weak") and browser.get(weak).status_code == 403
    assert not ConsoleSession.objects.filter(session_data__contains="sub-of-staff").exists()
    assert browser.get(HOME)["Location"].startswith(SIGN_IN)

    assert answer(browser, provider, begin(browser), sub="sub-of-staff") == HOME
    assert browser.get(HOME).status_code == 200
    settings.OIDC_PROVIDERS = [replace(settings.OIDC_PROVIDERS[0], minimum_acr="3")]
    assert browser.get("/admin/staff/")["Location"] == "/admin/sign-in?next=/admin/staff/"
    assert (
        browser.get("/admin/sign-in?next=/admin/staff/")["Location"] == "/admin/sign-in/again?next=%2Fadmin%2Fstaff%2F"
    )
    assert browser.post("/admin/staff/invite/", {}).status_code == 403
    asked = begin(browser, "/admin/sign-in/again", next="/admin/staff/")
    assert (asked["acr_values"], asked["prompt"], asked["max_age"]) == ("3", "login", "300")
    other = answer(browser, provider, asked, sub="somebody-else", acr="3")
    assert other.startswith("/admin/sign-in/ended/other-person")
    asked = begin(browser, "/admin/sign-in/again", next="/admin/staff/")
    assert answer(browser, provider, asked, sub="sub-of-staff", acr="3") == "/admin/staff/"
    assert browser.get("/admin/staff/").status_code == 200


def test_whom_the_organisation_knows_and_the_console_does_not_is_told_what_to_do(provider: Any) -> None:
    browser = Desk()
    assert answer(browser, provider, begin(browser), sub="a-stranger") == HOME
    page = browser.get(browser.get(HOME)["Location"])
    assert page.status_code == 403 and b"nobody has given you a role at this console" in page.content
    assert browser.post("/admin/staff/invite/", {"name": "x"}).status_code == 403
    assert browser.post("/admin/sign-out").status_code == 303
    assert b"You are signed out" in browser.get("/admin/signed-out").content


def test_who_is_switched_off_is_out_from_the_next_page_on() -> None:
    browser = desk(Role.AUDITOR)
    assert browser.get(HOME).status_code == 200
    staffing.switch_off(browser.member, now=clock.now(), by=SYSTEM)
    page = browser.get(browser.get(HOME)["Location"])
    assert page.status_code == 403 and b"has switched your access off" in page.content


def test_staffs_sign_in_is_offered_to_no_customer_and_to_no_agent_and_its_answer_is_taken_nowhere_else(
    provider: Any,
) -> None:
    customer = Client()
    assert b"Us" not in customer.get("/oidc/sign-in").content
    assert customer.post("/oidc/sign-in", {"provider": "staff"}).status_code == 422
    assert customer.post("/agency/sign-in", {"provider": "staff"}).status_code == 422
    browser = Desk()
    elsewhere = answer(browser, provider, begin(browser), path="/oidc/callback/staff")
    assert elsewhere.startswith("/oidc/ended/used") and not OidcSession.objects.exists()
    policy = customer.get("/oidc/sign-in")["Content-Security-Policy"]
    assert provider.issuer.removesuffix("/o").rstrip("/") not in policy
    assert provider.issuer.split("/")[2] in browser.get(SIGN_IN)["Content-Security-Policy"]


# ── one session is a customer's, an agent's or staff's ──


def test_a_portals_session_in_the_consoles_cookie_is_nobody_and_the_other_way_round() -> None:
    staff = desk(Role.SECURITY_OFFICER)
    portal = Client()
    portal.force_login(staff.member.user, backend="identity.oidc.backend.Backend")  # type: ignore[arg-type]
    carried = Desk()
    carried.cookies[ours.CONSOLE_SESSION_COOKIE_NAME] = portal.cookies[ours.SESSION_COOKIE_NAME].value
    assert carried.get(HOME)["Location"].startswith(SIGN_IN)
    assert carried.post("/admin/staff/invite/", {}).status_code == 403
    back = Client()
    back.cookies[ours.SESSION_COOKIE_NAME] = staff.cookies[ours.CONSOLE_SESSION_COOKIE_NAME].value
    assert back.get("/oidc/account")["Location"].startswith("/oidc/sign-in")
    assert back.get("/agency/")["Location"].startswith("/agency/sign-in")
    assert staff.get(HOME).status_code == 200, "and the session that was carried elsewhere still is what it was"


def test_a_local_account_in_a_portals_session_is_no_staff(settings: Any) -> None:
    settings.BREAK_GLASS = True
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", PASSWORD), backend=ours.AUTHENTICATION_BACKENDS[0])
    assert browser.get(HOME)["Location"].startswith(SIGN_IN)


# ── how long ──


@pytest.mark.parametrize(
    ("which", "age", "words"),
    [
        ((SEEN,), timedelta(minutes=30), b"for 30 minutes nothing was asked for"),
        ((BEGAN,), timedelta(hours=8), b"after some hours"),
    ],
)
def test_a_session_ends_when_nobody_was_there_and_after_a_working_day(which: Any, age: timedelta, words: bytes) -> None:
    browser = desk(Role.VIEWER)
    early = browser.console
    for name in which:
        early[name] -= (age - timedelta(minutes=1)).total_seconds()
    early.save()
    assert browser.get(HOME).status_code == 200
    late = browser.console
    for name in which:
        late[name] -= age.total_seconds()
    late.save()
    before = browser.cookies[ours.CONSOLE_SESSION_COOKIE_NAME].value
    assert browser.post("/admin/staff/invite/", {}).status_code == 403
    assert not ConsoleSession.objects.filter(pk=before).exists()
    assert words in browser.get(SIGN_IN).content


def test_who_is_there_stays_and_it_costs_one_write_a_minute() -> None:
    browser = desk(Role.VIEWER)
    old = browser.console
    old[SEEN] -= 29 * 60
    old.save()
    browser.get(HOME)
    assert browser.console[SEEN] > old[SEEN]
    kept = browser.console[SEEN]
    browser.get(HOME)
    assert browser.console[SEEN] == kept


def test_the_organisation_ends_the_session_from_its_side(provider: Any) -> None:
    of_provider(provider, Role.VIEWER)
    browser = Desk()
    answer(browser, provider, begin(browser), sub="sub-of-staff")
    assert browser.get(HOME).status_code == 200
    assert sessions.end_at(provider.issuer, sub="", sid="theirs", now=clock.now()) == 1
    assert browser.get(HOME)["Location"].startswith(SIGN_IN)


# ── break-glass ──


def test_a_break_glass_account_is_for_emergencies_alarmed_and_written_down(settings: Any, caplog: Any) -> None:
    settings.BREAK_GLASS = True
    officer = desk(Role.SECURITY_OFFICER)
    StaffMember.objects.filter(pk=officer.member.pk).update(email="officer@owner.example")
    root, browser = User.objects.create_superuser("root", PASSWORD), Desk()
    assert b"every security officer is told" in browser.get("/admin/break-glass").content
    assert browser.post("/admin/break-glass", {"username": "root", "password": "guess"}).status_code == 200
    assert not Alarm.objects.exists()
    assert (
        browser.post("/admin/break-glass", {"username": "root", "password": PASSWORD, "next": HOME}).status_code == 302
    )

    assert b"Break-glass account" in browser.get(HOME).content
    line = Event.objects.get(action="login.break_glass")
    assert (line.actor_kind, line.actor_id, line.channel) == ("STAFF", str(root.pk), "CONSOLE")
    alarm = Alarm.objects.get()
    assert (alarm.kind, alarm.told) == ("BREAK_GLASS", {"user": root.pk})
    assert Event.objects.get(action="alarm.raised").object_id == str(alarm.pk)
    assert any(each.levelname == "WARNING" and "alarm" in each.getMessage() for each in caplog.records)
    assert letters.send_due(clock.now()) == 1 and mail.outbox[0].to == ["officer@owner.example"]
    assert "break-glass" in mail.outbox[0].subject and "root" not in mail.outbox[0].body
    assert StaffLetter.objects.get().text == ""
    figures = {each.name: each for each in FromRows().collect()}
    assert [each.value for each in figures["alarms_open"].samples] == [1.0]

    said = "No security officer has looked at it yet"
    for each in (desk(Role.VIEWER), officer):
        assert said in each.get(HOME).content.decode()
    assert browser.post("/admin/staff/alarms/", {"alarm": alarm.pk}).status_code == 403, "nobody silences their own"
    assert desk(Role.VIEWER).post("/admin/staff/alarms/", {"alarm": alarm.pk}).status_code == 403
    assert officer.post("/admin/staff/alarms/", {"alarm": alarm.pk}).status_code == 303
    assert said not in officer.get(HOME).content.decode()
    alarm.refresh_from_db()
    assert alarm.seen_by == officer.member and not alarms.see(
        alarm.pk, by=officer.member, actor=SYSTEM, now=clock.now()
    )
    assert officer.member.name in officer.get("/admin/staff/alarms/").content.decode()


def test_where_it_is_not_set_there_is_no_break_glass_and_a_session_of_it_is_over(settings: Any) -> None:
    settings.BREAK_GLASS = True
    browser = break_glass()
    assert browser.get(HOME).status_code == 200
    settings.BREAK_GLASS = False
    assert browser.get(HOME).status_code == 302
    assert Desk().get("/admin/break-glass").status_code == 404
    assert Desk().post("/admin/break-glass", {"username": "x", "password": PASSWORD}).status_code == 404
    assert b"Emergency" not in Desk().get(SIGN_IN).content


def test_a_password_is_guessed_five_times_and_then_not_even_the_right_one_helps(settings: Any) -> None:
    settings.BREAK_GLASS = True
    User.objects.create_superuser("chief", PASSWORD)
    spelt = ["chief", " chief", "chief ", "\N{FULLWIDTH LATIN SMALL LETTER C}hief", "\tchief"]
    for count, name in enumerate(spelt):
        guess = Client(REMOTE_ADDR=f"192.0.2.{count + 10}").post(
            "/admin/break-glass", {"username": name, "password": "x"}
        )
        assert guess.status_code == 200
    late = Client(REMOTE_ADDR="192.0.2.7").post("/admin/break-glass", {"username": "chief", "password": PASSWORD})
    assert late.status_code == 429 and late["Retry-After"] == "60", "wherever the tries come from"
    assert b"Too many attempts" in late.content and not Alarm.objects.exists()


# ── an invitation ──


def test_an_invitation_is_taken_by_who_signs_in_and_says_yes_once(provider: Any) -> None:
    links: list[str] = []

    def link(token: str) -> str:
        links.append(f"/admin/join?t={token}")
        return links[-1]

    staffing.invite(Invited("Asha", "asha@owner.example", [Role.APPROVER]), link=link, now=clock.now(), by=SYSTEM)
    letters.send_due(clock.now())
    assert links[0] in mail.outbox[0].body
    browser = Desk()
    assert browser.get(links[0])["Location"] == "/admin/join", "the token stays in no address bar"
    page = browser.get("/admin/join").content.decode()
    assert "Asha, you are invited" in page and "Is the second person for acts on many" in page
    asked = begin(browser, "/admin/join")
    assert asked["prompt"] == "login"
    assert answer(browser, provider, asked, sub="asha-at-work") == "/admin/join"
    assert not StaffMember.objects.exclude(user=None).exists(), "looking joins nobody"
    assert b"You have signed in" in browser.get("/admin/join").content
    assert browser.post("/admin/join", {"join": "yes"})["Location"] == HOME
    assert browser.get(HOME).status_code == 200
    row = StaffMember.objects.get()
    assert row.user is not None
    assert (row.user.sub, row.roles, row.invitation_digest) == ("asha-at-work", ["APPROVER"], "")
    later = Desk()
    later.get(links[0])
    assert later.get("/admin/join").status_code == 410
    token = links[0].partition("t=")[2]
    assert token not in str(list(Event.objects.values_list("details", flat=True)))


# ── a host of its own ──


def test_with_a_host_of_its_own_the_console_is_there_alone_and_nothing_else_is_there(settings: Any) -> None:
    settings.CONSOLE_URL, settings.ALLOWED_HOSTS = "https://console.example.org", ["console.example.org", "testserver"]
    settings.PUBLIC_URL = "http://testserver"
    browser = desk(Role.VIEWER)
    here: dict[str, Any] = {"headers": {"host": "console.example.org"}, "secure": True}
    assert browser.get(HOME, **here).status_code == 200
    assert browser.get("/", **here)["Location"] == HOME
    assert Desk().get(HOME, **here)["Location"].startswith(SIGN_IN)
    for path in ("/oidc/sign-in", "/verify", "/.well-known/did.json", "/agency/", "/beckn/search"):
        assert Client().get(path, **here).status_code == 404, path
    assert browser.get(HOME).status_code == 404 and browser.get("/admin/break-glass").status_code == 404
    assert Client().get("/oidc/sign-in").status_code == 200


def test_the_actor_of_an_alarm_may_be_the_system() -> None:
    member(Role.SECURITY_OFFICER)
    found = alarms.ring(Alarm.Kind.JOURNAL, actor=SYSTEM, now=clock.now(), told={"faults": 2})
    assert isinstance(SYSTEM, Actor) and list(alarms.open_alarms()) == [found]


def test_nobodys_request_has_a_standing() -> None:
    from identity import staff

    assert staff.standing(HttpRequest()).state is staff.State.NOBODY
    assert SessionStore.get_model_class() is ConsoleSession
    assert desk_of(member(Role.VIEWER)).get(HOME).status_code == 200
