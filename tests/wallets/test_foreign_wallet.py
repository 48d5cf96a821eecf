"""A wallet that we did not write takes a credential from the running service, holds it and shows it.

The packages are installed from the lock in tests/interop/credentials (hashes, no registry address). Needs Node; CI must
have it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import npm
from tests.bap import Answer, eventually, http
from tests.journeys import FLEX, NET_METERING, Journey, Json
from tests.processes.scenes import at_once, somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

HERE = Path(__file__).resolve().parent.parent / "interop" / "credentials"
JWT, SD_JWT = "ProgramEnrollmentCredential_jwt_vc_json", "ProgramEnrollmentCredential_dc_sd_jwt"
Wallet = Callable[..., Json]


@pytest.fixture(scope="module")
def wallet() -> Wallet:
    """A function that gives one task to the foreign wallet."""
    npm.installed(HERE, package="@openid4vc/openid4vci", what="the foreign wallet")

    def do(act: str, **task: Any) -> Json:
        told = json.dumps({"act": act, **task}).encode()
        done = subprocess.run(["node", "wallet.mjs"], cwd=HERE, input=told, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return dict(json.loads(done.stdout))

    return do


class Enrolled:
    """Somebody who has just enrolled, with the links their portal got."""

    def __init__(self, stack: Stack, program: tuple[str, str] = FLEX) -> None:
        self.stack = stack
        self.journey = Journey(stack, somebody(), program)
        self.attributes = self.journey.enroll()["beckn:orderAttributes"]
        self.credential: Json = self.attributes["credential"]

    def offer(self) -> Json:
        """What the person is told: the link for the wallet, and the transaction code."""
        answer = http("POST", self.credential["offerUrl"], b"", {"Accept": "application/json"})
        assert answer.status == 201, answer.raw
        return answer.body

    def leave(self) -> None:
        """Unenrol; the answer comes when the lists show it."""
        self.journey.ask(self.journey.unenroll(self.attributes["enrollmentId"]))


@pytest.fixture
def enrolled(stack: Stack) -> Enrolled:
    return Enrolled(stack)


def taken(wallet: Wallet, enrolled: Enrolled, configuration: str, **more: Any) -> Json:
    told = enrolled.offer()
    done = wallet(
        "take", link=told["credentialOffer"], txCode=told["transactionCode"], configuration=configuration, **more
    )
    assert "failed" not in done, done
    return done


@pytest.mark.parametrize(("alg", "binding"), [("ES256", "jwk"), ("ES256", "did:jwk"), ("EdDSA", "jwk")])
def test_it_takes_the_credential_as_jwt_bound_to_its_key(
    wallet: Wallet, enrolled: Enrolled, alg: str, binding: str
) -> None:
    done = taken(wallet, enrolled, JWT, alg=alg, binding=binding)
    assert done["version"] == "V1" and {JWT, SD_JWT} <= set(done["known"])
    (text,) = done["credentials"]
    found = wallet("checkJwt", issuer=enrolled.stack.base, credential=text)
    payload = found["payload"]
    assert payload["jti"] == enrolled.credential["credentialId"]
    assert payload["sub"].startswith("did:jwk:") and payload["vc"]["credentialSubject"]["id"] == payload["sub"]
    assert payload["vc"]["credentialSubject"]["meters"] == [enrolled.journey.person.umid]
    assert payload["status"]["status_list"] == {
        "idx": int(enrolled.credential["statusListIndex"]),
        "uri": enrolled.credential["statusListUrl"],
    }


def test_it_takes_the_credential_as_sd_jwt_and_shows_what_it_wants(wallet: Wallet, enrolled: Enrolled) -> None:
    done = taken(wallet, enrolled, SD_JWT)
    (text,) = done["credentials"]
    held = {"credential": text, "key": done["key"]}

    everything = wallet("show", frame={"meters": {"0": True}, "sub": True}, **held)
    assert "failed" not in everything, everything
    assert everything["bound"] and everything["claims"]["meters"] == [enrolled.journey.person.umid]
    assert everything["claims"]["sub"] == enrolled.journey.person.did
    assert everything["type"]["mergedTypeMetadata"]["vct"] == everything["payload"]["vct"]
    assert everything["payload"]["iss"] == enrolled.stack.base

    nothing = wallet("show", frame={}, **held)
    assert "failed" not in nothing, nothing
    assert nothing["claims"]["meters"] == [] and "sub" not in nothing["claims"]
    assert nothing["claims"]["programId"] == "program-flex-demand-response-001"
    assert nothing["presented"].count("~") == 1  # the token and the holder's signature, no disclosure


def test_a_customer_number_is_shown_only_when_the_holder_wants_it(wallet: Wallet, stack: Stack) -> None:
    enrolled = Enrolled(stack, NET_METERING)
    done = taken(wallet, enrolled, "UtilityProgramEnrollmentCredential_dc_sd_jwt")
    held = {"credential": done["credentials"][0], "key": done["key"]}
    shown = wallet("show", frame={"consumerNumber": True}, **held)
    assert "failed" not in shown, shown
    assert shown["claims"]["consumerNumber"] == enrolled.journey.person.customer_id
    hidden = wallet("show", frame={}, **held)
    assert "failed" not in hidden and "consumerNumber" not in hidden["claims"]
    assert hidden["claims"]["programCode"] == NET_METERING[1]


def test_our_own_verification_takes_what_the_wallet_holds(wallet: Wallet, enrolled: Enrolled) -> None:
    for configuration in (JWT, SD_JWT):
        (text,) = taken(wallet, enrolled, configuration)["credentials"]
        answer = http("POST", f"{enrolled.stack.base}/verify", text.encode(), {"Content-Type": "application/jwt"})
        assert answer.body["code"] in ("VERIFIED", "NOT_YET_VALID"), answer.raw


def test_what_the_wallet_holds_is_revoked_with_the_enrolment(wallet: Wallet, enrolled: Enrolled) -> None:
    done = taken(wallet, enrolled, SD_JWT)
    held = {"credential": done["credentials"][0], "key": done["key"], "frame": {}}
    assert "failed" not in wallet("show", **held)
    enrolled.leave()
    assert "Status is not valid" in wallet("show", **held)["failed"]


def test_a_wrong_transaction_code_gets_nothing_and_five_end_the_offer(wallet: Wallet, enrolled: Enrolled) -> None:
    told = enrolled.offer()
    wrong = f"{(int(told['transactionCode']) + 1) % 10**6:06d}"
    asked = {"link": told["credentialOffer"], "configuration": JWT}
    for _ in range(4):
        refused = wallet("take", txCode=wrong, **asked)
        assert (refused["step"], refused["failed"], refused["status"]) == ("token", "invalid_grant", 400)
    opened = wallet("take", until="offer", **asked)
    assert wallet("take", txCode=wrong, **asked)["failed"] == "invalid_grant"
    right = {"txCode": told["transactionCode"], **asked}
    dead = wallet("take", **right)
    assert (dead["step"], dead["status"]) == ("offer", 404)
    late = wallet("take", **right, **{"from": {"offer": opened["offer"]}})
    assert (late["step"], late["failed"]) == ("token", "invalid_grant")


def test_a_used_code_and_a_used_token_get_nothing(wallet: Wallet, enrolled: Enrolled) -> None:
    told = enrolled.offer()
    asked = {"link": told["credentialOffer"], "txCode": told["transactionCode"], "configuration": JWT}
    done = wallet("take", **asked)
    assert done["credentials"]
    again = wallet("take", **asked, **{"from": {"offer": done["offer"]}})
    assert (again["step"], again["failed"]) == ("token", "invalid_grant")
    second = wallet("take", **asked, **{"from": {"offer": done["offer"], "token": done["token"]}})
    assert (second["step"], second["failed"], second["status"]) == ("credential", "invalid_token", 401)
    assert wallet("take", **asked)["step"] == "offer"


def test_an_expired_offer_gets_nothing(wallet: Wallet, enrolled: Enrolled) -> None:
    told = enrolled.offer()
    asked = {"link": told["credentialOffer"], "txCode": told["transactionCode"], "configuration": JWT}
    opened = wallet("take", until="offer", **asked)
    enrolled.stack.sql(
        "UPDATE wallet_offers SET created_at = created_at - interval '15 minutes',"
        " expires_at = expires_at - interval '15 minutes' WHERE credential_id = %s",
        enrolled.credential["credentialId"].rpartition("/")[2],
    )
    refused = wallet("take", **asked)
    assert (refused["step"], refused["status"]) == ("offer", 404)
    late = wallet("take", **asked, **{"from": {"offer": opened["offer"]}})
    assert (late["step"], late["failed"]) == ("token", "invalid_grant")
    assert taken(wallet, enrolled, JWT)["credentials"]  # a new offer is made of the same link


def test_a_nonce_of_its_own_is_refused_and_the_token_still_good(wallet: Wallet, enrolled: Enrolled) -> None:
    told = enrolled.offer()
    asked = {"link": told["credentialOffer"], "txCode": told["transactionCode"], "configuration": SD_JWT}
    refused = wallet("take", nonce="my-own", **asked)
    assert (refused["step"], refused["failed"], refused["status"]) == ("credential", "invalid_nonce", 400)
    done = wallet("take", **asked, **{"from": {"offer": refused["offer"], "token": refused["token"]}})
    assert done["credentials"]


def test_of_eight_wallets_with_the_same_code_one_gets_the_credential(wallet: Wallet, enrolled: Enrolled) -> None:
    told = enrolled.offer()
    asked = {"link": told["credentialOffer"], "txCode": told["transactionCode"], "configuration": JWT}
    offer = wallet("take", until="offer", **asked)["offer"]
    (grant,) = offer["grants"].items()
    form = {"grant_type": grant[0], "pre-authorized_code": grant[1]["pre-authorized_code"], "tx_code": asked["txCode"]}

    def trade() -> Answer:
        return post_form(f"{enrolled.stack.base}/wallet/token", form)

    answers = at_once([trade] * 8)
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7
    (won,) = (answer.body["access_token"] for answer in answers if answer.status == 200)
    works = [lambda: wallet("take", **asked, **{"from": {"offer": offer, "token": won}})] * 3
    outcomes = at_once(works)
    assert sorted(each.get("failed", "") for each in outcomes) == ["", "invalid_token", "invalid_token"]
    copies = enrolled.stack.sql(
        "SELECT count(*) FROM wallet_copies WHERE credential_id = %s",
        enrolled.credential["credentialId"].rpartition("/")[2],
    )
    assert copies == [(1,)]


def test_no_code_token_or_reference_is_in_a_log(wallet: Wallet, enrolled: Enrolled) -> None:
    told = enrolled.offer()
    asked = {"link": told["credentialOffer"], "txCode": told["transactionCode"], "configuration": SD_JWT}
    done = wallet("take", **asked)
    (grant,) = done["offer"]["grants"].values()
    secrets = {
        "link token": enrolled.credential["offerUrl"].partition("?t=")[2],
        "reference": told["credentialOfferUri"].rpartition("/")[2],
        "code": grant["pre-authorized_code"],
        "token": done["token"],
        "credential": done["credentials"][0].split("~")[0].rpartition(".")[2],
    }
    eventually(lambda: "/wallet/credential" in enrolled.stack.log_texts()["web"])
    for process, text in enrolled.stack.log_texts().items():
        assert [name for name, secret in secrets.items() if secret in text] == [], process


def post_form(url: str, form: dict[str, str]) -> Answer:
    from urllib.parse import urlencode

    return http("POST", url, urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
