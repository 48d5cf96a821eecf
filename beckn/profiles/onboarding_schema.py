"""What a message of profile A must look like: JSON Schemas by action.

Closed where we read, open everywhere else: the guide's objects may carry what we do not know.
Source: onboarding guide 18, spec wire 7.
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
    METERS,
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

_WITH_ID = an_object({"beckn:id": ID}, required=["beckn:id"])

_CREDENTIAL = an_object(
    {
        "credentialId": URL_ID,
        "type": ID,
        "format": {"type": "string", "enum": ["VC-JWT"]},
        "credentialData": CREDENTIAL_DATA,
        "derId": ID,
    },
    required=["credentialId", "type", "credentialData"],
)
# A placeholder of an existing enrolment is only a hint (decision 3), so its form is not held against the message.
_HINT = an_object(
    {"credentialId": URL_ID, "credentialData": {"type": "string", "maxLength": MAX_CREDENTIAL_CHARACTERS}}
)

_USER_AUTH = an_object(
    {
        key: {"type": "string", "maxLength": MAX_TOKEN_CHARACTERS}
        for key in ("authMethod", "utilityCustomerId", "userType", "nguid", "otp", "accessToken", "idToken")
    }
    # One spelling per number, as in the pilot's schema: how often it is sent to is counted by it.
    | {"mobile": {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$"}},
    required=["authMethod"],
)
_METER = an_object({"beckn:id": ID, "beckn:utilityId": TEXT, "beckn:utilityCustomerId": TEXT}, required=["beckn:id"])
_DER = an_object(
    {
        "beckn:id": ID,
        "beckn:type": ID,
        "beckn:capacity": an_object({"value": {"type": "number", "minimum": 0, "maximum": 1e9}, "unit": TEXT}),
    },
    required=["beckn:id"],
)
_PERSON = an_object({"schema:name": TEXT, "schema:email": TEXT, "schema:telephone": TEXT})
_FULFILLMENT = an_object(
    {
        "beckn:id": ID,
        "beckn:type": ID,
        "beckn:customer": an_object({"beckn:id": URL_ID, "beckn:person": _PERSON}),
        "beckn:instrument": an_object({"meters": a_list(_METER, most=MAX_METERS), "ders": a_list(_DER, most=MAX_DERS)}),
        "beckn:fulfillmentAttributes": an_object(
            {
                "credentials": a_list(_CREDENTIAL, most=MAX_CREDENTIALS),
                "existingEnrollments": a_list(_HINT, most=MAX_CREDENTIALS),
            }
        ),
    }
)
_ATTRIBUTES: Schema = {
    "startDate": INSTANT,
    "endDate": INSTANT,
    "userAuth": _USER_AUTH,
    "presentation": PRESENTATION,
    "additionalAttributes": ADDITIONAL,
    "assistedBy": ASSISTED_BY,
    "documents": DOCUMENTS,
    "consents": CONSENTS,
    "customer": an_object({"locale": TEXT}),
}


def _order(properties: Schema, *, required: list[str], may_ask_for_all: bool = False) -> Schema:
    return an_order({"beckn:provider": _WITH_ID, **properties}, required=required, may_ask_for_all=may_ask_for_all)


def _attributes(extra: Schema | None = None, required: list[str] | None = None) -> Schema:
    return an_object({**_ATTRIBUTES, **(extra or {})}, required=required)


_ITEMS = a_list(_WITH_ID, most=1, least=1)
_FULFILLMENTS = a_list(_FULFILLMENT, most=1, least=1)

SCHEMAS: dict[str, Schema] = {
    "search": SEARCH,
    "discover": SEARCH,
    "select": _order(
        {
            "beckn:items": _ITEMS,
            "beckn:fulfillments": a_list(_FULFILLMENT, most=1),
            "beckn:orderAttributes": _attributes(),
        },
        required=["beckn:items"],
    ),
    "init": _order(
        {"beckn:items": _ITEMS, "beckn:fulfillments": _FULFILLMENTS, "beckn:orderAttributes": _attributes()},
        required=["beckn:items", "beckn:fulfillments"],
    ),
    "confirm": _order(
        {
            "beckn:items": _ITEMS,
            "beckn:fulfillments": a_list(_FULFILLMENT, most=1),
            "beckn:orderAttributes": _attributes(),
        },
        required=[],
    ),
    "status": _order({"beckn:orderAttributes": _attributes()}, required=[], may_ask_for_all=True),
    "update": _order(
        {
            "beckn:orderAttributes": _attributes(
                {
                    "updateType": ID,
                    "consentRevocation": REVOCATION,
                    "unenrollment": UNENROLLMENT,
                    "credentials": a_list(_CREDENTIAL, most=MAX_CREDENTIALS),
                    "meters": METERS,
                    "reason": TEXT,
                },
                required=["updateType"],
            ),
            "beckn:fulfillments": a_list(_FULFILLMENT, most=1),
        },
        required=["beckn:orderAttributes"],
    ),
    "cancel": _order({"beckn:orderAttributes": _attributes({"reason": TEXT})}, required=[]),
    "support": SUPPORT,
    "rating": RATING,
}
