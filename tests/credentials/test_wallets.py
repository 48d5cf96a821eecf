"""Wallets: an offer for the holder, one token for one wallet, one credential bound to one key, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from joserfc import jws
from joserfc.jwk import KeySet

from audit import clock
from audit.models import Event
from credentials import claims, keys, multikey, services
from credentials.models import IssuedCredential, WalletAccess, WalletCopy, WalletNonce, WalletOffer
from credentials.wallets import forgetting, nonces, offers, sd_jwt
from identity import retaining
from tests.credentials.conftest import consent, enrollment
from tests.credentials.issuer import key_of
from tests.credentials.wallet import Wallet, p384

BASE = settings.PUBLIC_URL
JWT, SD_JWT = "ProgramEnrollmentCredential_jwt_vc_json", "ProgramEnrollmentCredential_dc_sd_jwt"
DEG_JWT, DEG_SD_JWT = "UtilityProgramEnrollmentCredential_jwt_vc_json", "UtilityProgramEnrollmentCredential_dc_sd_jwt"
VCT = f"{BASE}/vct/ProgramEnrollmentCredential-v1"


@dataclass
class Scene:
    """An enrolment credential, its holder's browser, and a wallet."""

    client: Client
    issued: services.Issued
    wallet: Wallet

    @property
    def path(self) -> str:
        return self.issued.offer_url.removeprefix(BASE)

    def offer(self) -> dict[str, Any]:
        answer = self.client.post(self.path, headers={"Accept": "application/json"})
        assert answer.status_code == 201, answer.content
        return dict(answer.json())

    def grant(self) -> tuple[str, str]:
        """The code and the transaction code of a new offer."""
        told = self.offer()
        (grant,) = self.wallet.open(told["credentialOffer"]).json()["grants"].values()
        return grant["pre-authorized_code"], told["transactionCode"]

    def access(self) -> str:
        answer = self.wallet.token(*self.grant())
        assert answer.status_code == 200, answer.content
        return str(answer.json()["access_token"])


@pytest.fixture
def scene(ready: None, client: Client) -> Scene:
    now = clock.now()
    ends = now + timedelta(days=365)
    new = enrollment(valid_from=now - timedelta(days=1), valid_until=ends, wire_valid_until=None)
    (issued,) = services.issue([new], now=now)
    return Scene(client, issued, Wallet(client))


def of_the_deg_profile() -> services.Issued:
    """An enrolment in the shape the DEG network asks for, with a customer number."""
    now = clock.now()
    said = {"programName": "Flex", "programCode": "FLEX-1", "enrollmentDate": "2026-11-01", "validUntil": "2027-10-31"}
    new = enrollment(
        claims=said,
        personal_claims={"consumerNumber": "C-4711"},
        profile="DEG",
        valid_from=now - timedelta(days=1),
        valid_until=now + timedelta(days=365),
        wire_valid_until=None,
    )
    return services.issue([new], now=now)[0]


def proven(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload, proven with our published keys by a JOSE library that did not sign."""
    known = claims.jwks(settings.ISSUER_DID, [(row.kid, row.multikey, row.public_jwk) for row in keys.published()])
    found = jws.deserialize_compact(token, KeySet.import_key_set(known), algorithms=["ES256"])
    return found.headers(), json.loads(found.payload)


# ── what we promise ──


def test_the_issuer_metadata_names_what_works_and_nothing_more(ready: None, client: Client) -> None:
    answer = client.get("/.well-known/openid-credential-issuer")
    assert answer["Content-Type"] == "application/json" and answer["Access-Control-Allow-Origin"] == "*"
    said = answer.json()
    assert said["credential_issuer"] == BASE
    assert set(said) == {
        "credential_issuer",
        "credential_endpoint",
        "nonce_endpoint",
        "display",
        "credential_configurations_supported",
    }
    as_jwt, as_sd_jwt = (said["credential_configurations_supported"][name] for name in (JWT, SD_JWT))
    assert as_jwt["format"] == "jwt_vc_json" and as_sd_jwt["format"] == "dc+sd-jwt"
    assert as_jwt["credential_definition"] == {"type": ["VerifiableCredential", "ProgramEnrollmentCredential"]}
    assert as_sd_jwt["vct"] == VCT
    assert as_jwt["cryptographic_binding_methods_supported"] == ["did:jwk", "did:key"]
    assert as_sd_jwt["cryptographic_binding_methods_supported"] == ["jwk"]
    for each in (as_jwt, as_sd_jwt):
        assert each["proof_types_supported"] == {"jwt": {"proof_signing_alg_values_supported": ["ES256", "EdDSA"]}}
        assert each["credential_signing_alg_values_supported"] == ["ES256"]
        assert each["credential_metadata"]["display"][0]["name"]


def test_every_claim_of_the_metadata_is_in_the_credential_and_the_other_way_round(scene: Scene) -> None:
    told = scene.client.get("/.well-known/openid-credential-issuer").json()["credential_configurations_supported"]
    for name in (JWT, SD_JWT):
        text = scene.wallet.ask(scene.access(), name).json()["credentials"][0]["credential"]
        says = disclosed(text) if name == SD_JWT else proven(text)[1]["vc"]
        says = says if name == SD_JWT else {"credentialSubject": says["credentialSubject"]}
        paths = [each["path"] for each in told[name]["credential_metadata"]["claims"]]
        for path in paths:
            value: Any = says
            for step in path:
                value = value[0] if step is None and value else value[step] if step is not None else None
        described = {path[1] if path[0] == "credentialSubject" else path[0] for path in paths}
        registered = {"iss", "jti", "iat", "nbf", "exp", "vct", "cnf", "status", "id", "enrollmentStatus"}
        assert set(says.get("credentialSubject", says)) - registered == described - {"id"}


def test_the_server_metadata_names_the_one_grant(ready: None, client: Client) -> None:
    said = client.get("/.well-known/oauth-authorization-server").json()
    assert said == {
        "issuer": BASE,
        "token_endpoint": f"{BASE}/wallet/token",
        "token_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:pre-authorized_code"],
        "authorization_details_types_supported": ["openid_credential"],
        "pre-authorized_grant_anonymous_access_supported": True,
    }


def test_the_type_metadata_is_where_vct_says_and_tells_what_may_be_kept_back(ready: None, client: Client) -> None:
    said = client.get(VCT.removeprefix(BASE)).json()
    assert said["vct"] == VCT and said["display"][0]["locale"] == "en"
    hidden = {json.dumps(each["path"]) for each in said["claims"] if each["sd"] == "always"}
    assert hidden == {'["meters", null]', '["ders", null]', '["sub"]'}
    for other in ("/vct/EnergyConsentCredential-v1", "/vct/x", "/vct/ProgramEnrollmentCredential", "/vct/"):
        assert client.get(other).status_code == 404


@pytest.mark.parametrize(
    ("path", "method"),
    [("/wallet/token", "POST"), ("/wallet/nonce", "POST"), ("/wallet/credential", "POST"), ("/wallet/offers/x", "GET")],
)
def test_wallets_in_browsers_may_ask_from_any_origin(ready: None, client: Client, path: str, method: str) -> None:
    preflight = client.options(path, headers={"Origin": "https://wallet.example"})
    assert preflight.status_code == 204 and preflight["Access-Control-Allow-Origin"] == "*"
    assert method in preflight["Access-Control-Allow-Methods"]
    assert {"Authorization", "Content-Type"} <= set(preflight["Access-Control-Allow-Headers"].split(", "))
    answer = client.generic(method, path, headers={"Origin": "https://wallet.example"})
    assert answer["Access-Control-Allow-Origin"] == "*" and answer["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    wrong = client.generic("DELETE", path)
    assert wrong.status_code == 405 and wrong["Access-Control-Allow-Origin"] == "*"


# ── the offer ──


def test_an_enrolment_credential_comes_with_the_address_of_its_offer(ready: None) -> None:
    issued, other = services.issue([enrollment(), consent()], now=clock.now())
    token = issued.access_url.partition("?t=")[2]
    assert issued.offer_url == f"{issued.url}/offer?t={token}"
    assert other.offer_url == ""


def test_an_offer_is_told_to_whoever_holds_the_link(scene: Scene) -> None:
    bare = scene.path.partition("?")[0]
    token = scene.path.partition("?t=")[2]
    for answer in (
        scene.client.post(f"{bare}?t={token}"),
        scene.client.post(bare, {"t": token}),
    ):
        assert answer.status_code == 201
        assert answer["Cache-Control"] == "no-store" and answer["Referrer-Policy"] == "no-referrer"
        told = answer.json()
        assert set(told) == {"credentialOffer", "credentialOfferUri", "transactionCode", "expiresAt"}
        assert len(told["transactionCode"]) == 6 and told["transactionCode"].isdigit()


def test_nobody_else_learns_that_there_is_something_to_offer(scene: Scene) -> None:
    bare = scene.path.partition("?")[0]
    for path in (bare, f"{bare}?t=", f"{bare}?t=x", "/credentials/none/offer?t=x"):
        for method in ("get", "post"):
            assert getattr(scene.client, method)(path).status_code == 404
    assert scene.client.post(bare, headers={"Authorization": "Bearer x"}).status_code == 404
    assert not WalletOffer.objects.exists()


def test_a_verifier_who_was_shown_the_credential_cannot_bind_a_copy_to_its_own_key(scene: Scene) -> None:
    bare = scene.path.partition("?")[0]
    shown = {"Authorization": f"Bearer {scene.issued.jwt}"}
    assert (
        scene.client.get(bare.removesuffix("/offer"), headers={**shown, "Accept": "application/jwt"}).status_code == 200
    )
    assert scene.client.get(bare, headers=shown).status_code == 404
    assert scene.client.post(bare, headers=shown).status_code == 404
    assert not WalletOffer.objects.exists()


def test_looking_at_the_offers_address_makes_none(scene: Scene) -> None:
    with CaptureQueriesContext(connection) as asked:
        answer = scene.client.get(scene.path, headers={"Accept": "application/json"})
    assert answer.json() == {"credentialConfigurationIds": [JWT, SD_JWT], "reason": "", "minutes": 15}
    assert {query["sql"].lstrip("( ").partition(" ")[0].upper() for query in asked} == {"SELECT"}


def test_the_page_makes_an_offer_by_its_button_and_shows_the_transaction_code_once(scene: Scene) -> None:
    browser = {"Accept": "text/html,*/*;q=0.8"}
    page = scene.client.get(scene.path, headers=browser)
    assert page.status_code == 200 and not WalletOffer.objects.exists()
    assert page["Cache-Control"] == "no-store" and page["Referrer-Policy"] == "no-referrer"
    bare, _, token = scene.path.partition("?t=")
    assert f'action="{bare}"' in page.content.decode() and f'name="t" value="{token}"' in page.content.decode()
    # As a browser sends it from a page without a referrer: no cookie, no CSRF token, Origin: null.
    strict = Client(enforce_csrf_checks=True)
    made = strict.post(bare, {"t": token}, headers={**browser, "Origin": "null"})
    text = made.content.decode()
    assert made.status_code == 200 and "openid-credential-offer://?credential_offer_uri=" in text
    assert 'src="data:image/svg+xml' in text and WalletOffer.objects.count() == 1
    (code,) = set(re.findall(r">([0-9]{6})<", text))
    again = scene.client.get(scene.path, headers=browser).content.decode()
    assert code not in again and "openid-credential-offer" not in again
    services.revoke([scene.issued.id], at=clock.now(), reason="x")
    assert "This credential has been revoked." in scene.client.get(scene.path, headers=browser).content.decode()


def test_the_offer_object_has_what_openid4vci_asks_for(scene: Scene) -> None:
    told = scene.offer()
    answer = scene.wallet.open(told["credentialOffer"])
    assert answer["Content-Type"] == "application/json" and answer["Cache-Control"] == "no-store"
    offer = answer.json()
    assert offer["credential_issuer"] == BASE and offer["credential_configuration_ids"] == [JWT, SD_JWT]
    ((name, grant),) = offer["grants"].items()
    assert name == "urn:ietf:params:oauth:grant-type:pre-authorized_code"
    assert grant["tx_code"]["input_mode"] == "numeric" and grant["tx_code"]["length"] == 6
    assert len(grant["tx_code"]["description"]) <= 300
    assert len(grant["pre-authorized_code"]) >= 43
    assert told["transactionCode"] not in answer.content.decode()


def test_the_rows_hold_digests_and_no_code_in_clear(scene: Scene) -> None:
    told = scene.offer()
    code = scene.wallet.open(told["credentialOffer"]).json()["grants"].popitem()[1]["pre-authorized_code"]
    token = scene.wallet.token(code, told["transactionCode"]).json()["access_token"]
    reference = told["credentialOfferUri"].rpartition("/")[2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT o::text, a::text FROM wallet_offers o JOIN wallet_accesses a ON a.offer_id = o.id")
        ((offer, access),) = cursor.fetchall()
    for secret in (code, told["transactionCode"], token, reference):
        assert secret not in offer and secret.encode().hex() not in offer
        assert secret not in access and secret.encode().hex() not in access


def test_a_new_offer_takes_the_place_of_the_one_before(scene: Scene) -> None:
    code, transaction_code = scene.grant()
    first = WalletOffer.objects.get()
    newer = scene.grant()
    assert WalletOffer.objects.get().pk != first.pk
    assert scene.wallet.token(code, transaction_code).json()["error"] == "invalid_grant"
    assert scene.wallet.token(*newer).status_code == 200


@pytest.mark.parametrize("new", [consent(), enrollment(valid_until=clock.now() - timedelta(days=1))])
def test_consents_and_what_is_over_are_not_offered(ready: None, client: Client, new: services.NewCredential) -> None:
    now = clock.now()
    values = {**vars(new), "valid_from": now - timedelta(days=9), "wire_valid_until": None}
    (issued,) = services.issue([services.NewCredential(**values)], now=now)
    token = issued.access_url.partition("?t=")[2]
    answer = client.post(f"/credentials/{issued.id}/offer?t={token}")
    assert answer.status_code == 409 and answer.json()["title"] and not WalletOffer.objects.exists()


def test_a_revoked_credential_is_neither_offered_nor_handed_over(scene: Scene) -> None:
    access = scene.access()
    services.revoke([scene.issued.id], at=clock.now(), reason="x")
    assert scene.client.post(scene.path).status_code == 409
    answer = scene.wallet.ask(access, JWT)
    assert answer.status_code == 400 and answer.json()["error"] == "credential_request_denied"
    assert not WalletCopy.objects.exists()


# ── the token ──


def test_a_code_and_its_transaction_code_are_a_token_once(scene: Scene) -> None:
    code, transaction_code = scene.grant()
    answer = scene.wallet.token(code, transaction_code)
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    assert answer.json()["token_type"] == "Bearer" and answer.json()["expires_in"] == 300
    again = scene.wallet.token(code, transaction_code)
    assert again.status_code == 400 and again.json()["error"] == "invalid_grant"
    assert WalletAccess.objects.count() == 1


def test_five_wrong_transaction_codes_end_the_offer(scene: Scene) -> None:
    told = scene.offer()
    (grant,) = scene.wallet.open(told["credentialOffer"]).json()["grants"].values()
    right = told["transactionCode"]
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for left in (4, 3, 2, 1, 0):
        answer = scene.wallet.token(grant["pre-authorized_code"], wrong)
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_grant"
        assert (f"{left} more" in answer.json()["error_description"]) == bool(left)
    assert scene.wallet.token(grant["pre-authorized_code"], right).json()["error"] == "invalid_grant"
    assert scene.wallet.open(told["credentialOffer"]).status_code == 404
    assert Event.objects.filter(action="wallet.refused").count() == 1


def test_an_offer_is_over_after_a_quarter_of_an_hour(scene: Scene) -> None:
    told = scene.offer()
    code = scene.wallet.open(told["credentialOffer"]).json()["grants"].popitem()[1]["pre-authorized_code"]
    now = clock.now()
    WalletOffer.objects.update(created_at=now - offers.LIFETIME, expires_at=now)
    assert scene.wallet.open(told["credentialOffer"]).status_code == 404
    answer = scene.wallet.token(code, told["transactionCode"])
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"tx_code": ""}, "invalid_request"),
        ({"pre-authorized_code": ""}, "invalid_request"),
        ({"pre-authorized_code": "x"}, "invalid_grant"),
        ({"pre-authorized_code": "\x00"}, "invalid_grant"),
        ({"tx_code": "\x00é"}, "invalid_grant"),
        ({"authorization_details": "x"}, "invalid_request"),
        ({"authorization_details": "[" * 5000}, "invalid_request"),
        ({"authorization_details": '[{"type": "payment"}]'}, "invalid_request"),
        ({"authorization_details": "[]"}, "invalid_request"),
        ({"x": "y" * 100_000}, "invalid_request"),
    ],
    ids=range(12),
)
def test_a_token_request_that_is_wrong_is_told_how(scene: Scene, change: dict[str, str], error: str) -> None:
    code, transaction_code = scene.grant()
    fields = {"code": code, "transaction_code": transaction_code}
    names = {"pre-authorized_code": "code", "tx_code": "transaction_code"}
    more = {name: value for name, value in change.items() if name not in names}
    fields |= {names[name]: value for name, value in change.items() if name in names}
    answer = scene.wallet.token(fields["code"], fields["transaction_code"], **more)
    assert answer.status_code == 400 and answer.json()["error"] == error
    assert answer.json()["error_description"].isascii() and '"' not in answer.json()["error_description"]
    assert not WalletAccess.objects.exists()


def test_a_token_request_is_a_form_and_says_nothing_twice(scene: Scene) -> None:
    for body, kind in (
        (b"{}", "application/json"),
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (b"&".join(b"f%d=1" % n for n in range(600)), "application/x-www-form-urlencoded"),
        (b"grant_type=x", "application/x-www-form-urlencoded; charset=latin-1"),
    ):
        answer = scene.client.post("/wallet/token", body, content_type=kind)
        assert answer.status_code == 400 and answer.json()["error"] in ("invalid_request", "unsupported_grant_type")


def test_authorization_details_are_answered_with_identifiers_that_work(scene: Scene) -> None:
    asked = [
        {"type": "openid_credential", "credential_configuration_id": SD_JWT},
        {"type": "openid_credential", "credential_configuration_id": "other"},
    ]
    answer = scene.wallet.token(*scene.grant(), authorization_details=json.dumps(asked)).json()
    (details,) = answer["authorization_details"]
    assert details["credential_configuration_id"] == SD_JWT
    (identifier,) = details["credential_identifiers"]
    given = scene.wallet.ask(
        answer["access_token"], "", credential_configuration_id=None, credential_identifier=identifier
    )
    assert given.status_code == 200 and "~" in given.json()["credentials"][0]["credential"]


# ── the credential ──


def disclosed(text: str) -> dict[str, Any]:
    token, *disclosures, binding = text.split("~")
    assert binding == ""
    return sd_jwt.disclosed(proven(token)[1], disclosures)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_as_jwt_it_is_the_same_credential_with_the_wallets_did_as_subject(scene: Scene, algorithm: str) -> None:
    wallet = Wallet(scene.client, algorithm)
    answer = wallet.ask(scene.access(), JWT)
    assert answer.status_code == 200 and answer["Content-Type"] == "application/json", answer.content
    assert answer["Cache-Control"] == "no-store"
    ((_, text),) = answer.json()["credentials"][0].items()
    header, payload = proven(text)
    original = proven(scene.issued.jwt)[1]
    assert header["typ"] == "JWT" and header["kid"] == proven(scene.issued.jwt)[0]["kid"]
    assert payload["jti"] == scene.issued.url and payload["status"] == original["status"]
    assert payload["sub"] == payload["vc"]["credentialSubject"]["id"]
    assert json.loads(multikey.from_b64url(payload["sub"].removeprefix("did:jwk:"))) == wallet.jwk
    for one in (payload, original):
        del one["sub"], one["vc"]["credentialSubject"]["id"]
    assert payload == original


def test_as_sd_jwt_it_says_the_same_and_hides_meters_devices_and_the_network_identity(scene: Scene) -> None:
    text = scene.wallet.ask(scene.access(), SD_JWT).json()["credentials"][0]["credential"]
    token, *disclosures, _ = text.split("~")
    header, payload = proven(token)
    assert header == {"alg": "ES256", "typ": "dc+sd-jwt", "kid": f"{settings.ISSUER_DID}#{keys.active().kid}"}
    assert payload["iss"] == BASE and payload["vct"] == VCT and payload["jti"] == scene.issued.url
    assert payload["cnf"] == {"jwk": scene.wallet.jwk}
    original = proven(scene.issued.jwt)[1]
    assert payload["status"] == original["status"]
    assert (payload["nbf"], payload["exp"]) == (original["nbf"], original["exp"])
    assert "sub" not in payload and "umid-001" not in json.dumps(payload) and "did:example" not in json.dumps(payload)
    subject = original["vc"]["credentialSubject"]
    says = disclosed(text)
    assert says["meters"] == subject["meters"] and says["sub"] == subject["id"]
    assert says["enrollmentStatus"] == "ACTIVE" and says["programId"] == subject["programId"]
    assert len(disclosures) == 2  # one meter, no device, the identity


def test_an_account_number_is_there_only_where_the_record_has_it_and_then_hidden(scene: Scene) -> None:
    without = scene.wallet.ask(scene.access(), SD_JWT).json()["credentials"][0]["credential"]
    assert "consumerNumber" not in disclosed(without)

    scene.issued = of_the_deg_profile()
    text = scene.wallet.ask(scene.access(), DEG_SD_JWT).json()["credentials"][0]["credential"]
    token, *disclosures, _ = text.split("~")
    payload = proven(token)[1]
    assert "C-4711" not in json.dumps(payload) and "consumerNumber" not in json.dumps(payload)
    assert payload["jti"] == f"urn:uuid:{scene.issued.id}" and payload["programCode"] == "FLEX-1"
    assert payload["vct"] == f"{BASE}/vct/UtilityProgramEnrollmentCredential-v1"
    assert disclosed(text)["consumerNumber"] == "C-4711"
    kept_back = [each for each in disclosures if "C-4711" not in multikey.from_b64url(each).decode()]
    assert len(kept_back) == len(disclosures) - 1
    assert "consumerNumber" not in sd_jwt.disclosed(payload, kept_back)
    assert "C-4711" not in json.dumps(list(WalletCopy.objects.values()), default=str)


def test_the_deg_profile_is_handed_over_as_jwt_in_its_own_shape(scene: Scene) -> None:
    scene.issued = of_the_deg_profile()
    told = scene.wallet.open(scene.offer()["credentialOffer"]).json()
    assert told["credential_configuration_ids"] == [DEG_JWT, DEG_SD_JWT]
    assert scene.wallet.ask(scene.access(), JWT).json()["error"] == "unknown_credential_configuration"
    payload = proven(scene.wallet.ask(scene.access(), DEG_JWT).json()["credentials"][0]["credential"])[1]
    original = proven(scene.issued.jwt)[1]
    known = scene.client.get("/.well-known/openid-credential-issuer").json()["credential_configurations_supported"]
    assert payload["vc"]["type"] == known[DEG_JWT]["credential_definition"]["type"] == original["vc"]["type"]
    assert payload["jti"] == original["jti"] and payload["status"] == original["status"]
    assert payload["sub"].startswith("did:jwk:") and payload["vc"]["issuer"] == original["vc"]["issuer"]


@pytest.mark.parametrize("method", ["did:jwk", "did:key"])
def test_a_wallet_may_name_its_key_by_a_did(scene: Scene, method: str) -> None:
    wallet = scene.wallet
    name = multikey.multikey_of(wallet.key.public_key())
    did, fragment = (wallet.did, "0") if method == "did:jwk" else (f"did:key:{name}", name)
    proof = wallet.proof(wallet.nonce(), header={"jwk": None, "kid": f"{did}#{fragment}"})
    answer = wallet.ask(scene.access(), JWT, proof)
    assert answer.status_code == 200, answer.content
    assert proven(answer.json()["credentials"][0]["credential"])[1]["sub"] == did
    assert WalletCopy.objects.get().holder_thumbprint == multikey.thumbprint(wallet.jwk)


def test_a_token_is_good_for_one_credential(scene: Scene) -> None:
    access = scene.access()
    assert scene.wallet.ask(access, JWT).status_code == 200
    again = scene.wallet.ask(access, SD_JWT)
    assert again.status_code == 401 and again["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    copy = WalletCopy.objects.get()
    assert (copy.format, copy.credential_id, copy.kid) == ("jwt_vc_json", scene.issued.id, keys.active().kid)


def test_a_token_is_over_after_five_minutes_and_without_one_there_is_nothing(scene: Scene) -> None:
    access = scene.access()
    WalletAccess.objects.update(expires_at=clock.now())
    assert scene.wallet.ask(access, JWT).status_code == 401
    assert scene.wallet.ask("x", JWT).status_code == 401
    without = scene.wallet.ask("", JWT)
    assert without.status_code == 401 and without["WWW-Authenticate"] == "Bearer"


def test_a_nonce_proves_one_credential(scene: Scene) -> None:
    nonce = scene.wallet.nonce()
    assert scene.wallet.ask(scene.access(), JWT, scene.wallet.proof(nonce)).status_code == 200
    access = scene.access()
    again = scene.wallet.ask(access, JWT, scene.wallet.proof(nonce))
    assert again.status_code == 400 and again.json()["error"] == "invalid_nonce"
    assert scene.wallet.ask(access, JWT).status_code == 200  # the token was not used up by the mistake


def test_asking_for_a_nonce_writes_nothing(ready: None, client: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        one, other = (client.post("/wallet/nonce").json()["c_nonce"] for _ in range(2))
    assert one != other and not asked.captured_queries and not WalletNonce.objects.exists()


def test_a_nonce_is_over_after_five_minutes_and_no_other_will_do(scene: Scene) -> None:
    now = clock.now()
    old = nonces.new(now - timedelta(minutes=5))
    good = nonces.new(now)
    end, rest = good.split(".", 1)
    longer = f"{int(end, 16) + 3600:x}.{rest}"
    for nonce in (old, longer, "x", "..", good[:-1], f"{good}0", "é", "0" * 10_000):
        answer = scene.wallet.ask(scene.access(), JWT, scene.wallet.proof(nonce))
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_nonce", nonce[:20]


def sign(key: Any, algorithm: str, header: dict[str, Any], payload: dict[str, Any]) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers={"typ": "openid4vci-proof+jwt", **header})


BAD_PROOFS: dict[str, Any] = {
    "no text": lambda w, n: 7,
    "no JWT": lambda w, n: "x.y",
    "another type": lambda w, n: w.proof(n, header={"typ": "JWT"}),
    "no key": lambda w, n: w.proof(n, header={"jwk": None}),
    "two keys": lambda w, n: w.proof(n, header={"kid": f"{w.did}#0"}),
    "a certificate": lambda w, n: w.proof(n, header={"jwk": None, "x5c": ["MIIB"]}),
    "a kid that is no DID": lambda w, n: w.proof(n, header={"jwk": None, "kid": "key-1"}),
    "a did:web": lambda w, n: w.proof(n, header={"jwk": None, "kid": "did:web:127.0.0.1%3A9#k"}),
    "a broken did:key": lambda w, n: w.proof(n, header={"jwk": None, "kid": "did:key:z6Mk#x"}),
    "a private key": lambda w, n: w.proof(n, header={"jwk": {**w.jwk, "d": "AAAA"}}),
    "somebody else's key": lambda w, n: w.proof(n, header={"jwk": Wallet(w.client).jwk}),
    "a key of another kind": lambda w, n: w.proof(n, header={"jwk": Wallet(w.client, "EdDSA").jwk}),
    "a symmetric key": lambda w, n: sign("k" * 32, "HS256", {"jwk": {"kty": "oct", "k": "a2tr"}}, says(n)),
    "alg none": lambda w, n: sign(None, "none", {"jwk": w.jwk}, says(n)),
    "P-384": lambda w, n: Wallet(w.client, "ES384", p384()).proof(n),
    "RSA": lambda w, n: Wallet(w.client, "RS256", key_of("RS256")).proof(n),
    "an unknown crit": lambda w, n: w.proof(n, header={"crit": ["x"]}),
    "no audience": lambda w, n: w.proof(n, payload={"aud": None}),
    "another audience": lambda w, n: w.proof(n, payload={"aud": "https://elsewhere.example"}),
    "no time": lambda w, n: w.proof(n, payload={"iat": None}),
    "a time that is none": lambda w, n: w.proof(n, payload={"iat": True}),
    "an old time": lambda w, n: w.proof(n, at=clock.now() - timedelta(hours=1)),
    "a time ahead": lambda w, n: w.proof(n, at=clock.now() + timedelta(hours=1)),
    "no nonce": lambda w, n: w.proof(n, payload={"nonce": None}),
    "a nonce that is no text": lambda w, n: w.proof(n, payload={"nonce": 7}),
    "too long": lambda w, n: w.proof(n, payload={"x": "y" * 20_000}),
}


def says(nonce: str) -> dict[str, Any]:
    return {"aud": BASE, "iat": int(clock.now().timestamp()), "nonce": nonce}


@pytest.mark.parametrize("name", BAD_PROOFS)
def test_a_proof_that_proves_nothing_gets_nothing_and_uses_nothing_up(scene: Scene, name: str) -> None:
    access, nonce = scene.access(), scene.wallet.nonce()
    answer = scene.wallet.ask(access, JWT, BAD_PROOFS[name](scene.wallet, nonce))
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_proof"
    assert answer.json()["error_description"].isascii() and '"' not in answer.json()["error_description"]
    assert not WalletCopy.objects.exists() and not WalletNonce.objects.exists()
    assert scene.wallet.ask(access, JWT, scene.wallet.proof(nonce)).status_code == 200


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"credential_configuration_id": "other"}, "unknown_credential_configuration"),
        ({"credential_configuration_id": None}, "invalid_credential_request"),
        ({"credential_configuration_id": 7}, "invalid_credential_request"),
        ({"credential_identifier": JWT}, "invalid_credential_request"),
        ({"proofs": None}, "invalid_proof"),
        ({"proofs": {}}, "invalid_proof"),
        ({"proofs": {"jwt": []}}, "invalid_proof"),
        ({"proofs": {"jwt": ["a.b.c", "d.e.f"]}}, "invalid_proof"),
        ({"proofs": {"di_vp": [{}]}}, "invalid_proof"),
        ({"proofs": {"jwt": ["a.b.c"], "di_vp": []}}, "invalid_proof"),
        ({"credential_response_encryption": {"jwk": {}}}, "invalid_encryption_parameters"),
    ],
    ids=range(11),
)
def test_a_credential_request_that_is_wrong_is_told_how(scene: Scene, body: dict[str, Any], error: str) -> None:
    answer = scene.wallet.ask(scene.access(), JWT, **body)
    assert answer.status_code == 400 and answer.json()["error"] == error


def test_a_credential_request_is_json(scene: Scene) -> None:
    headers = {"Authorization": f"Bearer {scene.access()}"}
    for body, kind in (
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"[" * 60_000, "application/json"),
        (b"\xff", "application/json"),
        (b"{" + b" " * 100_000 + b"}", "application/json"),
        (b"x.y.z", "application/jwt"),
    ):
        answer = scene.client.post("/wallet/credential", body, content_type=kind, headers=headers)
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_credential_request"


# ── afterwards ──


def test_what_happened_is_in_the_journal_without_a_code_or_a_did(scene: Scene) -> None:
    assert scene.wallet.ask(scene.access(), JWT).status_code == 200
    lines = list(Event.objects.filter(action__startswith="wallet.").order_by("pk").values())
    assert [line["action"] for line in lines] == ["wallet.offered", "wallet.issued"]
    assert {line["object_id"] for line in lines} == {str(scene.issued.id)}
    assert lines[1]["details"]["format"] == "jwt_vc_json" and "did:" not in json.dumps(lines, default=str)


def test_what_is_over_is_forgotten_and_what_was_handed_over_is_remembered(scene: Scene) -> None:
    assert scene.wallet.ask(scene.access(), JWT).status_code == 200
    open_offer = scene.offer()
    assert forgetting.forget(clock.now()) == 0
    later = clock.now() + timedelta(hours=2)
    assert forgetting.forget(later) > 0
    assert not WalletOffer.objects.exists() and not WalletAccess.objects.exists() and not WalletNonce.objects.exists()
    assert WalletCopy.objects.get().offer_id is None
    assert scene.wallet.open(open_offer["credentialOffer"]).status_code == 404


def test_the_upkeep_forgets_what_is_over(scene: Scene) -> None:
    scene.offer()
    long_ago = clock.now() - timedelta(days=1)
    WalletOffer.objects.update(created_at=long_ago - offers.LIFETIME, expires_at=long_ago)
    retaining.work(clock.now())
    assert not WalletOffer.objects.exists()


def test_a_copy_is_revoked_with_the_credential(scene: Scene) -> None:
    text = scene.wallet.ask(scene.access(), SD_JWT).json()["credentials"][0]["credential"]
    place = proven(text.partition("~")[0])[1]["status"]["status_list"]
    row = IssuedCredential.objects.get(pk=scene.issued.id)
    assert (place["idx"], place["uri"]) == (row.status_index, scene.issued.status_list_url)


def test_an_offer_that_ends_in_an_hour_of_another_zone_is_told_with_its_zone(scene: Scene) -> None:
    ends = datetime.fromisoformat(scene.offer()["expiresAt"])
    assert ends.tzinfo is not None and timedelta(minutes=14) < ends - clock.now() <= offers.LIFETIME
