"""A customer's token proves who they are, to the participant and for the order it came with, and to nobody else."""

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from identity import providers, tokens
from identity.models import ProofUse
from identity.tokens import AUTH_REQUIRED, IDP_UNAVAILABLE, TOKEN_EXPIRED, TOKEN_INVALID, Proven, Unproven, prove
from outbound.cache import default_cache
from tests.identity.idp import KEYS, Client, ProviderSettings, raw, running

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
OURS = "http://127.0.0.1:8000"

pytestmark = pytest.mark.django_db


@pytest.fixture
def idp(settings):
    with running() as provider:
        default_cache().clear()
        providers._asked_again.clear()
        settings.PUBLIC_URL = OURS
        settings.ALLOWED_OUTBOUND, settings.DEPLOYMENT = ["127.0.0.1"], "sandbox"
        settings.OIDC_PROVIDERS = [ProviderSettings(provider.issuer)]
        yield provider


def ask(access="", identity="", *, participant="portal.example.com", order="order-1", now=NOW, **more):
    user_auth = {
        "authMethod": "OIDC",
        **({"accessToken": access} if access else {}),
        **({"idToken": identity} if identity else {}),
    }
    return prove(user_auth, participant_id=participant, order_id=order, now=now, **more)


def from_text(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def code(answer):
    return answer.code if isinstance(answer, Unproven) else "PROVEN"


def test_an_id_token_made_for_the_participants_client_proves_who_it_is(idp):
    proven = ask(identity=idp.token(NOW))
    assert isinstance(proven, Proven)
    assert (proven.issuer, proven.sub, proven.subject_did) == (idp.issuer, "user-12345", "did:example:user-12345")
    assert (proven.utility_id, proven.acr) == ("utility-example-001", "2")
    assert (proven.meter_ids, proven.utility_customer_ids) == (("umid-001",), ("CUST-123456",))


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_an_access_token_made_for_us_proves_too(idp, alg):
    assert code(ask(access=idp.token(NOW, alg=alg, aud=OURS))) == "PROVEN"
    assert code(ask(access=idp.token(NOW, alg=alg, aud=["else", OURS], jti="2"))) == "PROVEN"


def test_a_deployment_may_name_its_resource_otherwise(idp, settings):
    settings.OIDC_PROVIDERS = [ProviderSettings(idp.issuer, audiences=("program-owner-bpp",))]
    assert code(ask(access=idp.token(NOW, aud="program-owner-bpp"))) == "PROVEN"
    assert code(ask(access=idp.token(NOW, aud=OURS))) == TOKEN_INVALID


def test_what_a_token_says_beyond_the_allow_list_is_nowhere_kept(idp):
    proven = ask(identity=idp.token(NOW, ssn="1", national_id={"n": 1}))
    assert "1234 5678 9012" not in repr(vars(proven))
    assert "Rajesh" not in repr(vars(proven))
    assert "CUST-123456" not in repr(proven), "and its ids stay out of logs"


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (TOKEN_INVALID, {"aud": "another-client"}),
        (TOKEN_INVALID, {"aud": None}),
        (TOKEN_INVALID, {"aud": ["portal-client", "another-client"]}),
        (TOKEN_INVALID, {"aud": "portal-client", "azp": "another-client"}),
        (TOKEN_INVALID, {"iss": "https://evil.example.com"}),
        (TOKEN_INVALID, {"iss": None}),
        (TOKEN_INVALID, {"sub": None}),
        (TOKEN_INVALID, {"sub": 7}),
        (TOKEN_INVALID, {"sub": "x" * 600}),
        (TOKEN_INVALID, {"exp": None}),
        (TOKEN_INVALID, {"iat": None}),
        (TOKEN_INVALID, {"exp": "tomorrow"}),
        (TOKEN_INVALID, {"exp": True}),
        (TOKEN_INVALID, {"exp": 10**30}),
        (TOKEN_INVALID, {"iat": int((NOW + timedelta(seconds=61)).timestamp())}),
        (TOKEN_INVALID, {"nbf": int((NOW + timedelta(seconds=61)).timestamp())}),
        (TOKEN_INVALID, {"nbf": "later"}),
        (TOKEN_INVALID, {"exp": int((NOW + timedelta(seconds=3601)).timestamp())}),
        (TOKEN_INVALID, {"exp": int((NOW - timedelta(seconds=1)).timestamp())}),
        (
            TOKEN_EXPIRED,
            {
                "iat": int((NOW - timedelta(minutes=9)).timestamp()),
                "exp": int((NOW - timedelta(seconds=60)).timestamp()),
            },
        ),
        (
            "PROVEN",
            {
                "iat": int((NOW - timedelta(minutes=9)).timestamp()),
                "exp": int((NOW - timedelta(seconds=59)).timestamp()),
            },
        ),
        ("PROVEN", {"exp": int((NOW + timedelta(seconds=3600)).timestamp())}),
        ("PROVEN", {"iat": int((NOW + timedelta(seconds=59)).timestamp())}),
        ("PROVEN", {"aud": ["portal-client", "another-client"], "azp": "portal-client"}),
    ],
    ids=str,
)
def test_what_a_token_says_about_itself_is_checked(idp, expected, changes):
    assert code(ask(identity=idp.token(NOW, **changes))) == expected


def test_the_nonce_is_checked_where_we_issued_one(idp):
    assert code(ask(identity=idp.token(NOW, nonce="theirs"))) == "PROVEN"
    assert code(ask(identity=idp.token(NOW, nonce="theirs", jti="2"), nonce="ours")) == TOKEN_INVALID
    assert code(ask(identity=idp.token(NOW, nonce="ours", jti="3"), nonce="ours")) == "PROVEN"


def test_an_hmac_made_with_the_public_key_is_refused(idp):
    public = KEYS["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "kid": "RS256", "typ": "JWT"}
    unsigned = raw(header, json.dumps(idp.claims(NOW)).encode(), b"").rstrip(".")
    signature = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
    assert code(ask(identity=raw(header, json.dumps(idp.claims(NOW)).encode(), signature))) == TOKEN_INVALID


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "RS256"},
        {"alg": "NONE"},
        {"alg": ["RS256"]},
        {"kid": "RS256"},
        {"alg": "ES256K", "kid": "ES256"},
        {"alg": "RS256", "kid": {"a": 1}},
        {"alg": "RS256", "kid": "RS256", "crit": ["b64"], "b64": False},
        {"alg": "RS256", "kid": "RS256"},
    ],
    ids=str,
)
def test_a_strange_header_is_refused_and_breaks_nothing(idp, header):
    assert code(ask(identity=raw(header, json.dumps(idp.claims(NOW)).encode()))) == TOKEN_INVALID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b.c",
        "....",
        "a.b.c.d.e",
        "é.é.é",
        "x" * 20_000,
        raw({"alg": "RS256"}, b"[1]"),
        raw({"alg": "RS256"}, b'{"iss": NaN}'),
        raw({"alg": "RS256"}, b"[" * 9_000),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_token_is_refused_and_breaks_nothing(idp, text):
    assert code(ask(identity=text)) == TOKEN_INVALID
    assert code(ask(access=text)) == TOKEN_INVALID


def test_a_key_that_is_too_weak_or_of_another_kind_is_refused(idp):
    assert code(ask(identity=idp.token(NOW, key=KEYS["weak"], kid="weak"))) == TOKEN_INVALID
    idp.publish("for-encryption", KEYS["RS256"], use="enc")
    idp.publish("for-ps256", KEYS["RS256"], alg="PS256")
    for kid in ("for-encryption", "for-ps256", "ES256", "nobody's"):
        assert code(ask(identity=idp.token(NOW, kid=kid))) == TOKEN_INVALID, kid


def test_a_token_without_kid_is_taken_only_where_one_key_fits(idp):
    assert code(ask(identity=idp.token(NOW, alg="ES256", kid=""))) == "PROVEN"
    idp.publish("second", ec.generate_private_key(ec.SECP256R1()))
    default_cache().clear()
    assert code(ask(identity=idp.token(NOW, alg="ES256", kid="", jti="2"))) == TOKEN_INVALID


def test_a_rotated_key_is_fetched_at_once_but_not_for_every_stranger(idp):
    assert code(ask(identity=idp.token(NOW))) == "PROVEN"
    new = rsa.generate_private_key(65537, 2048)
    idp.publish("new", new)
    assert code(ask(identity=idp.token(NOW, key=new, kid="new", jti="2"))) == "PROVEN"
    before = len(idp.asked)
    for number in range(20):
        assert code(ask(identity=idp.token(NOW, key=new, kid=f"made-up-{number}"))) == TOKEN_INVALID
    assert len(idp.asked) == before


def test_a_provider_that_does_not_answer_is_said_to_be_away(idp):
    idp.is_broken = True
    answer = ask(identity=idp.token(NOW))
    assert (answer.code, answer.retry_after_seconds) == (IDP_UNAVAILABLE, 60)


def test_a_token_is_refused_with_another_order_or_from_another_participant(idp, settings):
    clients = (Client("portal-client", "portal.example.com"), Client("portal-client", "second.example.com"))
    settings.OIDC_PROVIDERS = [ProviderSettings(idp.issuer, clients=clients)]
    for bound, again in ((idp.token(NOW), idp.token(NOW)), (idp.token(NOW, jti="j"), idp.token(NOW, jti="j", acr="1"))):
        assert code(ask(identity=bound)) == "PROVEN"
        assert code(ask(identity=again)) == "PROVEN", "the same order may bring it again"
        assert code(ask(identity=again, order="order-2")) == TOKEN_INVALID
        assert code(ask(identity=again, participant="second.example.com")) == TOKEN_INVALID


def test_a_second_signature_made_of_the_first_does_not_make_a_second_token(idp):
    token = idp.token(NOW, alg="ES256", aud=OURS)
    content, _, signature = token.rpartition(".")
    r, s = (int.from_bytes(part, "big") for part in (from_text(signature)[:32], from_text(signature)[32:]))
    order_of_p256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = r.to_bytes(32, "big") + (order_of_p256 - s).to_bytes(32, "big")
    twin = f"{content}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}"
    assert code(ask(access=token)) == "PROVEN"
    assert code(ask(access=twin, participant="second.example.com")) == TOKEN_INVALID
    assert code(ask(access=twin)) == "PROVEN", "it is as good a signature, and bound where the first one is"


def test_any_proof_is_bound_to_its_first_use_and_only_its_digest_is_kept(db):
    def bind(proof, participant="portal.example.com", order="order-1"):
        until = NOW + timedelta(minutes=10)
        return tokens.bind(proof, participant_id=participant, order_id=order, expires_at=until, now=NOW)

    assert bind("did:key:z6Mk\x00urn:1") and bind("did:key:z6Mk\x00urn:1")
    assert not bind("did:key:z6Mk\x00urn:1", order="order-2")
    assert not bind("did:key:z6Mk\x00urn:1", participant="second.example.com")
    assert bind("did:key:z6Mk\x00urn:2", order="order-2")
    assert {bytes(use.digest) for use in ProofUse.objects.all()} == {
        hashlib.sha256(f"did:key:z6Mk\x00urn:{number}".encode()).digest() for number in (1, 2)
    }


def test_a_token_seen_before_any_order_is_bound_to_the_first_one(idp):
    token = idp.token(NOW)
    for order, expected in (("", "PROVEN"), ("order-1", "PROVEN"), ("", "PROVEN"), ("order-2", TOKEN_INVALID)):
        assert code(ask(identity=token, order=order)) == expected
    assert ProofUse.objects.get().order_id == "order-1"


def test_the_client_has_to_belong_to_the_participant_that_sends(idp):
    assert code(ask(identity=idp.token(NOW), participant="second.example.com")) == TOKEN_INVALID


def test_an_access_token_for_the_utility_may_stand_beside_an_id_token_that_proves(idp):
    assert code(ask(access=idp.token(NOW, aud="utility-api", jti="a"), identity=idp.token(NOW))) == "PROVEN"
    assert code(ask(access="an-opaque-token-of-the-utility", identity=idp.token(NOW))) == "PROVEN"
    assert code(ask(access=idp.token(NOW, aud="utility-api"))) == TOKEN_INVALID


def test_a_forged_token_spoils_the_good_one_beside_it(idp):
    forged = idp.token(NOW, key=rsa.generate_private_key(65537, 2048), aud=OURS)
    assert code(ask(access=forged, identity=idp.token(NOW))) == TOKEN_INVALID


def test_two_good_tokens_of_two_people_prove_nobody(idp):
    assert code(ask(access=idp.token(NOW, aud=OURS, sub="user-2"), identity=idp.token(NOW))) == TOKEN_INVALID


def test_an_access_token_is_no_id_token(idp):
    assert code(ask(identity=idp.token(NOW, typ="at+jwt"))) == TOKEN_INVALID


def test_an_opaque_token_is_introspected_at_the_one_provider_we_may_ask(idp, settings):
    opaque = "opaque-token-0123456789"
    idp.known_tokens[opaque] = {**idp.claims(NOW, aud=OURS), "active": True}
    assert code(ask(access=opaque)) == TOKEN_INVALID, "we have no client there"
    provider = ProviderSettings(idp.issuer, client_id="us", client_secret="s")
    settings.OIDC_PROVIDERS = [provider]
    assert code(ask(access=opaque)) == "PROVEN"
    assert code(ask(access="opaque-token-nobody-knows")) == TOKEN_INVALID
    idp.known_tokens[opaque + "2"] = {**idp.claims(NOW, aud="else"), "active": True}
    assert code(ask(access=opaque + "2")) == TOKEN_INVALID
    settings.OIDC_PROVIDERS = [provider, ProviderSettings("https://b.example.com", client_id="us", client_secret="s")]
    assert code(ask(access=opaque)) == TOKEN_INVALID, "the other provider must not see it"
    named = {"authMethod": "OAUTH2", "accessToken": opaque, "utilityId": "utility-example-001"}
    settings.OIDC_PROVIDERS[1] = replace(settings.OIDC_PROVIDERS[1], utilities=("utility-b",))
    assert code(prove(named, participant_id="p", order_id="another", now=NOW)) == TOKEN_INVALID, (
        "bound to its first use"
    )
    idp.known_tokens[opaque + "3"] = {**idp.claims(NOW, aud=OURS, jti="3"), "active": True}
    named["accessToken"] = opaque + "3"
    assert code(prove({**named, "utilityId": "utility-b"}, participant_id="p", order_id="o", now=NOW)) != "PROVEN"
    assert code(prove(named, participant_id="p", order_id="o", now=NOW)) == "PROVEN"


def test_a_providers_own_names_of_strength_have_an_order(idp, settings):
    levels = ("urn:password", "urn:two")
    settings.OIDC_PROVIDERS = [ProviderSettings(idp.issuer, minimum_acr="urn:password", acr_levels=levels)]
    assert code(ask(identity=idp.token(NOW, acr="urn:two"))) == "PROVEN"
    assert code(ask(identity=idp.token(NOW, acr="urn:three", jti="2"))) == AUTH_REQUIRED


def test_a_sign_in_that_is_too_weak_asks_for_a_stronger_one_and_binds_nothing(idp, settings):
    settings.OIDC_PROVIDERS = [ProviderSettings(idp.issuer, minimum_acr="2")]
    assert code(ask(identity=idp.token(NOW, acr="1"))) == AUTH_REQUIRED
    assert code(ask(identity=idp.token(NOW, acr=None))) == AUTH_REQUIRED
    assert ProofUse.objects.count() == 0
    assert code(ask(identity=idp.token(NOW, acr="3"))) == "PROVEN"


def test_a_provider_of_several_utilities_has_to_name_one_of_its_own(idp, settings):
    settings.OIDC_PROVIDERS = [ProviderSettings(idp.issuer, utilities=("utility-a", "utility-b"))]
    assert code(ask(identity=idp.token(NOW))) == TOKEN_INVALID
    assert ask(identity=idp.token(NOW, utility_id="utility-b", jti="2")).utility_id == "utility-b"
    assert code(ask(identity=idp.token(NOW, utility_id="utility-z", jti="3"))) == TOKEN_INVALID


def test_a_provider_of_no_utility_in_particular_speaks_for_none(idp, settings):
    settings.OIDC_PROVIDERS = [ProviderSettings(idp.issuer, utilities=())]
    proven = ask(identity=idp.token(NOW))
    assert proven.utility_id == ""
    # Nor does it say who is whose customer, and has which meters: its DID would open anybody's orders.
    assert (proven.subject_did, proven.meter_ids, proven.utility_customer_ids) == ("", (), ())
    assert ask(identity=idp.token(NOW, sub="did:example:priya", jti="2")).subject_did == ""


@pytest.mark.parametrize(
    ("user_auth", "expected"),
    [
        ({}, AUTH_REQUIRED),
        ({"authMethod": "OTP", "mobile": "+911234567890"}, AUTH_REQUIRED),
        ({"authMethod": "OIDC"}, TOKEN_INVALID),
        ({"authMethod": "OIDC", "accessToken": 5}, TOKEN_INVALID),
        ({"authMethod": "OIDC", "idToken": {"a": 1}}, TOKEN_INVALID),
        ({"authMethod": ["OIDC"], "accessToken": "x"}, AUTH_REQUIRED),
    ],
    ids=str,
)
def test_a_user_auth_that_proves_nothing_is_answered_with_what_is_missing(idp, user_auth, expected):
    assert code(prove(user_auth, participant_id="p", order_id="o", now=NOW)) == expected


def test_no_answer_repeats_anything_of_the_token(idp):
    token = idp.token(NOW, sub="user-secret", aud="another-client")
    answer = ask(identity=token)
    assert "user-secret" not in answer.message
    assert not any(part in answer.message for part in token.split("."))


def test_uses_are_forgotten_when_the_token_is_too_old_anyway(idp):
    assert code(ask(identity=idp.token(NOW))) == "PROVEN"
    assert tokens.purge(NOW + timedelta(hours=1)) == 0
    assert tokens.purge(NOW + timedelta(hours=2)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_orders_that_bring_one_token_at_once_one_gets_it(idp):
    token, answers = idp.token(NOW), []

    def bring(number):
        answers.append(code(ask(identity=token, order=f"order-{number}")))
        connection.close()

    threads = [threading.Thread(target=bring, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["PROVEN"] + [TOKEN_INVALID] * 19


def test_a_token_of_the_provider_of_an_agencys_people_proves_no_customer(idp, settings):
    settings.OIDC_PROVIDERS = [replace(settings.OIDC_PROVIDERS[0], kind="AGENCY", utilities=())]
    for said in ({"identity": idp.token(NOW)}, {"access": idp.token(NOW, aud=OURS, jti="agent")}):
        answer = ask(**said)
        assert code(answer) == TOKEN_INVALID and "works for an agency" in answer.message
    assert not ProofUse.objects.exists()
