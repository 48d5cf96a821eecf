"""What the customer's own utility says for its customer, asked with the customer's own token.

Where a utility has an API for its customers (`PORTAL_UTILITIES[].customer_api`), the portal takes addresses from it and
the credentials that a program requires; where it has none, the provider resolves by the token in the message. Either
way the customer types nothing. Never inside a transaction.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from identity import sessions
from outbound.client import OutboundError, Response, get, post
from portals import houses, reading
from portals.models import Application

logger = logging.getLogger(__name__)

MOST_BYTES = 2_000_000
TIMEOUT = 8.0  # seconds; somebody waits for the page


class UtilitySilent(Exception):
    """The utility gave no usable answer; nothing was sent and nothing is lost."""


def token(request: HttpRequest, application: Application, now: datetime) -> str:
    """The customer's access token for this journey's utility and for no other order (decision 46).

    Raises sessions.SignInNeeded and ProviderUnavailable.
    """
    return sessions.access_token(request, application.utility_id, now, order_id=application.order_id)


def known_of(utility_id: str, token: str) -> dict[str, Any]:
    """What the utility knows of its customer: `name`, `accountEnding`, `meters[]`, `ders[]`; {} without such an API.

    Raises UtilitySilent.
    """
    base = houses.house_of(utility_id).customer_api
    if not base:
        return {}
    answer = _asked(utility_id, lambda: get(f"{base}/me", headers=_headers(token), **_LIMITS))
    return {key: answer[key] for key in ("name", "accountEnding", "meters", "ders") if key in answer}


def for_application(application: Application, token: str) -> list[Mapping[str, Any]]:
    """The credentials that the program requires, for the chosen meters and devices; [] without such an API.

    Raises UtilitySilent.
    """
    selected = reading.selected(application.told.get("on_select"))
    wanted = selected.credentials or reading.program(application.program.item).credentials
    answers = application.answers
    return from_utility(
        application.utility_id,
        token,
        [each.type for each in wanted],
        program_id=application.program.program_id,
        meters=answers.get("meters", ()),
        ders=[each["id"] for each in answers.get("ders", ())],
    )


def from_utility(
    utility_id: str,
    token: str,
    types: Sequence[str],
    *,
    program_id: str,
    meters: Sequence[str] = (),
    ders: Sequence[str] = (),
) -> list[Mapping[str, Any]]:
    """Credentials as they are put into a message. What the utility does not attest is simply not among them."""
    base = houses.house_of(utility_id).customer_api
    if not base or not types:
        return []
    body = {"programId": program_id, "types": list(types), "meters": list(meters), "ders": list(ders)}
    headers = {**_headers(token), "Content-Type": "application/json"}
    answer = _asked(
        utility_id,
        lambda: post(f"{base}/credentials", body=json.dumps(body).encode(), headers=headers, **_LIMITS),
    )
    found = answer.get("credentials")
    return [each for each in found if _is_one(each)] if isinstance(found, list) else []


_LIMITS: Any = {"read_timeout": TIMEOUT, "max_bytes": MOST_BYTES}


def _asked(utility_id: str, ask: Any) -> dict[str, Any]:
    try:
        response: Response = ask()
        answer = response.json() if response.status == 200 else None
    except (OutboundError, ValueError) as error:
        logger.warning("a utility's API for its customers is silent", extra={"utility": utility_id})
        raise UtilitySilent(utility_id) from error
    if not isinstance(answer, dict):
        logger.warning(
            "a utility's API for its customers gave no answer", extra={"utility": utility_id, "status": response.status}
        )
        raise UtilitySilent(utility_id)
    return answer


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


def _is_one(value: Any) -> bool:
    names = ("credentialId", "type", "credentialData")
    return isinstance(value, Mapping) and all(isinstance(value.get(name), str) for name in names)
