"""What a message of profile B must look like: JSON Schemas by action.

The pilot's closed objects are closed here too: a misspelt key in one is an error at the door, not a thing unheard.
Of what they require we ask only what we need; `orderAttributes` is open. Source: spec wire 4.
"""

from __future__ import annotations

from beckn.profiles.schemas import (
    ADDITIONAL,
    ASSISTED_BY,
    CONSENTS,
    CREDENTIAL_DATA,
    DOCUMENTS,
    ID,
    INSTANT,
    MAX_CREDENTIAL_CHARACTERS,
    MAX_CREDENTIALS,
    MAX_DERS,
    MAX_METERS,
    MAX_TOKEN_CHARACTERS,
    PRESENTATION,
    RATING,
    REVOCATION,
    SEARCH,
    SUPPORT,
    TEXT,
    UNENROLLMENT,
    URL_ID,
    Schema,
    a_list,
    an_object,
    an_order,
)

_ANY: Schema = {}
_URL: Schema = {"type": "string", "maxLength": 2048}
_TOKEN: Schema = {"type": "string", "maxLength": MAX_TOKEN_CHARACTERS}
_NUMBER: Schema = {"type": "number", "minimum": 0, "maximum": 1e9}
_LINKED: Schema = {"@context": _ANY, "@type": TEXT}

_CREDENTIAL_KEYS: Schema = {
    "credentialId": URL_ID,
    "type": {
        "enum": [
            "MeterOwnershipCredential",
            "ProgramEligibilityCredential",
            "DERCertificationCredential",
            "ProgramEnrollmentCredential",
        ]
    },
    "format": {"enum": ["VC-JWT", "VC-JSON-LD"]},
    "credentialData": CREDENTIAL_DATA,
    "credentialUrl": _URL,
    "verificationUrl": _URL,
    "issuedAt": INSTANT,
    "expiresAt": {"anyOf": [INSTANT, {"type": "null"}]},
    "derId": ID,
}
_CREDENTIAL = an_object(_CREDENTIAL_KEYS, required=["credentialId", "type", "credentialData"], is_closed=True)
_OWNERSHIP = an_object(_CREDENTIAL_KEYS, required=["credentialId", "credentialData"], is_closed=True)
# A placeholder of an existing enrolment is only a hint (decision 3), so its form is not held against the message.
_HINT = an_object(
    {**_CREDENTIAL_KEYS, "credentialData": {"type": "string", "maxLength": MAX_CREDENTIAL_CHARACTERS}}, is_closed=True
)
_METER = an_object(
    {
        "meterId": ID,
        "meterNumber": TEXT,
        "utilityId": TEXT,
        "connectionType": {"enum": ["residential", "commercial", "industrial", "agricultural"]},
        "sanctionedLoad": _NUMBER,
    },
    required=["meterId"],
    is_closed=True,
)
_DER = an_object(
    {"derId": ID, "type": ID, "capacityValue": _NUMBER, "capacityUnit": TEXT},
    required=["derId"],
)
_OTP = an_object(
    {
        "authMethod": {"const": "OTP"},
        "mobile": {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$"},
        "otp": {"type": "string", "maxLength": 20},
        "nguid": {"type": "string", "maxLength": 500},
        "utilityCustomerId": TEXT,
        "userType": {"enum": ["CONSUMER", "PRODUCER", "PROSUMER"]},
    },
    required=["authMethod", "mobile"],
    is_closed=True,
)
_OIDC = an_object(
    {
        "authMethod": {"enum": ["OIDC", "OAUTH2"]},
        "accessToken": {**_TOKEN, "minLength": 1},
        "idToken": _TOKEN,
        "refreshToken": _TOKEN,
    },
    required=["authMethod", "accessToken"],
    is_closed=True,
)
# By the method first, so that what is wrong is said of the kind that was meant.
_USER_AUTH: Schema = {
    "type": "object",
    "properties": {"authMethod": {"enum": ["OTP", "OIDC", "OAUTH2"]}},
    "required": ["authMethod"],
    "if": {"properties": {"authMethod": {"const": "OTP"}}},
    "then": _OTP,
    "else": _OIDC,
}
_CUSTOMER = an_object({"name": TEXT, "email": TEXT, "phone": TEXT, "locale": TEXT})
#: What is read from both `orderAttributes` and the fulfilment's `deliveryAttributes`.
_EITHER: Schema = {
    "@context": _ANY,
    "@type": _ANY,
    "customer": _CUSTOMER,
    "meters": a_list(_METER, most=MAX_METERS),
    "ders": a_list(_DER, most=MAX_DERS),
    "credentials": a_list(_CREDENTIAL, most=MAX_CREDENTIALS),
    "meterOwnershipCredential": _OWNERSHIP,
    "existingEnrollments": a_list(_HINT, most=MAX_CREDENTIALS),
}
_ATTRIBUTES: Schema = {
    **_EITHER,
    "startDate": INSTANT,
    "endDate": INSTANT,
    "userAuth": _USER_AUTH,
    "presentation": PRESENTATION,
    "additionalAttributes": ADDITIONAL,
    "assistedBy": ASSISTED_BY,
    "documents": DOCUMENTS,
    "consents": CONSENTS,
}
_BUYER = an_object(
    {
        **_LINKED,
        "beckn:id": URL_ID,
        "beckn:role": TEXT,
        "beckn:displayName": TEXT,
        "beckn:telephone": TEXT,
        "beckn:email": TEXT,
        "beckn:taxID": TEXT,
        "beckn:buyerAttributes": {"type": "object"},
    },
    required=["beckn:id"],
    is_closed=True,
)
_FULFILLMENT = an_object(
    {
        **_LINKED,
        "beckn:id": ID,
        "beckn:fulfillmentStatus": TEXT,
        "beckn:mode": {"enum": ["DIGITAL"]},
        "trackingAction": {"type": "object"},
        "beckn:deliveryAttributes": an_object(_EITHER),
    },
    is_closed=True,
)
_STATUSES = [
    *("CREATED", "PENDING", "CONFIRMED", "INPROGRESS", "PARTIALLYFULFILLED", "COMPLETED", "CANCELLED", "REJECTED"),
    *("FAILED", "RETURNED", "REFUNDED", "ONHOLD"),
]
_ITEMS = a_list(an_object({"beckn:orderedItem": ID}, required=["beckn:orderedItem"]), most=1, least=1)
_ORDER: Schema = {
    **_LINKED,
    "beckn:orderStatus": {"enum": _STATUSES},
    "beckn:orderNumber": TEXT,
    "beckn:seller": ID,
    "beckn:buyer": _BUYER,
    "beckn:orderItems": _ITEMS,
    "beckn:fulfillment": _FULFILLMENT,
    "beckn:acceptedOffers": {"type": "array", "maxItems": 50},
    "beckn:orderValue": {"type": "object"},
    "beckn:invoice": TEXT,
    "beckn:payment": {"type": "object"},
}


def _order(
    extra: Schema | None = None,
    *,
    required: list[str],
    attributes: list[str] | None = None,
    may_ask_for_all: bool = False,
) -> Schema:
    content = an_object({**_ATTRIBUTES, **(extra or {})}, required=attributes)
    properties = {**_ORDER, "beckn:orderAttributes": content}
    return an_order(properties, required=required, is_closed=True, may_ask_for_all=may_ask_for_all)


SCHEMAS: dict[str, Schema] = {
    "discover": SEARCH,
    "search": SEARCH,
    "select": _order(required=["beckn:orderItems"]),
    "init": _order(required=["beckn:orderItems"]),
    "confirm": _order(required=[]),
    "status": _order(required=[], may_ask_for_all=True),
    "update": _order(
        {"updateType": ID, "consentRevocation": REVOCATION, "unenrollment": UNENROLLMENT, "reason": TEXT},
        required=["beckn:orderAttributes"],
        attributes=["updateType"],
    ),
    "cancel": _order({"reason": TEXT}, required=[]),
    "support": SUPPORT,
    "rating": RATING,
}
