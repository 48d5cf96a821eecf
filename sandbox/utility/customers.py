"""The utility's API for its own customers: what is theirs, and credentials about it, for their own access token.

The token is one of this utility's provider; whose it is, the provider says. Real utilities would ask for a scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.utility.people import roles

if TYPE_CHECKING:
    from sandbox.utility.app import Utility

PATH = "/customer/v1"


def me(utility: Utility, subject: str) -> dict[str, Any]:
    """Name, end of the account's number, meters with their addresses, devices."""
    people = utility.people
    accounts = people.accounts_of(subject)
    meters = [meter for meter in people.meters_of(subject) if roles(meter, subject)]
    return {
        "name": people.people.get(subject, {}).get("name", ""),
        "accountEnding": accounts[0].id[-4:] if accounts else "",
        "meters": [_meter(utility, meter) for meter in meters],
        "ders": [_der(der) for der in people.ders() if der["owner"] == subject],
    }


def wanted(utility: Utility, subject: str, body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(kind of credential, what about) for everything asked for that can be said about this person."""
    types, found = set(_texts(body.get("types"))), []
    mine = {meter["umid"] for meter in utility.people.meters_of(subject)}
    if "MeterOwnershipCredential" in types:
        found += [("meter-ownership", {"meterId": umid}) for umid in _texts(body.get("meters")) if umid in mine]
    if "ProgramEligibilityCredential" in types and mine and body.get("programId"):
        found.append(("program-eligibility", {"programId": str(body["programId"])}))
    if "DERCertificationCredential" in types:
        for der_id in _texts(body.get("ders")):
            der = utility.people.der(der_id)
            if der is not None and der["owner"] == subject and der["certificates"]:
                found.append(("der-certification", {"derId": der_id}))
    return found


def _meter(utility: Utility, meter: Mapping[str, Any]) -> dict[str, Any]:
    site = utility.people.sites.get(meter["siteId"], {})
    return {
        "umid": meter["umid"],
        "number": meter["meterNumber"],
        "address": site.get("address", ""),
        "site": site.get("name", meter["siteId"]),
        "connectionType": meter["connectionType"],
        "sanctionedLoadKw": meter["sanctionedLoadKw"],
    }


def _der(der: Mapping[str, Any]) -> dict[str, Any]:
    is_in_kw = der["ratedKw"] is not None
    return {
        "id": der["derId"],
        "type": der["type"],
        "meter": der["umid"],
        "capacity": der["ratedKw"] if is_in_kw else der["energyKwh"],
        "unit": "kW" if is_in_kw else "kWh",
        "manufacturer": der["manufacturer"],
        "model": der["model"],
        "isCertified": bool(der["certificates"]),
    }


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)][:500] if isinstance(value, list) else []
