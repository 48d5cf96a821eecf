"""What a message of profile A must look like: JSON Schemas by action, with the limits of bad days.

Closed where we read, open everywhere else: the guide's objects may carry what we do not know. Limits: 500 meters,
500 DERs, 20 credentials of 16 KiB (issue limits), a presentation of 64 KiB, strings of sane length.
Source: onboarding guide 18, spec wire 7.
"""

from __future__ import annotations

from typing import Any

MAX_METERS = 500
MAX_DERS = 500
MAX_CREDENTIALS = 20
MAX_CREDENTIAL_CHARACTERS = 16 * 1024
MAX_PRESENTATION_CHARACTERS = 64 * 1024

Schema = dict[str, Any]


def _object(properties: Schema, *, required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": properties, "required": required or []}


def _list(items: Schema, *, most: int, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "maxItems": most, "minItems": least}


_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"\S"}
_TEXT: Schema = {"type": "string", "maxLength": 500}
_INSTANT: Schema = {"type": "string", "format": "instant", "maxLength": 40}
_URL_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 500}

_WITH_ID = _object({"beckn:id": _ID}, required=["beckn:id"])

_CREDENTIAL = _object(
    {
        "credentialId": _URL_ID,
        "type": _ID,
        "format": {"type": "string", "enum": ["VC-JWT"]},
        "credentialData": {"type": "string", "minLength": 1, "maxLength": MAX_CREDENTIAL_CHARACTERS},
        "derId": _ID,
    },
    required=["credentialId", "type", "credentialData"],
)
# A placeholder of an existing enrolment is only a hint (decision 3), so its form is not held against the message.
_HINT = _object({"credentialId": _URL_ID, "credentialData": {"type": "string", "maxLength": MAX_CREDENTIAL_CHARACTERS}})

_USER_AUTH = _object(
    {
        key: {"type": "string", "maxLength": 8192}
        for key in ("authMethod", "mobile", "utilityCustomerId", "userType", "nguid", "otp", "accessToken", "idToken")
    },
    required=["authMethod"],
)
_PRESENTATION = _object(
    {
        "format": {"type": "string", "enum": ["VP-JWT"]},
        "presentationData": {"type": "string", "minLength": 1, "maxLength": MAX_PRESENTATION_CHARACTERS},
    },
    required=["format", "presentationData"],
)
_ASSISTED_BY = _object({"agencyId": _ID, "operatorId": _ID, "mandateId": _ID}, required=["agencyId"])

_METER = _object({"beckn:id": _ID, "beckn:utilityId": _TEXT, "beckn:utilityCustomerId": _TEXT}, required=["beckn:id"])
_DER = _object(
    {
        "beckn:id": _ID,
        "beckn:type": _ID,
        "beckn:capacity": _object({"value": {"type": "number", "minimum": 0, "maximum": 1e9}, "unit": _TEXT}),
    },
    required=["beckn:id"],
)
_PERSON = _object({"schema:name": _TEXT, "schema:email": _TEXT, "schema:telephone": _TEXT})
_FULFILLMENT = _object(
    {
        "beckn:id": _ID,
        "beckn:type": _ID,
        "beckn:customer": _object({"beckn:id": _URL_ID, "beckn:person": _PERSON}),
        "beckn:instrument": _object({"meters": _list(_METER, most=MAX_METERS), "ders": _list(_DER, most=MAX_DERS)}),
        "beckn:fulfillmentAttributes": _object(
            {
                "credentials": _list(_CREDENTIAL, most=MAX_CREDENTIALS),
                "existingEnrollments": _list(_HINT, most=MAX_CREDENTIALS),
            }
        ),
    }
)
_LIMIT: Schema = {"type": ["number", "boolean", "string", "null"], "maxLength": 100}
#: They are signed into the consent's credential as they come: short names and plain values, or lists of such.
_LIMITS: Schema = {
    "type": "object",
    "maxProperties": 20,
    "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]{0,39}$"},
    "additionalProperties": {
        "anyOf": [
            _LIMIT,
            _list(_LIMIT, most=20),
            _list({"type": "object", "maxProperties": 10, "additionalProperties": _LIMIT}, most=20),
        ]
    },
}
_CONSENT = _object(
    {
        "type": _ID,
        "granted": {"type": "boolean"},
        "grantedAt": _INSTANT,
        "textVersion": _TEXT,
        "textDigest": _TEXT,
        "locale": _TEXT,
        "meters": _list(_ID, most=MAX_METERS),
        "limits": _LIMITS,
    },
    required=["type", "granted"],
)
_ATTRIBUTES: Schema = {
    "startDate": _INSTANT,
    "endDate": _INSTANT,
    "userAuth": _USER_AUTH,
    "presentation": _PRESENTATION,
    "assistedBy": _ASSISTED_BY,
    "consents": _list(_CONSENT, most=50),
    "customer": _object({"locale": _TEXT}),
}
_REVOCATION = _object(
    {
        "consentCredentialId": _URL_ID,
        "consentType": _ID,
        "reason": _TEXT,
        "revokedAt": _INSTANT,
        "effectiveDate": _INSTANT,
    }
)
_UNENROLLMENT = _object(
    {
        "enrollmentId": _ID,
        "reason": _TEXT,
        "effectiveDate": _INSTANT,
        "revokeAllConsents": {"type": "boolean"},
        "withdraw": {"type": "boolean"},
    }
)


def _order(properties: Schema, *, required: list[str]) -> Schema:
    order = _object({"beckn:id": _ID, "beckn:provider": _WITH_ID, **properties}, required=["beckn:id", *required])
    message = _object({"order": order}, required=["order"])
    return _object({"message": message}, required=["message"])


def _attributes(extra: Schema | None = None, required: list[str] | None = None) -> Schema:
    return _object({**_ATTRIBUTES, **(extra or {})}, required=required)


_ITEMS = _list(_WITH_ID, most=1, least=1)
_FULFILLMENTS = _list(_FULFILLMENT, most=1, least=1)

_INTENT = _object(
    {
        "descriptor": _object({"name": _TEXT, "schema:name": _TEXT}),
        "category": _object({"id": _TEXT, "descriptor": _object({"name": _TEXT})}),
        "provider": _object({"id": _TEXT}),
        "location": _object({"id": _TEXT, "region": _TEXT, "utilityId": _TEXT}),
    }
)
_SEARCH = _object(
    {
        "message": _object(
            {
                "intent": _INTENT,
                "text_search": _TEXT,
                "filters": _object({"type": _TEXT, "expression": {"type": "string", "maxLength": 1000}}),
            }
        )
    },
    required=["message"],
)
_SUPPORT = _object(
    {
        "message": _object(
            {"support": _object({"refId": _URL_ID, "refType": {"enum": ["ORDER", "ENROLLMENT"]}}, required=["refId"])},
            required=["support"],
        )
    },
    required=["message"],
)

SCHEMAS: dict[str, Schema] = {
    "search": _SEARCH,
    "select": _order({"beckn:items": _ITEMS, "beckn:orderAttributes": _attributes()}, required=["beckn:items"]),
    "init": _order(
        {"beckn:items": _ITEMS, "beckn:fulfillments": _FULFILLMENTS, "beckn:orderAttributes": _attributes()},
        required=["beckn:items", "beckn:fulfillments"],
    ),
    "confirm": _order(
        {
            "beckn:items": _ITEMS,
            "beckn:fulfillments": _list(_FULFILLMENT, most=1),
            "beckn:orderAttributes": _attributes(),
        },
        required=[],
    ),
    "status": _order({"beckn:orderAttributes": _attributes()}, required=[]),
    "update": _order(
        {
            "beckn:orderAttributes": _attributes(
                {"updateType": _ID, "consentRevocation": _REVOCATION, "unenrollment": _UNENROLLMENT},
                required=["updateType"],
            )
        },
        required=["beckn:orderAttributes"],
    ),
    "cancel": _order({"beckn:orderAttributes": _attributes({"reason": _TEXT})}, required=[]),
    "support": _SUPPORT,
}
