"""After everything that can happen to a message, what it told in confidence stands nowhere in clear (decision 27).

One person with a name, contacts, an account number, tokens, codes and credentials goes through the service; some of
their messages are left half way, in every table where a message can wait. Then every log, file, column and broker key
is searched for every one of these values.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import psycopg
import pytest
import redis

from sandbox import generated
from tests.bap import Answer, eventually, http
from tests.identity import idp
from tests.journeys import P2P, Journey, Json, fulfillment_state
from tests.pilot_journeys import PilotJourney
from tests.processes.scenes import somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

Texts = dict[str, bytes]  # where → all that stands there

#: Where a secret may stand in clear, and why. Everything else is a leak.
ALLOWED: Mapping[str, str] = {}

#: Where a person's DID may stand: it is their name on the network. Never in the journal, never in a log.
DID_ALLOWED: Mapping[str, str] = {
    "subjects.did": "the DID is how the person's row is found",
    "issued_credentials.subject_did": "whom a credential of ours is about",
    "beckn_inbox.body": "the customer's id on the wire, as the participant sent it",
    "beckn_outbox.body": "and as it is echoed to the same participant",
}


@dataclass
class Confidence:
    """What was told in confidence: name of the value → the value."""

    values: dict[str, str] = field(default_factory=dict)

    def told(self, name: str, value: str) -> str:
        self.values[name] = value
        return value

    def told_token(self, name: str, token: str) -> str:
        """A JWT: what it says and its signature, each by itself."""
        _, payload, signature = token.split(".")
        self.values |= {f"{name} (payload)": payload, f"{name} (signature)": signature}
        return token

    def found_in(self, texts: Texts) -> dict[str, list[str]]:
        """The places that have one of the values, in clear or as it stands in a URL or in JSON."""
        found: dict[str, list[str]] = {}
        for name, value in self.values.items():
            forms = {value.encode(), quote(value, safe="").encode(), json.dumps(value)[1:-1].encode()}
            for where, text in texts.items():
                if any(form in text for form in forms):
                    found.setdefault(where, []).append(name)
        return found


class Eavesdropper:
    """Hears every command that reaches a Redis."""

    def __init__(self, url: str) -> None:
        self.heard = b""
        self._client = redis.Redis.from_url(url)
        self._listening = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        assert self._listening.wait(30)

    def _listen(self) -> None:
        with self._client.monitor() as monitor:
            self._listening.set()
            try:
                for command in monitor.listen():
                    self.heard += command["command"].encode() + b"\n"
            except redis.ConnectionError:
                return  # the stack has been stopped


@dataclass
class Aftermath:
    """All that can be found after the story, and what must not be found there."""

    confidence: Confidence
    did: str
    answers: list[Answer]
    logs: Texts
    files: Texts
    columns: Texts
    broker: Texts


@pytest.fixture(scope="module")
def aftermath(stack_of_this_module: Callable[..., Stack]) -> Iterator[Aftermath]:
    with idp.running() as provider:
        client = {"client_id": "portal-client", "participant_id": "portal.test.example"}
        known = [{"issuer": provider.issuer, "utilities": [generated.UTILITY_A], "clients": [client]}]
        stack = stack_of_this_module(
            broker="auto", environment={"OIDC_PROVIDERS": json.dumps(known), "LOG_LEVEL": "DEBUG"}
        )
        broker = stack.settings["CELERY_BROKER_URL"]
        ear = Eavesdropper(broker) if broker.startswith("redis") else None
        story = Story(stack, provider)
        story.play()
        yield Aftermath(
            story.confidence,
            story.journey.person.did,
            story.answers,
            logs={name: text.encode() for name, text in stack.log_texts().items()} | log_of_the_database(stack),
            files=files(stack.folder, but_not={stack.settings_file, *stack.logs.iterdir()}),
            columns=columns(stack.database_url),
            broker={"redis": ear.heard} if ear else {},
        )


class Story:
    """One person's way through the service, with everything that one would not want to read elsewhere."""

    def __init__(self, stack: Stack, provider: idp.IdentityProvider) -> None:
        self.stack, self.provider = stack, provider
        self.confidence, self.answers = Confidence(), list[Answer]()
        told = self.confidence.told
        mark = secrets.token_hex(4)
        person = somebody()
        self.phone = told("mobile", f"+91 98{secrets.randbelow(10**8):08d}")
        self.mobile = told("mobile without spaces", self.phone.replace(" ", ""))
        told("customer number", person.customer_id)
        person.person = {
            "schema:name": told("name", f"Zoë Quartermain-{mark}"),
            "schema:email": told("e-mail", f"zoe.{mark}@quartermain.example"),
            "schema:telephone": self.phone,
        }
        told("national number", f"1234 5678 {mark}")
        self.journey = Journey(stack, person)
        self.credentials = self.journey.credentials()
        for credential in self.credentials:
            self.confidence.told_token(credential["type"], credential["credentialData"])

    def play(self) -> None:
        self._be_enrolled()
        self._look_at_the_credential()
        self._take_it_into_a_wallet()
        self._be_refused()
        self._bring_codes()
        self._be_taken_for_nonsense()
        self._be_left_half_way()

    def sign_in(self, order_id: str, *, method: str = "OIDC") -> Json:
        """`userAuth` with everything in it that any method knows."""
        told, number = self.confidence.told, self.confidence.values["national number"]
        now, person = datetime.now(UTC), self.journey.person
        claims: Json = {
            "did": person.did,
            "name": person.person["schema:name"],
            "email": person.person["schema:email"],
            "aadhaar_number": number,
            "meter_ids": [person.umid],
            "utility_customer_ids": [person.customer_id],
        }
        access = self.provider.token(now, aud=self.stack.base, jti=secrets.token_hex(8), **claims)
        identity = self.provider.token(now, jti=secrets.token_hex(8), **claims)
        return {
            "authMethod": method,
            "accessToken": self.confidence.told_token(f"access token of {order_id}", access),
            "idToken": self.confidence.told_token(f"id token of {order_id}", identity),
            "refreshToken": told(f"refresh token of {order_id}", secrets.token_urlsafe(24)),
            "mobile": self.mobile,
            "otp": told(f"one-time code of {order_id}", f"{secrets.randbelow(10**12):012d}"),
            "nguid": told(f"code session of {order_id}", secrets.token_hex(12)),
            "utilityCustomerId": person.customer_id,
        }

    def init(self, journey: Journey, **attributes: Any) -> Json:
        message = journey.init(credentials=self.credentials, attributes=attributes or None)
        slots = message["message"]["order"]["beckn:fulfillments"][0]["beckn:fulfillmentAttributes"]
        hint = self.credentials[0]["credentialData"]
        slots["existingEnrollments"] = [{"credentialId": "enrollment-vc-1", "credentialData": hint}]
        return message

    def another(self) -> Journey:
        return Journey(self.stack, self.journey.person)

    def _be_enrolled(self) -> None:
        journey = self.journey
        sign_in = self.sign_in(journey.order_id)
        prepared = journey.ask(self.init(journey, userAuth=sign_in))
        assert fulfillment_state(prepared) == "PENDING_CONFIRM", prepared
        confirmed = journey.ask(journey.confirm({"userAuth": sign_in}))
        assert confirmed["beckn:status"] == "CONFIRMED", confirmed
        self.attributes = confirmed["beckn:orderAttributes"]
        self.link = self.attributes["credential"]["credentialUrl"]
        (token,) = parse_qs(urlsplit(self.link).query)["t"]
        self.confidence.told("token of the credential's link", token)
        journey.ask(journey.status())

    def _look_at_the_credential(self) -> None:
        stack, link = self.stack, self.link
        own = self.attributes["credential"]["credentialData"]
        for accept in ("application/jwt", "application/vc+jwt", "text/html"):
            self.answers.append(stack.get(link, accept=accept))
        self.answers.append(stack.get(link + "0"))
        self.answers.append(stack.get(link.partition("?")[0], authorization=f"Bearer {own}"))
        self.answers.append(stack.get(urlsplit(link).path + "/nothing?" + urlsplit(link).query))
        for credential in (own, self.credentials[0]["credentialData"]):
            raw, kind = json.dumps({"credential": credential}).encode(), {"Content-Type": "application/json"}
            self.answers.append(http("POST", f"{stack.base}/verify", raw, kind))

    def _take_it_into_a_wallet(self) -> None:
        """As far as the access token, with a wrong transaction code before, and a request that is refused after."""
        told, base = self.confidence.told, self.stack.base
        asked = {"Accept": "application/json"}
        offer = http("POST", self.attributes["credential"]["offerUrl"], b"", asked).body
        told("reference of the offer", offer["credentialOfferUri"].rpartition("/")[2])
        (grant,) = http("GET", offer["credentialOfferUri"]).body["grants"].items()
        code = told("pre-authorised code", grant[1]["pre-authorized_code"])
        form = {"grant_type": grant[0], "pre-authorized_code": code, "tx_code": "x"}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        self.answers.append(http("POST", f"{base}/wallet/token", urlencode(form).encode(), kind))
        form["tx_code"] = offer["transactionCode"]
        access = http("POST", f"{base}/wallet/token", urlencode(form).encode(), kind).body["access_token"]
        bearer = {"Authorization": f"Bearer {told('access token of the wallet', access)}"}
        self.answers.append(http("POST", f"{base}/wallet/token", urlencode(form).encode(), kind))
        self.answers.append(http("POST", f"{base}/wallet/credential", b"{}", bearer))

    def _be_refused(self) -> None:
        """By code, by presentation, by another person's name, and by the consent that is taken back."""
        for attributes in (
            {"userAuth": self.sign_in("order-otp", method="OTP")},
            {"userAuth": self.sign_in("order-else") | {"accessToken": "x" * 40}},
            {"presentation": {"format": "VP-JWT", "presentationData": self.credentials[0]["credentialData"]}},
        ):
            journey = self.another()
            journey.ask(self.init(journey, **attributes))
        journey = self.another()
        journey.ask(self.init(journey))  # a conflict with their own enrolment
        consent = self.attributes["consents"][0]["consentCredentialId"]
        self.journey.ask(self.journey.revoke_consent(consent))

    def _bring_codes(self) -> None:
        """In both profiles: a code is sent, guessed wrong, and brought back right; and by sign-in in the pilot's."""
        for kind in (Journey, PilotJourney):
            person = somebody()
            journey = kind(self.stack, person)
            number = self.confidence.told(f"{kind.__name__}: mobile", f"+9180000{person.umid.removeprefix('load-')}")
            self.confidence.told(f"{kind.__name__}: account", person.customer_id)
            asked: Json = {"authMethod": "OTP", "mobile": number, "utilityCustomerId": person.customer_id}
            session = self._session(journey.ask(self._with_sign_in(journey, asked)))
            nguid = self.confidence.told(f"{kind.__name__}: session", session)
            code = self._code_sent_to(number)
            self.confidence.told(f"{kind.__name__}: code", f'"{code}"')  # six digits alone stand anywhere
            guess = {**asked, "nguid": nguid, "otp": f"{(int(code) + 1) % 1_000_000:06}"}
            journey.ask(journey.confirm({"userAuth": guess}))
            right = journey.ask(journey.confirm({"userAuth": {**asked, "nguid": nguid, "otp": code}}))
            assert "CONFIRMED" in (right.get("beckn:status"), right.get("beckn:orderStatus")), right
        signed = self.sign_in("order-of-the-pilot")
        journey = PilotJourney(self.stack, self.journey.person, P2P)
        journey.ask(journey.bare_init({k: signed[k] for k in ("authMethod", "accessToken", "idToken", "refreshToken")}))

    def _with_sign_in(self, journey: Journey, user_auth: Json) -> Json:
        if isinstance(journey, PilotJourney):
            return journey.bare_init(user_auth)
        return journey.init(credentials=[], attributes={"userAuth": user_auth})

    def _session(self, order: Json) -> str:
        return str(order["beckn:orderAttributes"]["userAuth"]["nguid"])

    def _code_sent_to(self, number: str) -> str:
        messages = http("GET", f"{self.stack.utility_url()}/outbox", headers={"Accept": "application/json"}).body
        return str(next(m["parameters"]["code"] for m in messages["messages"] if m["to"] == number))

    def _be_taken_for_nonsense(self) -> None:
        """The same values in messages that are refused at the door: the refusals must not repeat them."""
        bap, journey = self.stack.bap, self.another()
        good = self.init(journey, userAuth=self.sign_in(journey.order_id))
        wrong_types = json.loads(json.dumps(good))
        order = wrong_types["message"]["order"]
        sign_in = order["beckn:orderAttributes"]["userAuth"]
        sign_in["accessToken"] = [dict(sign_in)]
        too_long = json.loads(json.dumps(good))
        person = too_long["message"]["order"]["beckn:fulfillments"][0]["beckn:customer"]["beckn:person"]
        person["schema:email"] = person["schema:email"] * 40
        raw = json.dumps(good, ensure_ascii=False).encode()
        twice = raw.replace(b'"otp":', b'"mobile": "' + self.mobile.encode() + b'", "otp":')
        url = f"{self.stack.base}/beckn/init"
        refused = [
            bap.send(self.stack.base, wrong_types),
            bap.send(self.stack.base, too_long),
            bap.post(url, raw[:-1]),
            bap.post(url, twice),
            bap.post(url, raw, headers={"Authorization": bap.authorization(b"else")}),
            bap.post(url, raw, headers={"Content-Type": f"text/{self.phone}"}),
        ]
        assert [answer.status for answer in refused] == [400, 400, 400, 400, 401, 400]
        self.answers += refused

    def _be_left_half_way(self) -> None:
        """At a silent utility, at a portal that is down, and on the way to a worker."""
        stack = self.stack
        waiting = self.another()
        stack.fault("down", seconds=3600)
        order = waiting.ask(self.init(waiting, userAuth=self.sign_in(waiting.order_id)))
        assert fulfillment_state(order) == "WAITING_FOR_UTILITY"
        stack.fault("none")

        undelivered = Journey(stack, somebody())
        undelivered.ask(undelivered.init())
        stack.bap.stop()
        assert undelivered.send(undelivered.confirm()).is_ack
        eventually(lambda: has_row(stack, "beckn_outbox", "state = 'WAITING' AND sealed IS NOT NULL AND attempts = 1"))

        stack.kill("worker-1")
        unhandled = self.another()
        assert unhandled.send(self.init(unhandled, userAuth=self.sign_in(unhandled.order_id))).is_ack
        assert has_row(stack, "beckn_inbox", "state = 'WAITING' AND sealed IS NOT NULL")


def has_row(stack: Stack, table: str, condition: str) -> bool:
    return bool(stack.sql(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1"))


def columns(database_url: str) -> Texts:
    """Everything that stands in each column of each table, as bytes."""
    texts: dict[str, list[bytes]] = {}
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            cursor = connection.execute(f'SELECT * FROM "{table}"'.encode())
            names = [column.name for column in cursor.description or ()]
            for row in cursor:
                for name, value in zip(names, row, strict=True):
                    texts.setdefault(f"{table}.{name}", []).append(as_bytes(value))
    return {where: b"\n".join(values) for where, values in texts.items()}


def as_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str).encode()
    return str(value).encode()


def log_of_the_database(stack: Stack) -> Texts:
    """The embedded server's own log; another server keeps its log elsewhere."""
    ((folder,),) = stack.sql("SELECT current_setting('data_directory')")
    log = Path(folder).parent / "postgres.log"
    return {"postgres": log.read_bytes()} if log.is_file() else {}


def files(folder: Path, *, but_not: set[Path]) -> Texts:
    found = [path for path in folder.rglob("*") if path.is_file() and path not in but_not]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


# --- what is found


def test_the_search_would_find_what_is_there(aftermath: Aftermath):
    confidence = aftermath.confidence
    assert len(confidence.values) > 30
    assert confidence.found_in({"here": f'{{"x": "{confidence.values["name"]}"}}'.encode()}) == {"here": ["name"]}
    assert confidence.found_in({"here": quote(confidence.values["e-mail"]).encode()}) == {"here": ["e-mail"]}
    assert b"worker ready" in aftermath.logs["worker-1"]
    assert len(aftermath.columns) > 200
    assert aftermath.columns["beckn_inbox.sealed"].replace(b"None", b"").strip()


def test_p1_13_no_secret_stands_in_any_log(aftermath: Aftermath):
    # The utility's own process is outside and knows its customers.
    ours = {name: text for name, text in aftermath.logs.items() if not name.startswith("utility-")}
    assert aftermath.confidence.found_in(ours) == {}


def test_no_refusal_repeats_a_secret(aftermath: Aftermath):
    token = aftermath.confidence.values["token of the credential's link"].encode()
    told = {f"{number}: {answer.status}": answer.raw for number, answer in enumerate(aftermath.answers)}
    # A credential that was asked for with its link is given, and it is nobody's secret from whoever holds the link:
    # its page leads on to the receipt and the wallet by the same token.
    told = {where: raw.replace(token, b"") if where.endswith(": 200") else raw for where, raw in told.items()}
    told |= {f"headers {name}": str(dict(answer.headers)).encode() for name, answer in enumerate(aftermath.answers)}
    assert aftermath.confidence.found_in(told) == {}


def test_p1_13_no_secret_stands_in_clear_in_any_column(aftermath: Aftermath):
    found = aftermath.confidence.found_in(aftermath.columns)
    assert {where: names for where, names in found.items() if where not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found), "an exception nobody needs"


def test_p1_13_the_journal_names_nobody(aftermath: Aftermath):
    places = Confidence({"DID": aftermath.did}).found_in(aftermath.columns)
    assert set(places) == set(DID_ALLOWED)
    ours = {name: text for name, text in aftermath.logs.items() if not name.startswith("utility-")}
    assert Confidence({"DID": aftermath.did}).found_in(ours) == {}


def test_no_secret_stands_in_a_file_of_ours(aftermath: Aftermath):
    assert aftermath.confidence.found_in(aftermath.files) == {}


def test_no_secret_passes_the_broker(aftermath: Aftermath):
    if not aftermath.broker:
        pytest.skip("no Redis on this machine")
    assert b"beckn.tasks" in aftermath.broker["redis"] or b"LPUSH" in aftermath.broker["redis"]
    assert aftermath.confidence.found_in(aftermath.broker) == {}
