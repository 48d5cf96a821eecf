"""Whom this utility knows: the personas of a file, and as many made-up customers as a load test wants."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "personas.json"
LOAD_UTILITY = "utility-example-001"
_LOAD = re.compile(r"load-(\d{6,9})")
_LOAD_SOLAR = re.compile(r"der-solar-(load-\d{6,9})")
_LOAD_MOBILE = re.compile(r"\+9180000(\d{6})")
_JOINT = re.compile(r"(joint-\d{6,9})-([ab])")
_SINCE = "2021-04-01T00:00:00Z"


@dataclass(frozen=True)
class Account:
    id: str
    subject: str
    standing: str
    connection_type: str
    contact_changed_at: str = ""


class People:
    """One utility's customers, meters and DERs, as JSON-ready dicts in the names of the API.

    `load-000001`, `load-000002`, … are customers derived from their number: meter `load-000001` belongs to
    `did:example:load-000001`, account `CUST-load-000001`; behind it is the
    solar plant `der-solar-load-000001`. `joint-000001` is a meter that two people hold together,
    `did:example:joint-000001-a` and `…-b`, each with an account.
    """

    def __init__(self, utility: str, *, file: Path = FILE, now: datetime | None = None) -> None:
        self.utility = utility
        data = json.loads(file.read_text())
        self.people: Mapping[str, Mapping[str, str]] = {person["did"]: person for person in data["people"]}
        self.sites: Mapping[str, Mapping[str, str]] = data.get("sites", {})
        self._accounts = {
            row["id"]: Account(
                row["id"], row["subject"], row["standing"], row["connectionType"], row.get("contactChangedAt", "")
            )
            for row in data["accounts"]
            if row["utility"] == utility
        }
        self._meters = {
            row["umid"]: _meter(utility, row, self._accounts[row["account"]])
            for row in data["meters"]
            if row["account"] in self._accounts
        }
        self._ders = {row["derId"]: _der(row) for row in data["ders"] if row["utility"] == utility}

    def meter(self, umid: str) -> dict[str, Any] | None:
        known = self._meters.get(umid)
        if known is None and self.utility == LOAD_UTILITY:
            if _LOAD.fullmatch(umid):
                return _load_meter(self.utility, umid)
            if _JOINT.fullmatch(f"{umid}-a"):
                return _joint_meter(self.utility, umid)
        return known

    def der(self, der_id: str) -> dict[str, Any] | None:
        known = self._ders.get(der_id)
        if known is None and self.utility == LOAD_UTILITY and _LOAD_SOLAR.fullmatch(der_id):
            return _load_solar(der_id)
        return known

    def ders_at(self, umid: str) -> list[dict[str, Any]]:
        """What the register has behind a meter."""
        made_up = self.der(f"der-solar-{umid}") if _LOAD.fullmatch(umid) else None
        known = [der for der in self._ders.values() if der["umid"] == umid]
        return known + ([made_up] if made_up and made_up not in known else [])

    def put_meter(self, meter: dict[str, Any]) -> None:
        """Know a meter otherwise from now on. Another dict: somebody may be walking through the old one."""
        self._meters = {**self._meters, meter["umid"]: meter}

    def put_der(self, der: dict[str, Any]) -> None:
        self._ders = {**self._ders, der["derId"]: der}

    def account(self, customer_id: str) -> Account | None:
        known = self._accounts.get(customer_id)
        name = customer_id.removeprefix("CUST-")
        if known is None and self.utility == LOAD_UTILITY and (_LOAD.fullmatch(name) or _JOINT.fullmatch(name)):
            return Account(customer_id, f"did:example:{name}", "GOOD", "RESIDENTIAL")
        return known

    def contact_changed(self, customer_id: str, at: str) -> bool:
        """Know that an account's registered contact changed then; whether there is such an account."""
        account = self.account(customer_id)
        if account is not None:
            self._accounts = {**self._accounts, customer_id: replace(account, contact_changed_at=at)}
        return account is not None

    def named(self, number: str) -> Account | None:
        """The account of this number, or of the holder of record of the meter that carries it today."""
        holder = self.of_meter_number(number) if number else None
        return self.account(number) or (self.account(holder[1]) if holder else None)

    def match(self, number: str, mobile: str) -> str:
        """Whether there is a customer with this account or meter number, this mobile number, or both; no more."""
        if not mobile:
            return "MATCH" if self.named(number) else "NO_MATCH"
        own = [a.id for a in self._accounts.values() if self.people.get(a.subject, {}).get("phone") == mobile]
        derived = self.of_mobile(mobile)
        found = set(own) | ({derived[1]} if derived else set())
        if number:
            account = self.named(number)
            return "MATCH" if account is not None and account.id in found else "NO_MATCH"
        return "MATCH" if len(found) == 1 else "SEVERAL" if found else "NO_MATCH"

    def accounts_of(self, subject: str) -> list[Account]:
        return [account for account in self._accounts.values() if account.subject == subject]

    def meters(self) -> list[dict[str, Any]]:
        return list(self._meters.values())

    def ders(self) -> list[dict[str, Any]]:
        return list(self._ders.values())

    def meters_of(self, subject: str) -> list[dict[str, Any]]:
        name = subject.removeprefix("did:example:")
        joint = _JOINT.fullmatch(name)
        made_up = self.meter(joint[1] if joint else name) if joint or _LOAD.fullmatch(name) else None
        derived = [made_up] if made_up and made_up["umid"] not in self._meters else []
        return [meter for meter in self._meters.values() if roles(meter, subject)] + derived

    def meters_at(self, customer_id: str) -> list[dict[str, Any]]:
        """The meters of an account today."""
        account = self.account(customer_id)
        return [
            meter
            for meter in (self.meters_of(account.subject) if account else [])
            if any(h["utilityCustomerId"] == customer_id and not h["until"] for h in meter["holders"])
        ]

    def of_mobile(self, mobile: str, customer_id: str = "") -> tuple[str, str] | None:
        """(subject, account) of whoever has this number here; of several accounts the one that is named.

        `+9180000` and six digits is the number of the customer derived from these.
        """
        if not mobile:
            account = self.account(customer_id)
            return (account.subject, account.id) if account else None
        made_up = _LOAD_MOBILE.fullmatch(mobile)
        if made_up and self.utility == LOAD_UTILITY:
            own_account = f"CUST-load-{made_up[1]}"
            return (f"did:example:load-{made_up[1]}", own_account) if customer_id in ("", own_account) else None
        for did, person in self.people.items():
            if person.get("phone") == mobile:
                own = sorted(each.id for each in self._accounts.values() if each.subject == did)
                chosen = customer_id if customer_id in own else "" if customer_id else next(iter(own), "")
                return (did, chosen) if chosen else None
        return None

    def of_meter_number(self, number: str) -> tuple[str, str] | None:
        """(subject, account) of the holder of record of the meter that carries this number today."""
        made_up = self.meter(number.removeprefix("MTR-"))
        for meter in [*self._meters.values(), *([made_up] if made_up else [])]:
            for holder in meter["holders"] if meter["meterNumber"] == number else ():
                if holder["role"] == "HOLDER" and not holder["until"]:
                    return (holder["subject"], holder["utilityCustomerId"])
        return None


def roles(meter: Mapping[str, Any], subject: str) -> list[str]:
    """In which roles the subject stands to the meter today, OWNER first."""
    return [holder["role"] for holder in meter["holders"] if holder["subject"] == subject and not holder["until"]]


def _meter(utility: str, row: Mapping[str, Any], account: Account) -> dict[str, Any]:
    return {
        "umid": row["umid"],
        "utilityId": utility,
        "meterNumber": row["number"],
        "connectionType": account.connection_type,
        "phase": row["phase"],
        "sanctionedLoadKw": row["sanctionedLoadKw"],
        "intervalCapable": row.get("intervalCapable", True),
        "netMeter": row.get("netMeter", False),
        "sanctionedExportKw": row.get("sanctionedExportKw"),
        "siteId": row["site"],
        "gridArea": row["gridArea"],
        "accountStanding": account.standing,
        "holders": [
            {
                "subject": account.subject,
                "utilityCustomerId": account.id,
                "role": role,
                "since": row["since"],
                "until": None,
            }
            for role in ("OWNER", "HOLDER")
        ],
    }


@lru_cache(maxsize=4096)
def _joint_meter(utility: str, umid: str) -> dict[str, Any]:
    meter = _load_meter(utility, umid)
    (like, *_) = meter["holders"]
    people = (f"{umid}-a", f"{umid}-b")
    holders = [
        {**like, "subject": f"did:example:{name}", "utilityCustomerId": f"CUST-{name}", "role": "JOINT"}
        for name in people
    ]
    return {**meter, "holders": holders}


@lru_cache(maxsize=4096)
def _load_meter(utility: str, umid: str) -> dict[str, Any]:
    account = Account(f"CUST-{umid}", f"did:example:{umid}", "GOOD", "RESIDENTIAL")
    row = {
        "umid": umid,
        "number": f"MTR-{umid}",
        "phase": "SINGLE",
        "sanctionedLoadKw": 5,
        "site": f"site-{umid}",
        "gridArea": f"north-{int(umid.rpartition('-')[2]) % 7 + 1}",
        "since": _SINCE,
    }
    return _meter(utility, row, account)


@lru_cache(maxsize=4096)
def _load_solar(der_id: str) -> dict[str, Any]:
    umid = der_id.removeprefix("der-solar-")
    return _der(
        {
            "derId": der_id,
            "type": "SOLAR_PV",
            "ratedKw": 10,
            "manufacturer": "Surya Panels",
            "model": "SP-400",
            "serial": der_id,
            "commissionedOn": "2022-03-15",
            "umid": umid,
            "owner": f"did:example:{umid}",
            "certificates": ["INTERCONNECTION", "EQUIPMENT"],
        }
    )


def _der(row: Mapping[str, Any]) -> dict[str, Any]:
    commissioned = datetime.fromisoformat(row["commissionedOn"]).replace(tzinfo=UTC)
    return {
        "derId": row["derId"],
        "type": row["type"],
        "ratedKw": row["ratedKw"],
        "energyKwh": row.get("energyKwh"),
        "manufacturer": row["manufacturer"],
        "model": row["model"],
        "serialDigest": hashlib.sha256(row["serial"].encode()).hexdigest(),
        "commissionedOn": row["commissionedOn"],
        "umid": row["umid"],
        "bidirectional": row.get("bidirectional", False),
        "owner": row["owner"],
        "certificates": [
            {
                "kind": kind,
                "issuer": "Sandbox Inspectorate",
                "capacityKw": row["ratedKw"],
                "validFrom": commissioned.isoformat().replace("+00:00", "Z"),
                "validUntil": commissioned.replace(year=commissioned.year + 20).isoformat().replace("+00:00", "Z"),
            }
            for kind in row["certificates"]
        ],
    }
