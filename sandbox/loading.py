"""Fill this deployment with the sandbox's programs, issuers, agency and network; may be run again at any time.

Journalled as the system's own act where something changed. Source: spec/personas.md 0, contract.md.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from audit import log
from audit.log import SYSTEM, Action
from beckn import participants
from beckn.models import Source
from credentials import trust
from enrollment.models import ConflictPair, ConsentText, Program, ProgramVersion
from identity import mandates, staffing
from identity.models import Agency, Mandate, Membership, StaffMember, Subject, User
from identity.staff import Role
from identity.staffing import Invited
from sandbox import agencies, generated, staff
from sandbox.issuing import did_web

PROGRAMS = Path(__file__).resolve().parent / "programs.json"
WORDS = PROGRAMS.with_name("program_texts.json")
PROGRAM_ISSUER_AT = generated.UTILITY_A
JOURNEY_SUBSCRIBER = "journey.sandbox.example"
JOURNEY_PORT = 3  # after the deployment's own port
AGENCY = agencies.AGENCY_A
JOURNEY_AGENCY = "agency.journey.sandbox.example"  # the system of an outside agency, in the journey's assisted story
AGENCY_PARTICIPANTS = ("ea-portal.example.com", JOURNEY_AGENCY)
CERTIFIER = generated.UTILITY_A
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def load(*, now: datetime) -> list[str]:
    """Load everything; return one line for each thing, saying what it is."""
    said = list(load_programs(now))
    said += load_trust(now)
    said += load_agencies(now)
    said += load_staff(now)
    said += load_network(now)
    return said


def load_programs(now: datetime) -> Iterable[str]:
    """Programs with a published version each; one whose data changed gets a new version."""
    data, words = json.loads(PROGRAMS.read_text()), json.loads(WORDS.read_text())
    for entry in data["programs"]:
        with transaction.atomic():
            program, _ = Program.objects.get_or_create(
                program_id=entry["programId"],
                defaults={"provider_id": entry["providerId"], "kind": entry["kind"], "created_at": now},
            )
            _put_texts(program, entry, words)
            number = _publish(program, in_all_languages(entry, words), now)
        yield f"program {program.program_id} (version {number})"
    for pair in data["conflictPairs"]:
        first, second = sorted(pair["groups"])
        ConflictPair.objects.update_or_create(group_a=first, group_b=second, defaults={"verdict": pair["verdict"]})
        yield f"groups {first} and {second} on one meter: {pair['verdict']}"


def in_all_languages(entry: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a ProgramVersion, with what program_texts.json says of it in each language."""
    version = dict(entry["version"])
    for name in ("opens_at", "closes_at"):
        if name in version:
            version[name] = datetime.fromisoformat(version[name])
    for name, english, key in (
        ("criteria", "text", "texts"),
        ("required_credentials", "description", "descriptions"),
        ("required_consents", "description", "descriptions"),
    ):
        version[name] = [
            {**each, key: {"en": each[english], **words["sentences"].get(each[english], {})}} for each in version[name]
        ]
    told = words["programs"].get(entry["programId"])
    return version | ({"presentation": _presentation(version, told, words["notRead"])} if told else {})


def _presentation(version: Mapping[str, Any], told: Mapping[str, Any], not_read: Iterable[str]) -> dict[str, Any]:
    english = {
        "name": version["name"],
        "shortDesc": version["short_description"],
        "longDesc": version["long_description"],
    }
    return {
        "minutes": told["minutes"],
        "texts": {
            locale: {
                **(english if locale == "en" else {}),
                **text,
                "example": {"text": text["example"], "isExample": True},
                "reviewed": locale not in not_read,
            }
            for locale, text in told["texts"].items()
        },
    }


def _put_texts(program: Program, entry: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    translated = words["programs"].get(entry["programId"], {}).get("consents", {})
    versions = {consent["type"]: consent["textVersion"] for consent in entry["version"]["required_consents"]}
    for named, texts in entry["texts"].items():
        # A type that is asked for twice (each direction of sharing) has its texts under "TYPE@version".
        consent_type, _, number = named.partition("@")
        for locale, body in (texts | translated.get(named, {})).items():
            digest = "sha256:" + hashlib.sha256(body.encode()).hexdigest()
            text, _ = ConsentText.objects.get_or_create(
                program=program,
                consent_type=consent_type,
                version=number or versions[consent_type],
                locale=locale,
                defaults={"body": body, "digest": digest, "is_read": locale not in words["notRead"]},
            )
            if text.digest != digest:
                raise ValueError(f"{program} {consent_type} {locale}: the text changed, so its textVersion must too")


def _publish(program: Program, wanted: Mapping[str, Any], now: datetime) -> int:
    published = ProgramVersion.objects.filter(program=program, state="PUBLISHED").first()
    if published is not None:
        if all(getattr(published, name) == value for name, value in wanted.items()):
            return published.number
        published.state = "RETIRED"
        published.save(update_fields=["state"])
    last = ProgramVersion.objects.filter(program=program).order_by("-number").first()
    version = ProgramVersion.objects.create(
        program=program, number=last.number + 1 if last else 1, state="PUBLISHED", published_at=now, **wanted
    )
    log.record(
        Action.PROGRAM_PUBLISHED,
        actor=SYSTEM,
        at=now,
        object_type="ProgramVersion",
        object_id=str(version.pk),
        details={"program": program.program_id, "number": version.number, "by": "sandbox load"},
    )
    return version.number


def load_trust(now: datetime) -> Iterable[str]:
    """Each utility for its own meters, devices and judgements; the program issuer for eligibility anywhere."""
    for utility in settings.UTILITIES:
        did = did_web(utility.url)
        types = ["MeterOwnershipCredential", "DERCertificationCredential", "ProgramEligibilityCredential"]
        if utility.id == PROGRAM_ISSUER_AT:
            types.remove("ProgramEligibilityCredential")
            programs = did_web(f"{utility.url}/issuers/program")
            trust.add(programs, types=["ProgramEligibilityCredential"], now=now, source="sandbox")
            yield f"trusted for eligibility: {programs}"
        trust.add(did, types=types, utilities=[utility.id], now=now, source="sandbox")
        yield f"trusted for {utility.id}: {did}"


def load_agencies(now: datetime) -> Iterable[str]:
    """Two agencies with their people: certified ones, one whose certificate has lapsed, a reviewer, managers.

    Each has a portal here that signs with its own key; outside participants may send for the first one, too.
    """
    ours = [identity.subscriber_id for identity in settings.BECKN_IDENTITIES if identity.role == "agency"]
    issuer = next((each.issuer for each in settings.OIDC_PROVIDERS if each.kind == "AGENCY"), "")
    named = ((agencies.AGENCY_A, "Sandbox Enrolment Agency"), (agencies.AGENCY_B, "Second Enrolment Agency"))
    for number, (agency_id, name) in enumerate(named):
        portal = ours[number] if number < len(ours) else ""
        outside = AGENCY_PARTICIPANTS if agency_id == AGENCY else ()
        agency, _ = Agency.objects.update_or_create(
            agency_id=agency_id,
            defaults={
                "name": name,
                "contact_email": f"help@{agency_id}.agency.sandbox.example",
                "contact_phone": f"+91 80 0000 010{number}",
                "contact_url": "https://agency.sandbox.example",
                "contact_hours": "Mon-Sat 09:00-18:00",
                "certified_from": _LONG_AGO,
                "certified_until": datetime(2028, 1, 1, tzinfo=UTC),  # until 2027-12-31, the end is exclusive
                "certified_by": CERTIFIER,
                "certificate_reference": f"EA-CERT-2026-00{number + 1}",
                "certificate_digest": hashlib.sha256(f"sandbox certificate of {agency_id}".encode()).hexdigest(),
                "participants": sorted([*outside, *([portal] if portal else [])]),
                "portal_id": portal,
                "sign_in_issuer": issuer,
            },
        )
        told = [_load_member(agency, login, now) for login in agencies.PEOPLE]
        yield f"agency {agency_id} with operators {', '.join(each for each in told if each)}"
    yield _load_mandate(Agency.objects.get(agency_id=AGENCY))


def _load_mandate(agency: Agency) -> str:
    """The guide's prosumer allows the agency to act, on paper: the guide's own message names it in the header only.

    So it names no operator; what customers agree to here always does (`identity.mandates`).
    """
    did, program = "did:example:prosumer-789", "program-vpp-p2p-001"
    Mandate.objects.update_or_create(
        mandate_id="mandate-sandbox-prosumer",
        defaults={
            "subject": Subject.objects.for_did(did),
            "agency": agency,
            "utility_id": generated.UTILITY_A,
            "program_id": program,
            "actions": list(mandates.ACTIONS),
            "valid_from": _LONG_AGO,
            "valid_until": datetime(2028, 1, 1, tzinfo=UTC),
            "evidence_kind": Mandate.Evidence.DOCUMENT,
            "evidence_digest": hashlib.sha256(f"sandbox mandate of {did}".encode()).hexdigest(),
            "given_at": _LONG_AGO,
        },
    )
    return f"mandate of the guide's prosumer for {agency.agency_id} and {program}"


def _load_member(agency: Agency, login: str, now: datetime) -> str:
    """Bind a person of the agencies' provider to their job at this agency, if they have one."""
    person = agencies.PEOPLE[login]
    work = next((each for each in person.works if each.agency == agency.agency_id), None)
    if work is None:
        return ""
    user = None
    if agency.sign_in_issuer:
        user = User.objects.for_login(agency.sign_in_issuer, agencies.sub_of(Path(settings.VAR_DIR), login))
    Membership.objects.update_or_create(
        agency=agency,
        operator_id=work.operator_id,
        defaults={
            "role": work.role,
            "name": person.name,
            "email": f"{login}@{agency.agency_id}.agency.sandbox.example",
            "certified_until": datetime(2024, 7, 1, tzinfo=UTC) if work.lapsed else None,
            "trained_on": date(2024, 1, 15) if work.lapsed else date(2026, 9, 1),
            "active": True,
            "user": user,
            "joined_at": now if user else None,
        },
    )
    return f"{work.operator_id} ({'lapsed' if work.lapsed else work.role.lower()})"


def load_staff(now: datetime) -> Iterable[str]:
    """The console's people, one for each role and two where two are needed; who was changed by hand stays so."""
    issuer = next((each.issuer for each in settings.OIDC_PROVIDERS if each.kind == "STAFF"), "")
    for login, person in staff.PEOPLE.items():
        if not person.roles or not issuer:
            continue
        user = User.objects.for_login(issuer, staff.sub_of(Path(settings.VAR_DIR), login))
        if StaffMember.objects.filter(user=user).exists():
            continue
        who = Invited(person.name, f"{login}@owner.sandbox.example", [Role(each) for each in person.roles])
        with transaction.atomic():
            member = staffing.invite(who, link=None, now=now, by=SYSTEM)
            staffing.bind(member, user, now=now)
        yield f"staff {login}: {', '.join(person.roles)}"


def load_network(now: datetime) -> Iterable[str]:
    """Our own identities and the journey's BAP as participants, and all of them in the sandbox's registry."""
    participants.sync(now=now)
    rows = [_row(identity.subscriber_id, identity.uri, identity.role, key) for identity, key in _our_keys()]
    bap, agency = journey_bap(), journey_bap(JOURNEY_AGENCY)
    for each in (bap, agency):
        participants.add(
            subscriber_id=each["subscriber_id"],
            url=each["url"],
            key_id=each["key_id"],
            public_key=each["public_key"],
            source=Source.SANDBOX,
            now=now,
        )
        rows.append(_registry_row(each["subscriber_id"], each["url"], "BAP", each["key_id"], each["public_key"]))
    path = Path(settings.VAR_DIR) / "registry.json"
    _write(path, json.dumps(rows, indent=1), mode=0o644)
    yield f"participant {bap['subscriber_id']} (the journey's BAP, called back at {bap['url']})"
    yield f"registry with {len(rows)} keys: {path}"


def journey_bap(subscriber_id: str = JOURNEY_SUBSCRIBER) -> dict[str, str]:
    """The journey's BAP: subscriber_id, key_id, seed and public_key (base64), url. Made once per deployment."""
    name = "journey.json" if subscriber_id == JOURNEY_SUBSCRIBER else "journey-agency.json"
    path = Path(settings.VAR_DIR) / name
    if path.exists():
        kept: dict[str, str] = json.loads(path.read_text())
        return kept
    seed, public_key = generated.key_pair()
    port = (urlsplit(settings.PUBLIC_URL).port or 8000) + JOURNEY_PORT
    made = {
        "subscriber_id": subscriber_id,
        "key_id": f"{generated.MARK}journey-1",
        "seed": seed,
        "public_key": public_key,
        "url": f"http://127.0.0.1:{port}/beckn",
    }
    _write(path, json.dumps(made), mode=0o600)
    return made


def _our_keys() -> Iterable[tuple[Any, Any]]:
    return [(identity, key) for identity in settings.BECKN_IDENTITIES for key in identity.keys]


def _row(subscriber_id: str, url: str, role: str, key: Any) -> dict[str, Any]:
    row = _registry_row(subscriber_id, url, "BPP" if role == "owner" else "BAP", key.key_id, key.public_key)
    if key.valid_from:
        row["valid_from"] = key.valid_from.isoformat()
    if key.valid_until:
        row["valid_until"] = key.valid_until.isoformat()
    return row


def _registry_row(subscriber_id: str, url: str, type_: str, key_id: str, public_key: str) -> dict[str, Any]:
    """One row as a v1 registry answers it (spec/wire.md 6)."""
    return {
        "subscriber_id": subscriber_id,
        "url": url,
        "type": type_,
        "domain": "energy.enrollment",
        "key_id": key_id,
        "signing_public_key": public_key,
        "valid_from": "2020-01-01T00:00:00Z",
        "valid_until": "2099-12-31T00:00:00Z",
        "status": "SUBSCRIBED",
    }


def _write(path: Path, text: str, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)
