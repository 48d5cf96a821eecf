"""Sign-ins at two utilities in one message: each proven alone, fresh, of its own utility, and all of one person."""

from datetime import UTC, datetime, timedelta

import pytest

from identity import links, providers
from identity.models import LinkReference, Subject, SubjectUtilityLink, User
from identity.several import NotProven, prove, redeem
from identity.tokens import IDP_UNAVAILABLE, TOKEN_INVALID, Proven
from outbound.cache import default_cache
from tests.identity.idp import KEYS, Client, ProviderSettings, running

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
A, B = "utility-example-001", "utility-example-002"

pytestmark = [pytest.mark.django_db, pytest.mark.cross_utility]


@pytest.fixture
def both(settings):
    """Two providers, one for each utility."""
    with running() as one, running() as other:
        default_cache().clear()
        providers._asked_again.clear()
        settings.ALLOWED_OUTBOUND, settings.DEPLOYMENT = ["127.0.0.1"], "sandbox"
        clients = (Client("portal-client", "portal.example.com"),)
        settings.OIDC_PROVIDERS = [
            ProviderSettings(one.issuer, utilities=(A,), clients=clients),
            ProviderSettings(other.issuer, utilities=(B,), clients=clients),
        ]
        yield {A: one, B: other}


def entry(both, utility, role="SECONDARY", **claims):
    said = {"auth_time": int(NOW.timestamp()) - 60, "jti": f"{utility}-{role}-{len(both[utility].asked)}", **claims}
    return {"utilityId": utility, "role": role, "authMethod": "OIDC", "idToken": both[utility].token(NOW, **said)}


def ask(entries, first=None):
    return prove(entries, first, participant_id="portal.example.com", order_id="order-1", now=NOW)


def code(answer):
    return answer.why.code if isinstance(answer, NotProven) else [each.utility_id for each in answer]


def test_the_primary_one_comes_first_in_whatever_order_they_are_sent(both):
    assert code(ask([entry(both, B), entry(both, A, "PRIMARY")])) == [A, B]


def test_the_keys_of_both_are_fetched_whoever_comes_first(both):
    ask([entry(both, A, "PRIMARY"), entry(both, B)])
    assert all("/keys" in both[each].asked for each in (A, B))


@pytest.mark.parametrize("minutes", [11, None], ids=["eleven minutes old", "of unknown age"])
def test_p5_4_a_sign_in_that_is_not_fresh_is_refused(both, minutes):
    at = int((NOW - timedelta(minutes=minutes)).timestamp()) if minutes else None
    answer = ask([entry(both, A, "PRIMARY"), entry(both, B, auth_time=at)])
    assert isinstance(answer, NotProven)
    assert (answer.utility_id, answer.why.code) == (B, TOKEN_INVALID)
    assert "ten minutes" in answer.why.message


def test_p5_2_a_token_sent_for_another_utility_than_its_provider_s_is_refused(both):
    mixed = {**entry(both, A), "utilityId": B}
    assert code(ask([entry(both, A, "PRIMARY"), mixed])) == TOKEN_INVALID


def test_p5_3_two_people_are_refused(both):
    answer = ask([entry(both, A, "PRIMARY"), entry(both, B, did="did:example:somebody-else")])
    assert code(answer) == "SUBJECT_MISMATCH"
    assert "somebody-else" not in repr(answer)


def test_without_a_did_only_what_was_linked_before_makes_them_one(both):
    sent = [entry(both, A, "PRIMARY", did=None, sub="a-1"), entry(both, B, did=None, sub="b-1")]
    assert code(ask(sent)) == "SUBJECT_MISMATCH"
    person = Subject.objects.create()
    for utility, sub in ((A, "a-1"), (B, "b-1")):
        SubjectUtilityLink.objects.create(
            subject=person, utility_id=utility, iss=both[utility].issuer, sub=sub, linked_at=NOW
        )
    assert code(ask(sent)) == [A, B]


def test_same_name_number_and_address_make_nobody_the_same(both):
    same = {"name": "Chandra Iyer", "email": "c@example.com", "phone_number": "+91"}
    sent = [entry(both, A, "PRIMARY", did=None, sub="x", **same), entry(both, B, did=None, sub="x", **same)]
    assert code(ask(sent)) == "SUBJECT_MISMATCH"


def test_a_second_provider_that_does_not_answer_proves_nothing_and_says_when_to_come_back(both):
    sent = [entry(both, A, "PRIMARY"), entry(both, B)]
    both[B].is_broken = True
    answer = ask(sent)
    assert isinstance(answer, NotProven)
    assert (answer.utility_id, answer.why.code, answer.why.retry_after_seconds) == (B, IDP_UNAVAILABLE, 60)


def test_a_forged_second_token_is_refused(both):
    forged = {**entry(both, B), "idToken": both[A].token(NOW, iss=both[B].issuer, key=KEYS["ES256"], alg="ES256")}
    both[B].published.pop("ES256", None)
    assert code(ask([entry(both, A, "PRIMARY"), forged])) == TOKEN_INVALID


def test_a_reference_nobody_was_given_proves_nothing():
    answer = redeem("lr_nothing", None, participant_id="portal.example.com", order_id="order-1", now=NOW)
    assert code(answer) == TOKEN_INVALID


def proven(did, sub="a-1", utility=A):
    return Proven(
        issuer="https://idp.example.com",
        sub=sub,
        subject_did=did,
        utility_id=utility,
        acr="1",
        amr=(),
        auth_time=NOW,
        expires_at=NOW + timedelta(minutes=10),
    )


def referred_to(*people):
    made = LinkReference.objects.create(
        digest=links._digest("lr_given"),
        user=User.objects.for_login("https://idp.example.com", "a-1"),
        identities=[links._written(each) for each in people],
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=10),
    )
    assert made.pk
    return "lr_given"


def test_a_reference_beside_a_sign_in_counts_only_for_the_same_person(both):
    mine = [proven("did:example:me"), proven("did:example:me", "b-1", B)]
    somebody = proven("did:example:somebody", "x-9")
    answer = redeem(referred_to(*mine), somebody, participant_id="p", order_id="order-1", now=NOW)
    assert code(answer) == "SUBJECT_MISMATCH"


def test_a_reference_beside_its_own_sign_in_names_each_utility_once(both):
    mine = [proven("did:example:me"), proven("did:example:me", "b-1", B)]
    answer = redeem(referred_to(*mine), mine[0], participant_id="p", order_id="order-1", now=NOW)
    assert code(answer) == [A, B]
