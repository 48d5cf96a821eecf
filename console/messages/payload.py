"""What a message says, as staff may read it: secrets and personal data are masked, whoever looks.

Most of them are not in the row at all: they were taken out before it was kept (`beckn.sealing`). What stands in their
place is said in words. The rest is masked by the names of its fields, and by what looks like a token or a contact.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext

from audit.masking import mask_text
from beckn import client
from beckn.door import secret_paths_out
from beckn.profiles import all_profiles
from console.personal import masked

_SEALED = re.compile(r"sealed:(credential:)?[\w-]+")
#: Masked whole: what proves or opens something, and words about somebody.
_HIDDEN = frozenset(
    {"authorization", "password", "secret", "token", "signature", "jwt", "proof", "otp", "person", "gps", "review"}
)
#: Enough is shown to compare with what somebody reads out.
_SHORTENED = frozenset(
    {
        "address",
        "meterid",
        "meternumber",
        "sourcemeterid",
        "targetmeterid",
        "inverterid",
        "subject",
        "accountnumber",
        "caregiver",
        "operatorid",
        "agentid",
    }
)
#: Objects that are somebody: every text in them is shortened.
_PEOPLE = frozenset({"customer", "person", "contact", "agent", "billing", "recipient", "member"})


def masked_payload(body: Any) -> str:
    """Return the message as indented JSON, masked."""
    return json.dumps(_shown(body, "", is_person=False), indent=2, ensure_ascii=False)


def _shown(value: Any, key: str, *, is_person: bool) -> Any:
    name = key.rpartition(":")[2].lower()
    if name in _hidden_names() and value not in (None, "", [], {}):
        return _kept_apart() if _is_placeholder(value) else gettext("(masked)")
    if isinstance(value, dict):
        inside = is_person or name in _PEOPLE
        return {each: _shown(found, each, is_person=inside) for each, found in value.items()}
    if isinstance(value, list):
        return [_shown(each, key, is_person=is_person) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and (name in _SHORTENED or is_person):
        return masked(str(value))  # a number is as telling without quotation marks
    if not isinstance(value, str):
        return value
    if _is_placeholder(value):
        return _kept_apart()
    return masked(value) if name in _SHORTENED or is_person else mask_text(value)


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, str) and _SEALED.fullmatch(value) is not None


def _kept_apart() -> str:
    return gettext("(kept apart, encrypted)")


@lru_cache(maxsize=1)
def _hidden_names() -> frozenset[str]:
    """The names that any profile or portal keeps apart, and a few more; what was let through is masked here."""
    paths = [*client.SECRETS, *secret_paths_out(), *(key for each in all_profiles() for key in each.SECRET_KEYS_IN)]
    return _HIDDEN | {re.split(r"[.:]", path)[-1].lower() for path in paths}
