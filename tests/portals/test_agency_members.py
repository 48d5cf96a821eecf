"""A13: an agency's managers bring people in, change what they may do, and let them in no more."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit import clock
from audit.models import Event
from identity import letters, members
from identity.members import Invited, NotPossible, Why
from identity.models import AgencyLetter, Membership, User
from portals.agency.views_members import PAGE_LENGTH
from tests.agencies import a_member, an_agency, provider, sign_in, signed_in_agent

pytestmark = pytest.mark.django_db
FORM = {"name": "Nina Sen", "email": "nina@agency.example", "operator_id": "op-12", "role": "AGENT"}


@pytest.fixture
def manager() -> Membership:
    return a_member("m-1", role="MANAGER", email="manager@agency.example")


@pytest.fixture
def client(manager: Membership) -> Client:
    return signed_in_agent(manager)


def invite(client: Client, **changes: str) -> str:
    """Invite Nina and return the path of the link that she finds in her e-mail."""
    answer = client.post("/agency/members/invite", FORM | changes)
    assert answer.status_code == 303, answer.content.decode()
    return newest_link()


def newest_link() -> str:
    mail.outbox.clear()
    letters.send_due(clock.now())
    text = str(mail.outbox[-1].body)
    found = re.search(r"http\S+(/agency/join\?t=\S+)", text)
    assert found, text
    return found[1]


def newcomer(sub: str = "nina", issuer: str = "") -> Client:
    user = User.objects.create(username=sub, issuer=issuer or provider().issuer, sub=sub)
    return sign_in(user, Client())


def join(link: str, client: Client) -> Any:
    assert client.get(link).status_code == 200
    return client.post("/agency/join", {"t": link.partition("t=")[2]})


def test_somebody_who_is_invited_joins_with_their_own_sign_in_and_waits_for_the_utilitys_certificate(client: Client):
    link = invite(client)
    nina = newcomer()
    assert "Join Agency ea-001" in nina.get(link).content.decode()
    assert join(link, nina)["Location"] == "/agency/"
    member = Membership.objects.get(operator_id="op-12")
    assert (member.name, member.user.sub, member.role) == ("Nina Sen", "nina", "AGENT")  # type: ignore[union-attr]
    page = nina.get("/agency/blocked")
    assert "not certified as an agent yet" in page.content.decode() and "North Grid" in page.content.decode()
    Membership.objects.update(certified_until=None, trained_on="2026-09-01")
    assert nina.get("/agency/blocked")["Location"] == "/agency/"
    assert actions() == ["member.invited", "member.joined", "agency.entered"]


def test_an_invitation_is_good_once(client: Client):
    link = invite(client)
    join(link, newcomer())
    second = newcomer("second")
    assert second.get(link).status_code == 404
    answer = second.post("/agency/join", {"t": link.partition("t=")[2]})
    assert answer.status_code == 404 and "does not work any more" in answer.content.decode()
    assert Membership.objects.get(operator_id="op-12").user.sub == "nina"  # type: ignore[union-attr]
    assert Membership.objects.filter(user__sub="second").count() == 0


def test_an_invitation_lives_seven_days(client: Client):
    link = invite(client)
    now = clock.now()
    Membership.objects.filter(operator_id="op-12").update(invitation_ends_at=now)
    nina = newcomer()
    assert nina.get(link).status_code == 404
    assert nina.post("/agency/join", {"t": link.partition("t=")[2]}).status_code == 404
    assert Membership.objects.get(operator_id="op-12").user is None
    assert timedelta(days=7) == members.INVITATION_LASTS


def test_an_invitation_is_of_no_use_to_somebody_of_another_provider(client: Client, settings: Any):
    other = provider().model_copy(update={"issuer": "https://other.example", "slug": "other", "name": "Other"})  # type: ignore[attr-defined]
    settings.OIDC_PROVIDERS = [*settings.OIDC_PROVIDERS, other]
    link = invite(client)
    stranger = newcomer("stranger", issuer="https://other.example")
    page = stranger.get(link)
    assert "signed in somewhere else" in page.content.decode()
    stranger.post("/agency/join", {"t": link.partition("t=")[2]})
    assert Membership.objects.get(operator_id="op-12").user is None
    digest = members.digest_of(link.partition("t=")[2])
    with pytest.raises(NotPossible) as refused:
        members.join(digest, User.objects.get(sub="stranger"), now=clock.now())
    assert refused.value.why is Why.OTHER_PROVIDER
    assert join(link, newcomer()).status_code == 303, "and it still works for whom it was meant"


def test_a_sign_in_with_one_step_does_not_join(client: Client):
    link = invite(client)
    user = User.objects.create(username="weak", issuer=provider().issuer, sub="weak")
    weak = sign_in(user, Client(), acr="1")
    weak.post("/agency/join", {"t": link.partition("t=")[2]})
    assert Membership.objects.get(operator_id="op-12").user is None


def test_a_newer_invitation_replaces_the_one_before(client: Client):
    first = invite(client)
    member = Membership.objects.get(operator_id="op-12")
    client.post(reverse("agency-member-invite-again", args=[member.pk]))
    second = newest_link()
    nina = newcomer()
    assert first != second
    assert nina.get(first).status_code == 404
    assert join(second, nina).status_code == 303


def test_an_invitation_that_was_taken_back_works_no_more_and_is_not_sent_late(client: Client):
    client.post("/agency/members/invite", FORM)
    member = Membership.objects.get(operator_id="op-12")
    client.post(reverse("agency-member-off", args=[member.pk]))
    assert letters.send_due(clock.now()) == 0
    assert Membership.objects.get(pk=member.pk).invitation_digest == ""


def test_a_member_takes_no_second_membership_of_the_same_agency(client: Client, manager: Membership):
    link = invite(client)
    answer = client.post("/agency/join", {"t": link.partition("t=")[2]})
    assert answer.status_code == 409 and "member of this agency already" in answer.content.decode()
    assert Membership.objects.get(operator_id="op-12").user is None


def test_nothing_of_the_link_or_of_the_person_is_kept_in_clear(client: Client):
    link = invite(client)
    token = link.partition("t=")[2]
    tables = [table for table in connection.introspection.table_names() if table.startswith(("agency_", "audit_"))]
    with connection.cursor() as cursor:
        for table in [*tables, "agencies", "django_session"]:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            kept = "\n".join(row[0] for row in cursor.fetchall())
            for secret in (token, "nina@agency.example", "Nina Sen"):
                assert secret not in kept, (table, secret)
    visitor = Client()
    page = visitor.get(link)
    assert page.headers["Referrer-Policy"] == "no-referrer" and "no-store" in page.headers["Cache-Control"]


def test_what_cannot_be_an_invitation_is_told_what_to_do_instead(client: Client):
    a_member("op-3")
    for changes, words in (
        ({"operator_id": "op-3"}, "somebody of your agency has this one"),
        ({"operator_id": "op 3!"}, "letters, digits, dots"),
        ({"email": "nina"}, "Enter an e-mail address like"),
        ({"name": " "}, "Enter their name"),
        ({"role": ""}, "Select what they may do"),
        ({"role": "OWNER"}, "Select a role from the list"),
    ):
        answer = client.post("/agency/members/invite", FORM | changes)
        assert answer.status_code == 422 and words in answer.content.decode(), changes
        assert "Error:" in answer.content.decode().partition("</title>")[0]
    assert Membership.objects.count() == 2 and not AgencyLetter.objects.exists()


def test_an_agency_sends_only_so_many_invitations(client: Client, manager: Membership, monkeypatch: Any):
    monkeypatch.setattr(members, "INVITATIONS", members.Budget("agency-invitations", per_second=0.001, burst=1))
    assert client.post("/agency/members/invite", FORM).status_code == 303
    answer = client.post("/agency/members/invite", FORM | {"operator_id": "op-13"})
    assert answer.status_code == 429 and answer.headers["Retry-After"]
    assert Membership.objects.count() == 2


def test_a_role_counts_at_the_next_request(client: Client):
    member = a_member("op-3")
    theirs = signed_in_agent(member)
    assert theirs.get("/agency/members").status_code == 404
    client.post(reverse("agency-member-role", args=[member.pk]), {"role": "MANAGER"})
    assert theirs.get("/agency/members").status_code == 200
    client.post(reverse("agency-member-role", args=[member.pk]), {"role": "REVIEWER"})
    assert theirs.get("/agency/members").status_code == 404
    assert actions() == ["member.changed", "member.changed"]
    assert Event.objects.filter(action="member.changed").first().details == {  # type: ignore[union-attr]
        "operator": "m-1",
        "agency": "ea-001",
        "member": "op-3",
        "before": "AGENT",
        "role": "MANAGER",
    }


def test_who_is_switched_off_is_stopped_and_comes_back_when_switched_on(client: Client):
    member = a_member("op-3")
    theirs = signed_in_agent(member)
    page = reverse("agency-member-off", args=[member.pk])
    assert "They come in no more" in client.get(page).content.decode()
    assert client.get(page).status_code == 200 and Membership.objects.get(pk=member.pk).active, "looking does nothing"
    client.post(page)
    assert theirs.get("/agency/members")["Location"] == "/agency/blocked"
    assert "Your access was switched off" in theirs.get("/agency/blocked").content.decode()
    client.post(reverse("agency-member-on", args=[member.pk]))
    assert theirs.get("/agency/blocked")["Location"] == "/agency/"
    assert actions() == ["member.switched_off", "member.switched_on"]


def test_a_manager_cannot_lift_a_suspension(client: Client):
    member = a_member("op-3", suspended_at=clock.now())
    client.post(reverse("agency-member-off", args=[member.pk]))
    client.post(reverse("agency-member-on", args=[member.pk]))
    assert Membership.objects.get(pk=member.pk).suspended_at is not None
    assert "cannot lift a suspension" in client.get(reverse("agency-member", args=[member.pk])).content.decode()


@pytest.mark.parametrize("other", ["none", "invited only", "switched off", "suspended", "certificate over", "an agent"])
def test_the_last_manager_cannot_go(client: Client, manager: Membership, other: str):
    now = clock.now()
    states: dict[str, dict[str, Any]] = {
        "switched off": {"active": False},
        "suspended": {"suspended_at": now},
        "certificate over": {"certified_until": now},
    }
    more = states.get(other, {})
    if other != "none":
        second = a_member("m-2", role="AGENT" if other == "an agent" else "MANAGER", **more)
        if other == "invited only":
            Membership.objects.filter(pk=second.pk).update(user=None)
    for name, form in (("agency-member-off", {}), ("agency-member-role", {"role": "AGENT"})):
        answer = client.post(reverse(name, args=[manager.pk]), form)
        assert answer.status_code == 409, name
        assert "there has to be another manager" in answer.content.decode()
    manager.refresh_from_db()
    assert manager.active and manager.role == "MANAGER"
    assert actions() == []


def test_a_manager_can_go_while_another_one_stays(client: Client, manager: Membership):
    a_member("m-2", role="MANAGER")
    assert client.post(reverse("agency-member-off", args=[manager.pk]))["Location"] == "/agency/"
    assert client.get("/agency/members")["Location"] == "/agency/blocked"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["each other", "themselves"])
def test_of_two_managers_who_go_at_the_same_moment_one_stays(act: str):
    first, second = a_member("m-1", role="MANAGER"), a_member("m-2", role="MANAGER")
    start, refused = threading.Barrier(2), []

    def go(by: Membership, whom: Membership) -> None:
        start.wait()
        try:
            members.switch_off(whom, now=clock.now(), by=by)
        except NotPossible as error:
            refused.append(error.why)
        finally:
            connection.close()

    pairs = [(first, second), (second, first)] if act == "each other" else [(first, first), (second, second)]
    threads = [threading.Thread(target=go, args=pair) for pair in pairs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert Membership.objects.filter(role="MANAGER", active=True).count() == 1
    assert len(refused) == 1
    assert refused[0] in (Why.NOT_A_MANAGER, Why.LAST_MANAGER)


def test_a_manager_who_was_switched_off_meanwhile_changes_nothing(manager: Membership):
    a_member("m-2", role="MANAGER")
    member = a_member("op-3")
    Membership.objects.filter(pk=manager.pk).update(active=False)
    for act in (
        lambda: members.switch_off(member, now=clock.now(), by=manager),
        lambda: members.change_role(member, "MANAGER", now=clock.now(), by=manager),
        lambda: members.invite(an_agency(), Invited("op-9", "N", "n@e.example"), link=str, now=clock.now(), by=manager),
    ):
        with pytest.raises(NotPossible) as refused:
            act()
        assert refused.value.why is Why.NOT_A_MANAGER
    assert Membership.objects.count() == 3


def of_members(member: Membership) -> list[tuple[str, str]]:
    """Every address about members, of everybody and of this one."""
    names = ("agency-member", "agency-member-role", "agency-member-off", "agency-member-on")
    return [
        *((name, reverse(name)) for name in ("agency-members", "agency-member-invite")),
        *((name, reverse(name, args=[member.pk])) for name in (*names, "agency-member-invite-again")),
    ]


def test_agents_and_reviewers_open_no_address_of_members():
    target = a_member("op-3", email="op-3@agency.example")
    clients = {role: signed_in_agent(a_member(f"op-{role}", role=role)) for role in ("AGENT", "REVIEWER")}
    before = state(target)
    for role, client in clients.items():
        for name, address in of_members(target):
            for method in ("get", "post"):
                answer = getattr(client, method)(address, FORM)
                assert answer.status_code == 404, (role, name, method)
        assert "/agency/members" not in client.get("/agency/choose").content.decode(), "nor is it offered"
    assert state(target) == before and not AgencyLetter.objects.exists()


def test_another_agencys_manager_finds_nobody_of_ours(manager: Membership):
    target = a_member("op-3", email="op-3@agency.example")
    stranger = signed_in_agent(a_member("m-1", role="MANAGER", agency=an_agency("ea-002")))
    before = state(target)
    for name, address in of_members(target)[2:]:
        for method in ("get", "post"):
            is_none = 405 if (name, method) == ("agency-member", "post") else 404  # nobody posts there
            assert getattr(stranger, method)(address, FORM).status_code == is_none, (name, method)
    assert "op-3" not in stranger.get("/agency/members").content.decode()
    assert state(target) == before


def test_the_list_tells_role_certificate_training_and_when_somebody_was_here(client: Client):
    now = clock.now()
    a_member("op-3", name="Omar Shaikh", role="REVIEWER", trained_on="2026-09-01", last_seen_at=now)
    a_member("op-4", name="Lena Lapsed", certified_until=now - timedelta(days=1), trained_on="2024-01-15")
    a_member("op-5", name="Olaf Off", active=False)
    text = client.get("/agency/members").content.decode()
    for words in ("Omar Shaikh", "Reviewer", "1 September 2026", "Certificate ended", "Switched off", "never"):
        assert words in text, words


def test_a_long_list_comes_in_pages_with_few_questions(client: Client, django_assert_max_num_queries: Any):
    agency = an_agency()
    Membership.objects.bulk_create(Membership(agency=agency, operator_id=f"b-{n:03}") for n in range(2 * PAGE_LENGTH))
    with django_assert_max_num_queries(12):
        text = client.get("/agency/members").content.decode()
    assert text.count('class="document"') == PAGE_LENGTH
    assert "?page=2" in text and "51 people" in text
    assert client.get("/agency/members?page=3").content.decode().count('class="document"') == 1


def test_a_manager_who_is_alone_is_told_how_others_come_in(client: Client):
    assert "You are the only one so far" in client.get("/agency/members").content.decode()


def test_going_on_with_an_invitation_that_needs_a_sign_in_keeps_the_token_out_of_the_session(
    client: Client, monkeypatch: Any
):
    link = invite(client)
    token = link.partition("t=")[2]
    visitor = Client()
    visitor.get(link)
    visitor.post("/agency/join", {"t": token})
    assert token not in str(dict(visitor.session))
    user = User.objects.create(username="nina", issuer=provider().issuer, sub="nina")
    kept = visitor.session["agency_invitation"]
    sign_in(user, visitor)
    session = visitor.session
    session["agency_invitation"] = kept  # django's own login in tests makes a new session
    session.save()
    assert "Join Agency ea-001" in visitor.get("/agency/join").content.decode()
    assert visitor.post("/agency/join", {})["Location"] == "/agency/"
    assert Membership.objects.get(operator_id="op-12").user == user


def state(member: Membership) -> tuple[Any, ...]:
    fresh = Membership.objects.get(pk=member.pk)
    return (fresh.role, fresh.active, fresh.invitation_digest, fresh.name, Membership.objects.count())


def actions() -> list[str]:
    told = ("member.", "agency.entered")
    return [each.action for each in Event.objects.order_by("pk") if each.action.startswith(told)]
