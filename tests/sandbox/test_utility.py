"""The sandbox utility from outside, over HTTP; its signatures are checked with PyJWT alone."""

import json
import threading
import time
from pathlib import Path

import jwt
import pytest

from sandbox.issuing import bit_is_set
from tests.sandbox.running import RunningUtility, utility

RAJESH, PROSUMER = "did:example:user-12345", "did:example:prosumer-789"


def own(a_utility: RunningUtility, kind: str, **body: str) -> dict:
    return a_utility.json(f"/api/v1/credentials/{kind}", body)


def verified(a_utility: RunningUtility, token: str) -> dict:
    """The payload, checked against the issuer's DID document as it is now."""
    kid = jwt.get_unverified_header(token)["kid"]
    did = kid.partition("#")[0]
    path = "/issuers/program/did.json" if did.endswith(":issuers:program") else "/.well-known/did.json"
    document = a_utility.json(path)
    assert document["id"] == did
    method = next(m for m in document["verificationMethod"] if m["id"] == kid)
    assert kid in document["assertionMethod"]
    key = jwt.PyJWK(method["publicKeyJwk"])
    return jwt.decode(token, key, algorithms=[key.algorithm_name], issuer=did)


def status_bit(a_utility: RunningUtility, entry: dict) -> bool:
    path = entry["statusListCredential"].removeprefix(a_utility.url)
    content = verified(a_utility, a_utility.call(path)[1].decode())
    assert content["credentialSubject"]["statusPurpose"] == entry["statusPurpose"]
    return bit_is_set(content["credentialSubject"]["encodedList"], int(entry["statusListIndex"]))


def test_the_front_page_says_who_is_who_and_that_it_is_a_sandbox(a_utility: RunningUtility) -> None:
    page = a_utility.call("/")[1].decode()
    assert "Sandbox" in page
    for text in ("Rajesh Kumar", "umid-001", "CUST-123456", "der-battery-001", PROSUMER):
        assert text in page


def test_meters_are_answered_for_the_known_ids_and_nothing_for_the_others(a_utility: RunningUtility) -> None:
    found = a_utility.json("/api/v1/meters?umid=umid-001&umid=nix&umid=load-000042", token=a_utility.token)["meters"]
    assert [meter["umid"] for meter in found] == ["umid-001", "load-000042"]
    assert found[0]["sanctionedLoadKw"] == 5
    assert {holder["subject"] for holder in found[1]["holders"]} == {"did:example:load-000042"}


@pytest.mark.parametrize("token", ["", "sandbox", "wrong"])
def test_the_systems_want_the_clients_own_token(a_utility: RunningUtility, token: str) -> None:
    for path in ("/api/v1/meters?umid=umid-001", "/api/v1/ders?derId=der-solar-001"):
        assert a_utility.call(path, token=token)[0] == 401
    assert a_utility.call("/api/v1/consumer/validate", {"utilityCustomerId": "CUST-123456"}, token=token)[0] == 401


def test_an_account_is_valid_or_not(a_utility: RunningUtility) -> None:
    for account, expected in (("CUST-123456", True), ("CUST-load-000001", True), ("CUST-0", False)):
        body = {"utilityCustomerId": account}
        assert a_utility.json("/api/v1/consumer/validate", body, token=a_utility.token)["valid"] is expected


def test_a_meter_ownership_credential_verifies_and_says_what_the_guides_sample_says(a_utility: RunningUtility) -> None:
    answer = own(a_utility, "meter-ownership", subject=RAJESH, meterId="umid-001")
    assert set(answer) == {"credentialId", "type", "format", "credentialData", "verificationUrl"}
    payload = verified(a_utility, answer["credentialData"])
    subject = payload["vc"]["credentialSubject"]
    assert payload["sub"] == subject["id"] == RAJESH
    assert {"meterId", "utilityId", "ownershipStatus", "validFrom", "validUntil"} <= set(subject)
    assert payload["jti"] == payload["vc"]["id"] == answer["credentialId"]
    assert payload["exp"] - payload["nbf"] == 365 * 86400
    assert payload["vc"]["type"] == ["VerifiableCredential", "MeterOwnershipCredential"]


def test_eligibility_is_judged_by_another_issuer_under_the_same_host(a_utility: RunningUtility) -> None:
    answer = own(a_utility, "program-eligibility", subject=RAJESH, programId="program-flex-demand-response-001")
    payload = verified(a_utility, answer["credentialData"])
    assert payload["iss"].endswith(":issuers:program")
    assert payload["vc"]["credentialSubject"]["eligibilityStatus"] == "ELIGIBLE"


def test_the_batterys_certificate_says_kilowatts_too(a_utility: RunningUtility) -> None:
    answer = own(a_utility, "der-certification", subject=PROSUMER, derId="der-battery-001")
    subject = verified(a_utility, answer["credentialData"])["vc"]["credentialSubject"]
    assert (subject["capacityKW"], subject["energyKWh"]) == (7.5, 15)


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_credentials_are_signed_with_the_algorithm_that_is_asked_for(a_utility: RunningUtility, alg: str) -> None:
    answer = own(a_utility, "meter-ownership", subject=RAJESH, meterId="umid-001", alg=alg)
    assert jwt.get_unverified_header(answer["credentialData"])["alg"] == alg
    assert verified(a_utility, answer["credentialData"])


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("meter-ownership", {"subject": RAJESH, "meterId": "umid-999"}, 404),
        ("meter-ownership", {"subject": RAJESH, "meterId": "umid-002"}, 403),
        ("meter-ownership", {"subject": RAJESH}, 400),
        ("der-certification", {"subject": RAJESH, "derId": "der-solar-001"}, 403),
        ("der-certification", {"subject": PROSUMER, "derId": "nix"}, 404),
        ("program-eligibility", {"subject": "did:example:nobody", "programId": "p"}, 403),
        ("meter-ownership", {"subject": RAJESH, "meterId": "umid-001", "alg": "HS256"}, 400),
        ("meter-ownership", ["no object"], 400),
    ],
)
def test_nobody_gets_a_credential_about_what_is_not_theirs(
    a_utility: RunningUtility, kind: str, body: object, status: int
) -> None:
    found, answer = a_utility.call(f"/api/v1/credentials/{kind}", body)
    assert found == status
    assert json.loads(answer)["error"]["message"]


def test_revoking_and_suspending_set_their_bits_and_resuming_clears_one(a_utility: RunningUtility) -> None:
    answer = own(a_utility, "meter-ownership", subject=RAJESH, meterId="umid-001")
    entries = {
        entry["statusPurpose"]: entry
        for entry in verified(a_utility, answer["credentialData"])["vc"]["credentialStatus"]
    }
    other = verified(
        a_utility, own(a_utility, "meter-ownership", subject=RAJESH, meterId="umid-001")["credentialData"]
    )["vc"]["credentialStatus"][0]

    def bits() -> tuple[bool, bool]:
        return status_bit(a_utility, entries["revocation"]), status_bit(a_utility, entries["suspension"])

    which = {"credentialId": answer["credentialId"]}
    assert bits() == (False, False)
    a_utility.json("/api/v1/credentials/suspend", which)
    assert bits() == (False, True)
    a_utility.json("/api/v1/credentials/resume", which)
    a_utility.json("/api/v1/credentials/revoke", which)
    a_utility.json("/api/v1/credentials/revoke", which)
    assert bits() == (True, False)
    assert not status_bit(a_utility, other)
    verification = answer["verificationUrl"].removeprefix(a_utility.url)
    assert a_utility.json(verification)["status"] == {"revocation": True, "suspension": False}
    assert a_utility.call("/api/v1/credentials/revoke", {"credentialId": "nix"})[0] == 404


def test_a_status_list_is_not_sent_again_unchanged(a_utility: RunningUtility) -> None:
    import urllib.request

    with urllib.request.urlopen(a_utility.url + "/status/1") as first:
        etag = first.headers["ETag"]
        assert first.headers["Content-Type"] == "application/vc+jwt"
    request = urllib.request.Request(a_utility.url + "/status/1", headers={"If-None-Match": etag})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    assert error.value.code == 304
    assert a_utility.call("/status/99")[0] == 404


def test_a_slow_fault_holds_answers_and_lifting_it_frees_them(a_utility: RunningUtility) -> None:
    a_utility.fault("slow", 30)
    took: list[float] = []

    def ask() -> None:
        started = time.monotonic()
        a_utility.call("/api/v1/meters?umid=umid-001", token=a_utility.token)
        took.append(time.monotonic() - started)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert not took
    assert a_utility.call("/.well-known/did.json")[0] == 200
    a_utility.fault("none")
    for thread in threads:
        thread.join(5)
    assert len(took) == 6
    assert min(took) > 0.4


def test_down_and_html_end_by_themselves(a_utility: RunningUtility) -> None:
    path = "/api/v1/meters?umid=umid-001"
    a_utility.fault("down", 0.4)
    assert a_utility.call(path, token=a_utility.token)[0] == 503
    a_utility.fault("html", 0.4)
    status, body = a_utility.call(path, token=a_utility.token)
    assert (status, body[:9]) == (200, b"<!doctype")
    time.sleep(0.5)
    assert a_utility.json(path, token=a_utility.token)["meters"]


def test_rotated_keys_sign_from_now_on_and_the_old_ones_are_gone_from_the_document(a_utility: RunningUtility) -> None:
    before = own(a_utility, "meter-ownership", subject=RAJESH, meterId="umid-001")["credentialData"]
    a_utility.fault("rotated-keys", 30)
    after = own(a_utility, "meter-ownership", subject=RAJESH, meterId="umid-001")["credentialData"]
    assert verified(a_utility, after)
    with pytest.raises(StopIteration):
        verified(a_utility, before)
    a_utility.fault("none")
    assert verified(a_utility, before)


def test_an_unknown_fault_is_refused(a_utility: RunningUtility) -> None:
    assert a_utility.call("/faults", {"mode": "explode"})[0] == 400
    assert a_utility.call("/faults", {"mode": "slow", "seconds": -1})[0] == 400


def test_the_registry_answers_what_its_file_says_now(a_utility: RunningUtility) -> None:
    path = a_utility.folder / "registry.json"
    path.write_text(json.dumps([{"subscriber_id": "a", "key_id": "1"}, {"subscriber_id": "a", "key_id": "2"}]))
    assert len(a_utility.json("/registry/lookup", {"subscriber_id": "a"})) == 2
    assert a_utility.json("/registry/lookup", {"subscriber_id": "a", "key_id": "2"})[0]["key_id"] == "2"
    path.write_text("[]")
    assert a_utility.json("/registry/lookup", {"subscriber_id": "a"}) == []


def test_a_notice_is_found_in_the_outbox(a_utility: RunningUtility) -> None:
    notice = {"utilityCustomerId": "CUST-123456", "template": "enrolled", "parameters": {"program": "Flex"}}
    assert a_utility.json("/api/v1/notices", notice, token=a_utility.token) == {"sent": True}
    page = a_utility.call("/outbox")[1].decode()
    assert "rajesh.kumar@example.com" in page
    assert "enrolled" in page


def test_keys_issued_credentials_and_revocations_survive_a_restart(tmp_path: Path) -> None:
    with utility(tmp_path) as first:
        answer = own(first, "meter-ownership", subject=RAJESH, meterId="umid-001")
        first.json("/api/v1/credentials/revoke", {"credentialId": answer["credentialId"]})
        port = int(first.url.rpartition(":")[2])
    assert (tmp_path / "utility-example-001" / "issuer" / "keys.json").stat().st_mode & 0o777 == 0o600
    with utility(tmp_path, port=port) as second:
        payload = verified(second, answer["credentialData"])
        assert status_bit(second, payload["vc"]["credentialStatus"][0])


def test_the_second_utility_has_other_people_and_no_program_issuer(tmp_path: Path) -> None:
    with utility(tmp_path, name="utility-example-002") as b:
        assert "umid-020" in b.call("/")[1].decode()
        assert b.json("/api/v1/meters?umid=umid-001&umid=load-000001", token=b.token) == {"meters": []}
        assert b.call("/issuers/program/did.json")[0] == 404
        answer = own(b, "program-eligibility", subject="did:example:cross-chandra", programId="p")
        assert verified(b, answer["credentialData"])["iss"] == b.json("/.well-known/did.json")["id"]


# --- systems of their own


def systems_of(utility: RunningUtility, system: str, path: str, token: str) -> tuple[int, dict]:
    status, body = utility.call(f"/systems/{system}{path}", token=token)
    return status, json.loads(body)


def test_the_mdm_knows_meters_and_not_whose_they_are_and_the_cis_the_other_way_round(a_utility: RunningUtility):
    status, mdm = systems_of(a_utility, "mdm", "/api/v1/meters?umid=umid-001", a_utility.token)
    assert status == 200 and mdm["meters"][0]["sanctionedLoadKw"] == 5 and "holders" not in mdm["meters"][0]
    _, cis = systems_of(a_utility, "cis", "/api/v1/holders?umid=umid-001", a_utility.token)
    assert set(cis["meters"][0]) == {"umid", "holders", "accountStanding"}


def test_each_system_fails_by_itself(a_utility: RunningUtility):
    a_utility.call("/faults", {"system": "der", "mode": "down", "seconds": 30})
    try:
        assert systems_of(a_utility, "der", "/api/v1/ders?derId=der-solar-001", a_utility.token)[0] == 503
        assert systems_of(a_utility, "mdm", "/api/v1/meters?umid=umid-001", a_utility.token)[0] == 200
    finally:
        a_utility.call("/faults", {"system": "der", "mode": "none"})


def test_wrong_data_on_demand_is_half_of_the_fields_or_another_customers_meter(a_utility: RunningUtility):
    try:
        a_utility.fault("half", 30)
        _, body = a_utility.call("/api/v1/meters?umid=umid-001", token=a_utility.token)
        assert len(json.loads(body)["meters"][0]) < 9
        a_utility.fault("wrong-data", 30)
        _, body = a_utility.call("/api/v1/meters?umid=umid-001", token=a_utility.token)
        assert json.loads(body)["meters"][0]["umid"] != "umid-001"
    finally:
        a_utility.fault("none")
