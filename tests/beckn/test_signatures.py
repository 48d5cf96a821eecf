"""Both published vectors, and every way in which a signature can be wrong. Source: spec/wire.md 1."""

import base64
from datetime import UTC, datetime

import pytest

from beckn import signatures
from beckn.signatures import BadSignature, Limits

BODY_1 = (
    b'{"context":{"domain":"nic2004:60212","country":"IND","city":"Kochi","action":"search","core_version":"0.9.1",'
    b'"bap_id":"bap.stayhalo.in","bap_uri":"https://8f9f-49-207-209-131.ngrok.io/protocol/",'
    b'"transaction_id":"e6d9f908-1d26-4ff3-a6d1-3af3d3721054","message_id":"a2fe6d52-9fe4-4d1a-9d0b-dccb8b48522d",'
    b'"timestamp":"2022-01-04T09:17:55.971Z","ttl":"P1M"},"message":{"intent":{"fulfillment":{"start":{"location":'
    b'{"gps":"10.108768, 76.347517"}},"end":{"location":{"gps":"10.102997, 76.353480"}}}}}}'
)
KEY_1 = "awGPjRK6i/Vg/lWr+0xObclVxlwZXvTjWYtlu6NeOHk="
DIGEST_1 = "b6lf6lRgOweajukcvcLsagQ2T60+85kRh/Rd2bdS+TG/5ALebOEgDJfyCrre/1+BMu5nA94o4DT3pTFXuUg7sw=="
SIGNATURE_1 = "cjbhP0PFyrlSCNszJM1F/YmHDVAWsZqJUPzojnE/7TJU3fJ/rmIlgaUHEr5E0/2PIyf0tpSnWtT6cyNNlpmoAQ=="
HEADER_1 = (
    'Signature keyId="bap.stayhalo.in|key-1|ed25519",algorithm="ed25519",created="1641287875",expires="1641291475",'
    f'headers="(created) (expires) digest",signature="{SIGNATURE_1}"'
)
AT_1 = datetime.fromtimestamp(1641287880, UTC)

SEED_2 = "nnl1gQalccRODkk/AO5/HWYKausRBvkayBegf9TTI9M="
KEY_2 = "l0/NX8ztKcPr4Q2obCQgBqPsV0cfb73xOfako5OL/CU="
BODY_2 = (
    '{"context":{"domain":"beckn.one:deg:p2p-enrollment:2.0.0","version":"2.0.0","action":"init",'
    '"bap_id":"bap.example.org","bap_uri":"https://bap.example.org/bap/receiver","bpp_id":"bpp.example.org",'
    '"bpp_uri":"https://bpp.example.org/bpp/receiver","transaction_id":"2b4d69aa-22e4-4c78-9f56-5a7b9e2b2002",'
    '"message_id":"7d2a1b64-3c55-4f0e-9a6f-0b5c3d1e8f77","timestamp":"2025-01-01T00:00:00.000Z","ttl":"PT30S"},'
    '"message":{"order":{"beckn:note":"Zoë pays ₹5/kWh"}}}'
).encode()
DIGEST_2 = "dg7WC54duUgR1mmGEd+TScuX1ehYk/0MdNnW/6YCArSdodxisH6mdfT52dMfT2fgxQT0p4LAI59BMBMJJLgF2w=="
SIGNATURE_2 = "V29p0sDMbJnjWmYxZOHv7Ex/0aTBKY/Ay3fSn6KZXfLor7jR7/cAJj7swCnu0XTNde8n+TnEdX6D8ixPEwJ5AA=="
AT_2 = datetime.fromtimestamp(1735689600, UTC)


def signed_2(seed: str = SEED_2, **more: object) -> str:
    values = {"subscriber_id": "bap.example.org", "key_id": "76EU-key-1", "seed": seed, "created": AT_2, **more}
    return signatures.sign(BODY_2, **values)  # type: ignore[arg-type]


def test_the_first_published_vector_verifies():
    assert signatures.digest(BODY_1) == DIGEST_1
    signatures.verify(signatures.parse(HEADER_1), BODY_1, KEY_1, now=AT_1, limits=Limits())


def test_the_second_published_vector_is_reproduced_and_verifies():
    assert len(BODY_2) == 462
    assert signatures.digest(BODY_2) == DIGEST_2
    header = signed_2()
    assert header == (
        'Signature keyId="bap.example.org|76EU-key-1|ed25519",algorithm="ed25519",created="1735689600",'
        f'expires="1735689900",headers="(created) (expires) digest",signature="{SIGNATURE_2}"'
    )
    signatures.verify(signatures.parse(header), BODY_2, KEY_2, now=AT_2, limits=Limits())


def test_a_libsodium_key_of_64_bytes_signs_like_its_seed():
    libsodium = base64.b64encode(base64.b64decode(SEED_2) + base64.b64decode(KEY_2)).decode()
    assert signed_2(libsodium) == signed_2()
    assert signatures.public_key_of(SEED_2) == KEY_2


def test_a_libsodium_key_whose_halves_do_not_belong_together_is_refused():
    wrong = base64.b64encode(base64.b64decode(SEED_2) + base64.b64decode(KEY_1)).decode()
    with pytest.raises(ValueError, match="second half"):
        signed_2(wrong)


@pytest.mark.parametrize(
    "header",
    [
        HEADER_1.replace('",', '", '),
        HEADER_1.replace('created="1641287875"', "created=1641287875"),
        HEADER_1.replace("Signature ", "signature  "),
        HEADER_1.replace('algorithm="ed25519",', "") + ',algorithm="ed25519"',
        HEADER_1.replace(",", " , "),
    ],
)
def test_the_header_is_read_tolerantly(header):
    signatures.verify(signatures.parse(header), BODY_1, KEY_1, now=AT_1, limits=Limits())


@pytest.mark.parametrize(
    ("header", "check"),
    [
        ("", "header"),
        ("Bearer abc", "header"),
        ("Signature nonsense", "header"),
        (HEADER_1.replace('signature="', 'signatur="'), "header"),
        (HEADER_1 + ',created="1"', "header"),
        (HEADER_1.replace("|ed25519", "|rsa"), "algorithm"),
        (HEADER_1.replace('algorithm="ed25519"', 'algorithm="hs2019"'), "algorithm"),
        (HEADER_1.replace("bap.stayhalo.in|key-1|", "bap.stayhalo.in|"), "keyId"),
        (HEADER_1.replace("(created) (expires) digest", "(created) digest"), "headers"),
        (HEADER_1.replace("(created) (expires) digest", "(created) (expires) digest host"), "headers"),
        (HEADER_1.replace('created="1641287875"', 'created="yesterday"'), "created"),
        (HEADER_1.replace('expires="1641291475"', 'expires="-1"'), "expires"),
        (HEADER_1.replace(SIGNATURE_1, "????"), "signature"),
        (HEADER_1.replace(SIGNATURE_1, "AAAA"), "signature"),
        (HEADER_1 + "," + "x" * 5000, "header"),
    ],
)
def test_a_header_that_cannot_be_read_says_which_part_is_wrong(header, check):
    with pytest.raises(BadSignature) as bad:
        signatures.parse(header)
    assert bad.value.check == check


def test_a_changed_body_is_refused():
    with pytest.raises(BadSignature, match="does not fit the body"):
        signatures.verify(signatures.parse(HEADER_1), BODY_1 + b" ", KEY_1, now=AT_1, limits=Limits())


def test_another_key_is_refused():
    with pytest.raises(BadSignature) as bad:
        signatures.verify(signatures.parse(HEADER_1), BODY_1, KEY_2, now=AT_1, limits=Limits())
    assert bad.value.check == "signature"


@pytest.mark.parametrize(
    ("clock", "good"),
    [
        (1641287875 - 6, False),
        (1641287875 - 5, True),
        (1641291475, True),
        (1641291476, False),
    ],
)
def test_created_may_be_five_seconds_ahead_and_expires_must_not_be_past(clock, good):
    signature = signatures.parse(HEADER_1)
    now = datetime.fromtimestamp(clock, UTC)
    if good:
        signatures.verify(signature, BODY_1, KEY_1, now=now, limits=Limits())
        return
    with pytest.raises(BadSignature, match=f"our clock {clock}"):
        signatures.verify(signature, BODY_1, KEY_1, now=now, limits=Limits())


def test_a_signature_that_lives_longer_than_an_hour_is_refused():
    header = signed_2(lifetime_seconds=3601)
    with pytest.raises(BadSignature, match="at most 3600 s"):
        signatures.verify(signatures.parse(header), BODY_2, KEY_2, now=AT_2, limits=Limits())


def test_the_fourth_line_counts_only_with_the_request_it_answers():
    header = signed_2(request_signature=SIGNATURE_1)
    signature = signatures.parse(header)
    signatures.verify(signature, BODY_2, KEY_2, now=AT_2, limits=Limits(), request_signature=SIGNATURE_1)
    for other in (None, SIGNATURE_2):
        with pytest.raises(BadSignature):
            signatures.verify(signature, BODY_2, KEY_2, now=AT_2, limits=Limits(), request_signature=other)
