"""The provider's own words of a consent, fetched from where it says they are and compared with the digest it gave.

What is shown is what is agreed to: a text whose bytes do not have the digest is not shown at all (decision 34).
"""

from __future__ import annotations

import hashlib
import hmac

import outbound.client as outbound
from beckn.models import Participant
from portals import trust
from portals.consents import Text

LONGEST = 64 * 1024
_WAIT = 3.0  # seconds: somebody waits for the page


class TextUnavailable(Exception):
    """The provider does not give the text at the moment: ask again later."""


class TextAltered(Exception):
    """What lies at the address is not the text whose digest the provider gave: nobody may agree to it."""


def body_of(text: Text, owner: Participant) -> str:
    """Return the text of this program owner. No transaction open. Raises TextUnavailable, TextAltered."""
    if not trust.may_be_asked(text.url, owner):
        raise TextUnavailable("the owner sends us where it has nothing to say")
    try:
        got = outbound.get_cached(
            text.url, accept="text/plain", connect_timeout=_WAIT, read_timeout=_WAIT, max_bytes=LONGEST
        )
    except outbound.OutboundError as problem:
        raise TextUnavailable(str(problem)) from problem
    if got.status != 200:
        raise TextUnavailable(f"the answer has the status {got.status}")
    if not hmac.compare_digest(digest_of(got.body), text.digest.lower()):
        raise TextAltered
    try:
        return got.body.decode()
    except UnicodeDecodeError as problem:
        raise TextAltered from problem


def digest_of(body: bytes) -> str:
    """`sha256:<hex>` of the bytes, as the provider spells it."""
    return "sha256:" + hashlib.sha256(body).hexdigest()
