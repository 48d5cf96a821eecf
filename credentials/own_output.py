"""Signing what we publish, and looking at it as a stranger would before it leaves.

The check covers signature, header and payload, the status entries and the schema; not the dates (decision 51): a
credential may be issued long before its start.
"""

from collections.abc import Mapping
from typing import Any

from credentials.documents import schema_problem
from credentials.keys import SigningKey
from credentials.signing import OwnOutputInvalid, check_own, sign_jwt


def sign_and_check(payload: Mapping[str, Any], header: Mapping[str, str], key: SigningKey) -> str:
    """Return the signed token; raise OwnOutputInvalid when it does not verify with the published key."""
    token = sign_jwt(payload, header=header, signer=key.signer)
    check_own(token, payload=payload, header=header, key=key.public)
    return token


def sign_credential(payload: Mapping[str, Any], header: Mapping[str, str], key: SigningKey) -> str:
    """Return the signed credential; its shape, entries and schema are checked as well.

    `payload` is the 1.1 payload (with `vc`) or the 2.0 credential. Raises OwnOutputInvalid.
    """
    credential = payload.get("vc", payload)
    problem = schema_problem(credential)
    if problem:
        raise OwnOutputInvalid(f"the credential does not follow its own schema: {problem}")
    return sign_and_check(payload, header, key)
