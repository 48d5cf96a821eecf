"""What the profiles' schemas share: the pieces, the limits of bad days, and how a message is held against them.

A profile has one JSON Schema an action; `Checker` compiles them once. Limits: 500 meters, 500 DERs, 20 credentials of
16 KiB (issue limits), a presentation of 64 KiB, strings of sane length. Source: onboarding guide 18, spec wire 4, 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs

from beckn.profiles import ProfileProblem, filters

MAX_METERS = 500
MAX_DERS = 500
MAX_CREDENTIALS = 20
MAX_CREDENTIAL_CHARACTERS = 16 * 1024
MAX_PRESENTATION_CHARACTERS = 64 * 1024
MAX_TOKEN_CHARACTERS = 8192

Schema = dict[str, Any]

#: Beyond these years an instant is a slip of the pen, and sums of dates leave what the calendar can say.
_YEARS = range(1970, 3000)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


# --- pieces ----------------------------------------------------------------------------------------------------------


def an_object(properties: Schema, *, required: list[str] | None = None, is_closed: bool = False) -> Schema:
    closed = {"additionalProperties": False} if is_closed else {}
    return {"type": "object", "properties": properties, "required": required or [], **closed}


def a_list(items: Schema, *, most: int, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "maxItems": most, "minItems": least}


ID: Schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"\S"}
TEXT: Schema = {"type": "string", "maxLength": 500}
INSTANT: Schema = {"type": "string", "format": "instant", "maxLength": 40}
URL_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 500}
CREDENTIAL_DATA: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_CREDENTIAL_CHARACTERS}

#: Meters of an update, by id alone or with their utility (our extension).
METERS = a_list({"anyOf": [ID, an_object({"meterId": ID, "utilityId": TEXT}, required=["meterId"])]}, most=MAX_METERS)

PRESENTATION = an_object(
    {
        "format": {"type": "string", "enum": ["VP-JWT"]},
        "presentationData": {"type": "string", "minLength": 1, "maxLength": MAX_PRESENTATION_CHARACTERS},
    },
    required=["format", "presentationData"],
)
#: What a new init names of the files that on_init asked for (decision 26).
DOCUMENTS = a_list(an_object({"documentId": ID}, required=["documentId"]), most=50)
ASSISTED_BY = an_object({"agencyId": ID, "operatorId": ID, "mandateId": ID}, required=["agencyId"])

_LIMIT: Schema = {"type": ["number", "boolean", "string", "null"], "maxLength": 100}
#: They are signed into the consent's credential as they come: short names and plain values, or lists of such.
_LIMITS: Schema = {
    "type": "object",
    "maxProperties": 20,
    "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]{0,39}$"},
    "additionalProperties": {
        "anyOf": [
            _LIMIT,
            a_list(_LIMIT, most=20),
            a_list({"type": "object", "maxProperties": 10, "additionalProperties": _LIMIT}, most=20),
        ]
    },
}
CONSENTS = a_list(
    an_object(
        {
            "type": ID,
            "granted": {"type": "boolean"},
            "grantedAt": INSTANT,
            "textVersion": TEXT,
            "textDigest": TEXT,
            "locale": TEXT,
            "meters": a_list(ID, most=MAX_METERS),
            "limits": _LIMITS,
            "fromUtility": ID,
            "toUtility": ID,
        },
        required=["type", "granted"],
    ),
    most=50,
)
#: Sign-ins at several utilities, and what stands for them (personas P5; our extension).
ADDITIONAL = an_object(
    {
        "identities": a_list(
            an_object(
                {
                    "utilityId": ID,
                    "role": {"type": "string", "enum": ["PRIMARY", "SECONDARY"]},
                    "authMethod": {"type": "string", "enum": ["OIDC", "OAUTH2"]},
                    "accessToken": {"type": "string", "maxLength": 16_384},
                    "idToken": {"type": "string", "maxLength": 16_384},
                },
                required=["utilityId", "authMethod"],
            ),
            most=4,
        ),
        "batchId": {"type": "string", "minLength": 1, "maxLength": 100},
        "cross_utility_info": an_object({"linkReference": TEXT, "linkNonce": TEXT, "relationship": TEXT}),
    }
)
REVOCATION = an_object(
    {
        "consentCredentialId": URL_ID,
        "consentType": ID,
        "reason": TEXT,
        "revokedAt": INSTANT,
        "effectiveDate": INSTANT,
    }
)
UNENROLLMENT = an_object(
    {
        "enrollmentId": ID,
        "reason": TEXT,
        "effectiveDate": INSTANT,
        "revokeAllConsents": {"type": "boolean"},
        "withdraw": {"type": "boolean"},
    }
)
_INTENT = an_object(
    {
        "descriptor": an_object({"name": TEXT, "schema:name": TEXT}),
        "category": an_object({"id": TEXT, "descriptor": an_object({"name": TEXT})}),
        "provider": an_object({"id": TEXT}),
        "location": an_object({"id": TEXT, "region": TEXT, "utilityId": TEXT}),
        "includeClosed": {"type": "boolean"},
    }
)
#: `search` and `discover` in one: an intent, or free text and a filter (decision 14, wire 7).
SEARCH = an_object(
    {
        "message": an_object(
            {
                "intent": _INTENT,
                "text_search": TEXT,
                "filters": an_object(
                    {
                        "type": {"type": "string", "enum": ["jsonpath"]},
                        "expression": {"type": "string", "maxLength": filters.MAX_CHARACTERS, "format": "jsonpath"},
                    },
                    required=["expression"],
                ),
            }
        )
    },
    required=["message"],
)
SUPPORT = an_object(
    {
        "message": an_object(
            {"support": an_object({"refId": URL_ID, "refType": {"enum": ["ORDER", "ENROLLMENT"]}}, required=["refId"])},
            required=["support"],
        )
    },
    required=["message"],
)


#: The core's RatingInput, of which the comment is not read.
RATING = an_object(
    {
        "message": an_object(
            {
                "ratings": a_list(
                    an_object(
                        {
                            "id": URL_ID,
                            "ratingValue": {"type": "number", "minimum": 0, "maximum": 100},
                            "bestRating": {"type": "number", "minimum": 1, "maximum": 100},
                            "category": {"enum": ["ORDER", "FULFILLMENT", "ITEM", "PROVIDER", "AGENT", "OTHER"]},
                        },
                        required=["id", "ratingValue"],
                    ),
                    most=20,
                    least=1,
                )
            },
            required=["ratings"],
        )
    },
    required=["message"],
)


#: Without an order's id, a status asks for all orders of whoever it proves (decision 25).
PROVES_ITS_CUSTOMER: Schema = {
    "type": "object",
    "required": ["beckn:orderAttributes"],
    "properties": {
        "beckn:orderAttributes": {"anyOf": [{"required": ["userAuth"]}, {"required": ["presentation"]}]},
    },
}


def an_order(
    properties: Schema, *, required: list[str], is_closed: bool = False, may_ask_for_all: bool = False
) -> Schema:
    """The schema of a message whose content is one order."""
    needed = required if may_ask_for_all else ["beckn:id", *required]
    order = an_object({"beckn:id": ID, **properties}, required=needed, is_closed=is_closed)
    if may_ask_for_all:
        order["if"] = {"not": {"required": ["beckn:id"]}}
        order["then"] = PROVES_ITS_CUSTOMER
    return an_object({"message": an_object({"order": order}, required=["order"])}, required=["message"])


# --- checking --------------------------------------------------------------------------------------------------------


def instant(text: str) -> datetime:
    """The instant of an RFC 3339 text, in UTC. Raises ValueError or OverflowError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _is_instant(text: str) -> bool:
    """RFC 3339 with a zone, written with T and Z, and one we can compute with: no leap second, no year 0."""
    try:
        return _RFC_3339.fullmatch(text) is not None and instant(text).year in _YEARS
    except (ValueError, OverflowError):
        return False


class Checker:
    """A profile's schemas, compiled: `check(action, body)` never raises on any JSON value."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._validators = {
            action: jsonschema_rs.validator_for(
                {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema},
                validate_formats=True,
                formats={"instant": _is_instant, "jsonpath": filters.is_filter},
            )
            for action, schema in schemas.items()
        }

    def check(self, action: str, body: Mapping[str, Any]) -> ProfileProblem | None:
        """The first thing that is wrong with a message of this action, or None."""
        error = next(iter(self._validators[action].iter_errors(body)), None)
        if error is None:
            return None
        # The library's sentence quotes the value it stumbled on, which may be somebody's token: say only what is wrong.
        return ProfileProblem(path_text(error.instance_path), _what(error))


def path_text(parts: list[str | int]) -> str:
    """`message.order.fulfillments[0].customer`: as error paths are written, without prefixes (decision 42)."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + part.removeprefix("beckn:")
    return text or "message"


_FORMATS = {
    "instant": "is not a date and time with zone, for example 2026-11-01T00:00:00Z",
    "jsonpath": "is not a JSONPath (RFC 9535) of the kind that is served here: no '..', no regular expression, "
    "no '$' inside a filter",
}


def _what(error: jsonschema_rs.ValidationError) -> str:
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    kind = error.kind
    if keyword == "required":
        return f"{getattr(kind, 'property', 'a field')} is missing"
    if keyword == "format":
        return _FORMATS.get(str(getattr(kind, "format", "")), "is not what this field accepts")
    expected = error.schema_path and {
        "type": "has the wrong type",
        "minLength": "is empty",
        "maxLength": "is too long",
        "pattern": "is empty",
        "maxItems": "has too many entries",
        "minItems": "has too few entries",
        "maxProperties": "has too many fields",
        "enum": "is not one of the values that are accepted here",
        "minimum": "is too small",
        "maximum": "is too large",
        "additionalProperties": "has a field that does not belong there",
    }.get(keyword)
    return expected or "is not what this field accepts"
