"""The utility's HTTP face: a plain WSGI application, one small function per address."""

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sandbox.utility import customers, maker, mutual, news, pages, systems
from sandbox.utility.codes import Codes
from sandbox.utility.discovery import Discovery, Refused
from sandbox.utility.faults import Faults
from sandbox.utility.issuers import PURPOSES, Issuer, UnknownCredential, write_secret
from sandbox.utility.people import FILE, People, roles
from sandbox.utility.signing_in import SignIns, provider

CONFIG = "SANDBOX_UTILITY"
TOKEN = "SANDBOX_UTILITY_TOKEN"
SYSTEMS_SECRET = "SANDBOX_UTILITY_SYSTEMS_SECRET"
MUTUAL_PORT = "SANDBOX_UTILITY_MUTUAL_PORT"
WEBHOOK_URL, WEBHOOK_SECRET = "SANDBOX_UTILITY_WEBHOOK_URL", "SANDBOX_UTILITY_WEBHOOK_SECRET"
OPEN_TOKEN = "sandbox"  # contract.md: whoever plays in the sandbox may fetch credentials
IDP = "idp"  # the identity provider, among the systems that fail by themselves
PROGRAM_ISSUER_AT = "utility-example-001"
MAX_BODY = 1 << 20
MAX_IDS = 500

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_REASONS = {200: "OK", 201: "Created", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden"}
_REASONS |= {404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large", 503: "Service Unavailable"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]  # the WSGI environ
    body: bytes

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise Problem(400, "MALFORMED", "The body is not JSON.") from None
        if not isinstance(value, dict):
            raise Problem(400, "MALFORMED", "The body is not a JSON object.")
        return value

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("HTTP_AUTHORIZATION", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    content_type: str = "application/json"
    cache: str = "no-store"
    etag: str = ""


class Problem(Exception):
    """An answer that is not what the caller wanted."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = as_json({"error": {"code": code, "message": message}}, status)


def as_json(value: Any, status: int = 200, *, cache: str = "no-store") -> Answer:
    return Answer(json.dumps(value, separators=(",", ":")).encode(), status, cache=cache)


class Utility:
    """One utility: its people, issuers, faults, outbox and registry, as a WSGI application."""

    def __init__(
        self,
        *,
        utility: str,
        public_url: str,
        folder: Path,
        token: str,
        clock_offset: float = 0.0,
        webhook: news.Webhook | None = None,
        systems_secret: str = "",
        demands_certificates: bool = False,
    ) -> None:
        self.name = utility
        self.public_url = public_url
        self.people = People(utility)
        self.outbox: deque[dict[str, Any]] = deque(maxlen=500)
        self._noticed: deque[str] = deque(maxlen=5000)
        self._offset = timedelta(seconds=clock_offset)
        self._token = token
        own = folder / utility
        self.issuer = Issuer(public_url, own / "issuer", clock=self.now)
        self.program_issuer = self.issuer
        if utility == PROGRAM_ISSUER_AT:
            base = f"{public_url}/issuers/program"
            self.program_issuer = Issuer(base, own / "program-issuer", clock=self.now)
        self.faults = Faults(when_rotated=self._rotate)
        self.own_faults = {name: Faults() for name in ("billing", "changes", *systems.NAMES)}
        self.own_faults[IDP] = Faults(when_rotated=lambda rotated: self.provider.rotate(rotated))
        self.tokens = systems.Tokens(systems_secret)
        self.demands_certificates = demands_certificates
        self.registry = Registry(folder / "registry.json")
        self.discovery = Discovery(self.registry.look_up, self.now)
        self.sign_ins = SignIns(self, own)
        self.provider = provider(self, self.sign_ins, folder, clock_offset=clock_offset)
        self.codes = Codes(self.now, self.people.of_mobile, self._send_code, self.people.of_meter_number)
        self.billing = news.Billing(self.now)
        self.happenings = news.Happenings(self.people, self.now, webhook)
        self._routes = self._table()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        in_trouble = None
        if (environ.get("PATH_INFO") or "").startswith("/o/"):
            in_trouble = self._trouble(self.own_faults[IDP])
            if in_trouble is None:
                return self.provider(environ, start_response)
        request = _request(environ)
        try:
            answer = in_trouble or self.answer(request)
        except Problem as problem:
            answer = problem.answer
        headers = [("Content-Type", answer.content_type), ("Cache-Control", answer.cache)]
        headers.append(("Access-Control-Allow-Origin", "*"))
        if answer.etag:
            headers.append(("ETag", answer.etag))
            if environ.get("HTTP_IF_NONE_MATCH") == answer.etag:
                start_response("304 Not Modified", headers)
                return [b""]
        headers.append(("Content-Length", str(len(answer.body))))
        start_response(f"{answer.status} {_REASONS.get(answer.status, 'Other')}", headers)
        return [b"" if request.method == "HEAD" else answer.body]

    def send(self, to: str, template: str, parameters: Any, *, locale: str = "", **words: str) -> None:
        """Put a message where a person of the sandbox reads it. `words`: its subject and text, if it came with any."""
        message = {"at": _iso(self.now()), "to": to, "template": template, "locale": locale, "parameters": parameters}
        self.outbox.appendleft(message | (words if words.get("text") else {}))

    def answer(self, request: Request) -> Answer:
        if len(request.body) > MAX_BODY:
            raise Problem(413, "TOO_LARGE", "The body is larger than 1 MiB.")
        for faults in self._faults_at(request):
            in_trouble = self._trouble(faults)
            if in_trouble is not None:
                return in_trouble
        method = "GET" if request.method == "HEAD" else request.method
        route = self._routes.get((method, request.path))
        if route is not None:
            return self._spoilt(request, route(request))
        head, _, tail = request.path.rpartition("/")
        route = self._routes.get((method, head + "/*"))
        if route is not None and tail:
            return route(request)
        raise Problem(404, "NOT_FOUND", "There is nothing at this address.")

    def _table(self) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        table: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/"): lambda _: _page(pages.who_is_who(self)),
            ("GET", "/outbox"): self._show_outbox,
            ("GET", "/healthz"): lambda _: as_json({"status": "ok"}),
            ("POST", "/faults"): self._set_fault,
            ("GET", "/faults"): lambda _: as_json({"mode": self.faults.mode(), "holding": self.faults.holding()}),
            ("POST", "/registry/lookup"): self._look_up,
            ("POST", "/discovery/publish"): self._publish_catalog,
            ("GET", "/discovery/catalogs"): lambda _: as_json({"catalogs": self.discovery.catalogs()}),
            ("GET", "/api/v1/meters"): self._meters,
            ("GET", "/api/v1/ders"): self._ders,
            ("POST", "/api/v1/consumer/validate"): self._validate,
            ("POST", "/api/v1/notices"): self._notice,
            ("POST", "/api/v1/customers/match"): self._match,
            ("POST", "/contacts"): self._change_contact,
            ("GET", "/api/v1/accounts"): self._accounts,
            ("GET", f"{customers.PATH}/me"): self._customer,
            ("POST", f"{customers.PATH}/credentials"): self._credentials_of_customer,
            ("POST", "/api/v1/otp/generate"): self._generate_code,
            ("POST", "/api/v1/otp/verify"): self._verify_code,
            ("POST", "/api/v1/credentials/meter-ownership"): self._meter_ownership,
            ("POST", "/api/v1/credentials/program-eligibility"): self._program_eligibility,
            ("POST", "/api/v1/credentials/der-certification"): self._der_certification,
            ("POST", "/api/v1/credentials/revoke"): lambda r: self._flag(r, "revocation", True),
            ("POST", "/api/v1/credentials/suspend"): lambda r: self._flag(r, "suspension", True),
            ("POST", "/api/v1/credentials/resume"): lambda r: self._flag(r, "suspension", False),
        }
        table |= news.routes(
            self.billing,
            self.happenings,
            authorize=self._authorize,
            answer_json=as_json,
            answer_page=lambda text: _page(pages.plain(f"{self.name}: billing and changes", text)),
            clock=self.now,
        )
        table |= self._systems_table()
        if self.name == PROGRAM_ISSUER_AT:
            made = maker.Maker(FILE)
            table |= maker.routes(made, authorize=self._authorize, answer_json=as_json, answer_page=_page)
        for issuer in {id(self.issuer): self.issuer, id(self.program_issuer): self.program_issuer}.values():
            table |= self._issuer_table(issuer)
        return table

    def _issuer_table(self, issuer: Issuer) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        at = issuer.base.removeprefix(self.public_url)
        # did:web puts the document of a bare host under .well-known and that of a path directly into the path.
        places = [f"{at}/.well-known/did.json", *([f"{at}/did.json"] if at else [])]
        document = {("GET", place): lambda _: _did_document(issuer) for place in places}
        return document | {
            ("GET", f"{at}/status/*"): lambda r: _status_list(issuer, "revocation", r.path),
            ("GET", f"{at}/status/suspension/*"): lambda r: _status_list(issuer, "suspension", r.path),
            ("GET", f"{at}/verify/*"): lambda r: _verify(issuer, r.path),
            ("GET", f"{at}/credentials/*"): lambda r: _verify(issuer, r.path),
        }

    # -- trouble

    def _faults_at(self, request: Request) -> list[Faults]:
        """Each system fails by itself, and all but billing and the feed with the whole utility; pages never."""
        if request.path.startswith(("/api/", f"{customers.PATH}/")):
            return [self.faults]
        first, _, rest = request.path.removeprefix("/").partition("/")
        if first == "systems":
            own = self.own_faults.get(rest.partition("/")[0])
            return [self.faults, *([own] if own else [])]
        return [self.own_faults[first]] if first in self.own_faults else []

    def _spoilt(self, request: Request, answer: Answer) -> Answer:
        """What the caller gets of an answer while a system says half of it, or speaks of another's meter."""
        modes = {faults.mode() for faults in self._faults_at(request)} & {"half", "wrong-data"}
        if not modes or answer.content_type != "application/json" or answer.status != 200:
            return answer
        others = [each for each in self.people.meters() if each["umid"] not in request.query.get("umid", [])]
        spoilt = systems.spoilt(min(modes), json.loads(answer.body), others[0] if others else None)
        return as_json(spoilt)

    def _trouble(self, faults: Faults) -> Answer | None:
        mode = faults.mode()
        if mode == "slow":
            faults.hold()
        if mode == "down":
            return as_json({"error": {"code": "DOWN", "message": "The utility is down."}}, 503)
        if mode == "html":
            return _page(pages.maintenance(self.name))
        return None

    def _set_fault(self, request: Request) -> Answer:
        body = request.json()
        system = str(body.get("system", ""))
        if system and system not in self.own_faults:
            raise Problem(400, "MALFORMED", "system is one of " + ", ".join(self.own_faults))
        faults = self.own_faults.get(system, self.faults)
        try:
            faults.set(str(body.get("mode", "")), body.get("seconds"))
        except (TypeError, ValueError) as error:
            raise Problem(400, "MALFORMED", str(error)) from None
        return as_json({"mode": faults.mode(), "seconds": body.get("seconds")})

    def _rotate(self, rotated: bool) -> None:
        for issuer in (self.issuer, self.program_issuer):
            issuer.rotate(rotated)
        self.provider.rotate(rotated)

    # -- systems

    def _systems_table(self) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        """The three systems at addresses of their own (`sandbox.utility.systems`)."""
        return {
            ("POST", "/systems/token"): self._give_token,
            ("GET", "/systems/mdm/api/v1/meters"): lambda r: self._part_of_meters(r, systems.of_the_mdm),
            ("GET", "/systems/cis/api/v1/holders"): lambda r: self._part_of_meters(r, systems.of_the_cis),
            ("GET", "/systems/cis/api/v1/accounts"): self._accounts,
            ("POST", "/systems/cis/api/v1/consumer/validate"): self._validate,
            ("POST", "/systems/cis/api/v1/customers/match"): self._match,
            ("GET", "/systems/der/api/v1/ders"): self._ders,
        }

    def _give_token(self, request: Request) -> Answer:
        self._check_certificate(request)
        given = self.tokens.give(
            request.headers.get("HTTP_AUTHORIZATION", ""), parse_qs(request.body.decode("latin-1"))
        )
        if given is None:
            raise Problem(401, "invalid_client", "This client is not known here.")
        return as_json(given)

    def _check_certificate(self, request: Request) -> None:
        is_systems = request.path.startswith(mutual.PATH)
        if is_systems and self.demands_certificates and not request.headers.get("sandbox.mutual_tls"):
            raise Problem(403, "CERTIFICATE_NEEDED", "These systems are served over mutual TLS only.")

    def _part_of_meters(self, request: Request, part: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Answer:
        whole = json.loads(self._meters(request).body)
        return as_json({"meters": [part(each) for each in whole["meters"]]})

    def _accounts(self, request: Request) -> Answer:
        self._authorize(request)
        subject = (request.query.get("subject") or [""])[0]
        held = {
            holder["utilityCustomerId"]
            for meter in self.people.meters_of(subject)
            for holder in meter["holders"]
            if holder["subject"] == subject and not holder["until"]
        }
        return as_json({"accounts": [{"utilityCustomerId": each} for each in sorted(held)]})

    def _generate_code(self, request: Request) -> Answer:
        self._authorize(request)
        return as_json(self.codes.generate(request.json()))

    def _verify_code(self, request: Request) -> Answer:
        self._authorize(request)
        body = request.json()
        return as_json(self.codes.verify(_text(body, "nguid"), _text(body, "otp")))

    def _send_code(self, message: Mapping[str, Any]) -> None:
        self.outbox.appendleft({"at": _iso(self.now()), **message})

    def _meters(self, request: Request) -> Answer:
        self._authorize(request)
        if "customer" in request.query:
            as_of = _iso(self.now())
            return as_json(
                {"meters": [{**each, "asOf": as_of} for each in self.people.meters_at(request.query["customer"][0])]}
            )
        return as_json({"meters": self._found(request, "umid", self.people.meter)})

    def _ders(self, request: Request) -> Answer:
        self._authorize(request)
        if "meter" in request.query:
            as_of, behind = _iso(self.now()), set(request.query["meter"])
            ders = [der for umid in sorted(behind) for der in self.people.ders_at(umid)]
            return as_json({"ders": [{**each, "asOf": as_of} for each in ders]})
        return as_json({"ders": self._found(request, "derId", self.people.der)})

    def _found(
        self, request: Request, name: str, look_up: Callable[[str], dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        ids = dict.fromkeys(request.query.get(name, []))
        if len(ids) > MAX_IDS:
            raise Problem(400, "TOO_MANY", f"At most {MAX_IDS} ids at once.")
        as_of = _iso(self.now())
        return [{**found, "asOf": as_of} for found in (look_up(value) for value in ids) if found is not None]

    def _validate(self, request: Request) -> Answer:
        self._authorize(request)
        account = self.people.account(_text(request.json(), "utilityCustomerId"))
        if account is None:
            return as_json({"valid": False})
        changed = {"contactChangedAt": account.contact_changed_at} if account.contact_changed_at else {}
        return as_json(
            {"valid": True, "standing": account.standing, "connectionType": account.connection_type, **changed}
        )

    def _match(self, request: Request) -> Answer:
        """Whether there is such a customer, and nothing of who it is."""
        self._authorize(request)
        body = request.json()
        number, mobile = str(body.get("account") or ""), str(body.get("mobile") or "")
        if not number and not mobile:
            raise Problem(400, "MALFORMED", "Send account, mobile, or both.")
        return as_json({"result": self.people.match(number, mobile)})

    def _change_contact(self, request: Request) -> Answer:
        """Somebody's registered contact changes now, or at `at` (RFC 3339): for who plays in the sandbox."""
        body = request.json()
        at = str(body.get("at") or _iso(self.now()))
        if not self.people.contact_changed(_text(body, "utilityCustomerId"), at):
            raise Problem(404, "ACCOUNT_NOT_FOUND", "There is no such account.")
        return as_json({"contactChangedAt": at})

    def _notice(self, request: Request) -> Answer:
        self._authorize(request)
        body = request.json()
        account = self.people.named(_text(body, "utilityCustomerId"))
        if account is None:
            raise Problem(404, "ACCOUNT_NOT_FOUND", "There is no such account.")
        notice_id = str(body.get("noticeId") or "")
        if notice_id and notice_id in self._noticed:
            return as_json({"sent": True})
        self._noticed.append(notice_id)
        person = self.people.people.get(account.subject, {})
        self.send(
            person.get("email", f"{account.id}@sandbox.example"),
            _text(body, "template"),
            body.get("parameters", {}),
            locale=str(body.get("locale", "")),
            subject=str(body.get("subject", "")),
            text=str(body.get("text", "")),
        )
        return as_json({"sent": True})

    def _show_outbox(self, request: Request) -> Answer:
        if "application/json" in request.headers.get("HTTP_ACCEPT", ""):
            return as_json({"messages": list(self.outbox)})
        return _page(pages.outbox(self.name, list(self.outbox)))

    def _look_up(self, request: Request) -> Answer:
        body = request.json()
        return as_json(self.registry.look_up(body.get("subscriber_id"), body.get("key_id") or body.get("ukId")))

    def _publish_catalog(self, request: Request) -> Answer:
        try:
            self.discovery.publish(request.headers.get("HTTP_AUTHORIZATION", ""), request.body)
        except Refused as problem:
            error = {"code": "401", "message": str(problem)}
            return as_json({"message": {"ack": {"status": "NACK"}}, "error": error}, 401)
        return as_json({"message": {"ack": {"status": "ACK"}}})

    # -- credentials

    def _meter_ownership(self, request: Request) -> Answer:
        self._authorize(request, open_to_all=True)
        body = request.json()
        subject, meter_id = _text(body, "subject"), _text(body, "meterId")
        meter = self.people.meter(meter_id)
        if meter is None:
            raise Problem(404, "METER_NOT_FOUND", f"{self.name} has no meter {meter_id}.")
        held = roles(meter, subject)
        if not held:
            raise Problem(403, "NOT_YOUR_METER", "This subject has no relation to this meter.")
        claims = {
            "meterId": meter_id,
            "utilityId": self.name,
            "ownershipStatus": held[0],
            "validFrom": meter["holders"][0]["since"],
            "validUntil": _iso(self.now() + timedelta(days=_days(body))),
        }
        return self._issue(self.issuer, "MeterOwnershipCredential", subject, claims, request)

    def _program_eligibility(self, request: Request) -> Answer:
        self._authorize(request, open_to_all=True)
        body = request.json()
        subject, program_id = _text(body, "subject"), _text(body, "programId")
        if not self.people.meters_of(subject):
            raise Problem(403, "NOT_A_CUSTOMER", f"{self.name} has no meter of this subject.")
        claims = {
            "programId": program_id,
            "eligibilityStatus": "ELIGIBLE",
            "criteriaMet": ["ACCOUNT_STANDING", "GEOGRAPHIC_ELIGIBILITY", "METER_TYPE"],
        }
        return self._issue(self.program_issuer, "ProgramEligibilityCredential", subject, claims, request)

    def _der_certification(self, request: Request) -> Answer:
        self._authorize(request, open_to_all=True)
        body = request.json()
        subject, der_id = _text(body, "subject"), _text(body, "derId")
        der = self.people.der(der_id)
        if der is None:
            raise Problem(404, "DER_NOT_FOUND", f"{self.name} has no device {der_id} in its register.")
        if der["owner"] != subject:
            raise Problem(403, "NOT_YOUR_DER", "This device is not registered to this subject.")
        meter = self.people.meter(der["umid"]) or {}
        claims = {
            "derId": der_id,
            "assetId": der["serialDigest"][:16],
            "derType": der["type"],
            "generationType": der["type"],
            "capacityKW": der["ratedKw"],
            **({"energyKWh": der["energyKwh"]} if der["energyKwh"] is not None else {}),
            "commissioningDate": der["commissionedOn"],
            "manufacturer": der["manufacturer"],
            "modelNumber": der["model"],
            "meterId": der["umid"],
            "meterNumber": meter.get("meterNumber", ""),
            "utilityId": self.name,
            "certifiedBy": "Sandbox Inspectorate",
            "standard": "IEEE 1547",
            "validUntil": _iso(self.now() + timedelta(days=_days(body))),
        }
        return self._issue(self.issuer, "DERCertificationCredential", subject, claims, request)

    def _issue(self, issuer: Issuer, type_: str, subject: str, claims: Mapping[str, Any], request: Request) -> Answer:
        body = request.json()
        alg = str(body.get("alg") or (request.query.get("alg") or ["ES256"])[0])
        if alg not in ("ES256", "RS256", "EdDSA"):
            raise Problem(400, "MALFORMED", "alg is ES256, RS256 or EdDSA.")
        return as_json(issuer.issue(type_, subject, claims, alg=alg, days=_days(body)))  # type: ignore[arg-type]

    # -- the customer's own token

    def _customer(self, request: Request) -> Answer:
        return as_json(customers.me(self, self._subject_of(request)))

    def _credentials_of_customer(self, request: Request) -> Answer:
        subject = self._subject_of(request)
        makers = {
            "meter-ownership": self._meter_ownership,
            "program-eligibility": self._program_eligibility,
            "der-certification": self._der_certification,
        }
        issued = []
        for kind, about in customers.wanted(self, subject, request.json()):
            ours = {**request.headers, "HTTP_AUTHORIZATION": f"Bearer {OPEN_TOKEN}"}
            body = json.dumps({"subject": subject, **about}).encode()
            answer = makers[kind](replace(request, headers=ours, body=body))
            issued.append({**json.loads(answer.body), **({"derId": about["derId"]} if "derId" in about else {})})
        return as_json({"credentials": issued})

    def _subject_of(self, request: Request) -> str:
        subject = self.provider.subject_of(request.bearer())
        if not subject:
            raise Problem(401, "UNAUTHORIZED", "Send the access token of one of our customers.")
        return subject

    def _flag(self, request: Request, purpose: str, is_set: bool) -> Answer:
        self._authorize(request, open_to_all=True)
        credential_id = _text(request.json(), "credentialId")
        for issuer in (self.issuer, self.program_issuer):
            try:
                issuer.flag(credential_id, purpose, is_set)
            except UnknownCredential:
                continue
            return as_json({"credentialId": credential_id, "purpose": purpose, "set": is_set})
        raise Problem(404, "CREDENTIAL_NOT_FOUND", "No such credential was issued here.")

    def _authorize(self, request: Request, *, open_to_all: bool = False) -> None:
        self._check_certificate(request)
        given = request.bearer()
        accepted = [self._token, *([OPEN_TOKEN] if open_to_all else [])]
        if request.path.startswith(mutual.PATH) and self.tokens.knows(given):
            return
        if not any(hmac.compare_digest(given.encode(), token.encode()) for token in accepted):
            raise Problem(401, "UNAUTHORIZED", "Send Authorization: Bearer with a token that is known here.")


class Registry:
    """The network's participants, as a file says; read again whenever it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] = (0, 0)
        self._rows: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def look_up(self, subscriber_id: Any, key_id: Any) -> list[dict[str, Any]]:
        return [
            row
            for row in self._current()
            if subscriber_id in (None, row.get("subscriber_id")) and key_id in (None, row.get("key_id"))
        ]

    def _current(self) -> list[dict[str, Any]]:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return []
        with self._lock:
            if self._read_at != (stat.st_mtime_ns, stat.st_size):
                self._rows = json.loads(self._path.read_text())
                self._read_at = (stat.st_mtime_ns, stat.st_size)
            return self._rows


def _did_document(issuer: Issuer) -> Answer:
    answer = as_json(issuer.did_document(), cache="public, max-age=5")
    return Answer(answer.body, 200, "application/did+json", answer.cache, _etag(answer.body))


def _status_list(issuer: Issuer, purpose: str, path: str) -> Answer:
    number = path.rpartition("/")[2]
    token = issuer.status_list(purpose, int(number)) if number.isdigit() and len(number) < 7 else None
    if token is None:
        raise Problem(404, "LIST_NOT_FOUND", "There is no such status list.")
    body = token.encode()
    return Answer(body, 200, "application/vc+jwt", "public, max-age=1", _etag(body))


def _verify(issuer: Issuer, path: str) -> Answer:
    try:
        status = issuer.status(path.rpartition("/")[2])
    except UnknownCredential:
        raise Problem(404, "CREDENTIAL_NOT_FOUND", "No such credential was issued here.") from None
    return as_json({"issuer": issuer.did, "status": {purpose: status[purpose] for purpose in PURPOSES}})


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _page(text: str) -> Answer:
    return Answer(text.encode(), 200, "text/html; charset=utf-8")


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Problem(400, "MALFORMED", f"{name} is missing.")
    return value


def _days(body: Mapping[str, Any]) -> int:
    days = body.get("days", 365)
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= 3650:
        raise Problem(400, "MALFORMED", "days is a whole number from 1 to 3650.")
    return days


def _iso(instant: datetime) -> str:
    return instant.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _request(environ: dict[str, Any]) -> Request:
    length = environ.get("CONTENT_LENGTH") or "0"
    body = environ["wsgi.input"].read(min(int(length), MAX_BODY + 1)) if length.isdigit() and int(length) else b""
    query = environ.get("QUERY_STRING") or ""
    path = environ.get("PATH_INFO") or "/"
    return Request(environ["REQUEST_METHOD"], path, parse_qs(query) if query else {}, environ, body)


def from_environment() -> Utility:
    """The application of this process, as `python -m sandbox.utility` has described it."""
    config = json.loads(os.environ[CONFIG])
    folder = Path(config["var"])
    mutual_port = int(os.environ.get(MUTUAL_PORT) or 0)
    utility = Utility(
        utility=config["utility"],
        public_url=config["public_url"],
        folder=folder,
        token=_kept_token(folder / config["utility"] / "token"),
        clock_offset=float(config["clock_offset"]),
        webhook=_webhook(),
        systems_secret=os.environ.get(SYSTEMS_SECRET, ""),
        demands_certificates=mutual_port > 0,
    )
    if mutual_port:
        mutual.serve(utility, mutual_port, folder=folder / "tls")
    return utility


def _webhook() -> news.Webhook | None:
    url, secret = os.environ.get(WEBHOOK_URL, ""), os.environ.get(WEBHOOK_SECRET, "")
    return news.Webhook(url, secret) if url and secret else None


def _kept_token(path: Path) -> str:
    given = os.environ.get(TOKEN, "")
    if given:
        return given
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_secret(path, f"sandbox-{secrets.token_urlsafe(24)}")
    return path.read_text().strip()
