"""Why a message was refused, or did not leave, in words that somebody can act on.

From the codes and numbers that the journal keeps of a refusal; one from before they were kept is told by its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

Details = Mapping[str, Any]

_ACTIONS: Mapping[str, Promise] = {
    "search": lazy("Which programs are there?"),
    "on_search": lazy("Programs on offer"),
    "select": lazy("A choice"),
    "on_select": lazy("Answer to a choice"),
    "init": lazy("Application"),
    "on_init": lazy("Answer to an application"),
    "confirm": lazy("Confirmation"),
    "on_confirm": lazy("Answer to a confirmation"),
    "update": lazy("Change"),
    "on_update": lazy("Answer to a change, or news"),
    "cancel": lazy("End"),
    "on_cancel": lazy("Answer to an end, or news of one"),
    "status": lazy("How does it stand?"),
    "on_status": lazy("How it stands"),
    "support": lazy("Who helps?"),
    "on_support": lazy("Who helps"),
    "catalog_publish": lazy("Our programs, for the discovery service"),
}


def action_name(action: str) -> str:
    """What kind of message this is in words, with the network's own word for it."""
    return f"{_ACTIONS[action]} ({action})" if action in _ACTIONS else action


def words_of(details: Details | None) -> str:
    """Return the reason of a refused message (`message.refused`) as one sentence."""
    told = details or {}
    say = _SENTENCES.get(str(told.get("code", "")))
    return say(told) if say else _("Refused with HTTP %(status)s.") % {"status": told.get("status", "?")}


def remedy_of(details: Details | None) -> str:
    """Return what to do about it, "" where there is nothing to do here."""
    told = details or {}
    code, why = str(told.get("code", "")), told.get("why")
    if code in ("SIGNATURE_INVALID", "EXPIRED") and why in ("AHEAD", "OVER"):
        return _("Compare the sender's clock with ours: a difference of some seconds is enough.")
    remedies = {
        "SIGNATURE_MISSING": _("The sender has to sign its messages."),
        "KEY_UNKNOWN": _("Add the sender's key, or have it put into the registry; check the key's name."),
        "SIGNATURE_INVALID": _("Compare the sender's key with the one known here; it may sign with another one."),
        "PARTICIPANT_SUSPENDED": _("Resume the participant when the reason of its suspension is gone."),
        "REGISTRY_UNAVAILABLE": _("Look whether the registry answers; the sender may send again later."),
        "RATE_LIMITED": _("The sender has to send more slowly."),
        "DUPLICATE_MESSAGE_ID": _("The sender has to give each new message an id of its own."),
        "WRONG_ADDRESSEE": _("The sender has to use our name on the network."),
        "SCHEMA_INVALID": _("The sender has to correct the field; the profile's description says what belongs there."),
        "INTERNAL": _("Look into the log lines of that moment; the sender may send again."),
    }
    return remedies.get(code, "")


def seconds_of(seconds: Any) -> str:
    """Say a duration: 12 s, 4 min, 3 h, 2 days."""
    count = int(seconds)
    if count < 120:
        return _("%(count)d s") % {"count": count}
    if count < 7200:
        return _("%(count)d min") % {"count": count // 60}
    if count < 172_800:
        return _("%(count)d h") % {"count": count // 3600}
    return ngettext("%(count)d day", "%(count)d days", count // 86_400) % {"count": count // 86_400}


def error_of(text: str, *, is_ours: bool) -> str:
    """Say why an attempt failed. `text` is the row's `last_error`; `is_ours`: a message that we have to send."""
    if not text:
        return ""
    if not is_ours:
        return _("Handling it failed (%(what)s). The log lines with its message id say where.") % {"what": text}
    for pattern, say in _FAILURES:
        if match := pattern.match(text):
            return say(match)
    return text


def _signature(told: Details) -> str:
    why, seconds = told.get("why"), told.get("seconds")
    if seconds is not None and why == "AHEAD":
        return _("Created %(seconds)s in the future by our clock; %(allowed)s are allowed.") % {
            "seconds": seconds_of(seconds),
            "allowed": seconds_of(told.get("allowed_seconds", 0)),
        }
    if seconds is not None and why == "OVER":
        return _("Its signature had ended %(seconds)s before, by our clock.") % {"seconds": seconds_of(seconds)}
    if seconds is not None and why == "TOO_LONG":
        return _("Its signature was made to hold for %(seconds)s; at most %(allowed)s are allowed.") % {
            "seconds": seconds_of(seconds),
            "allowed": seconds_of(told.get("allowed_seconds", 0)),
        }
    reasons = {
        "BACKWARDS": _("Its signature ends before it begins."),
        "KEY_NOT_YET": _("It is signed with a key that does not hold yet."),
        "KEY_OVER": _("It is signed with a key that holds no longer."),
    }
    checks = {
        "header": _("The header with its signature cannot be read."),
        "headers": _("Its signature covers something else than it must: when it was made, when it ends, and the body."),
        "keyId": _("The header does not name sender, key and kind of key as the network writes them."),
        "algorithm": _("It is signed in another way than with Ed25519."),
        "created": _("The moment its signature was made is no number of seconds, or lies in the future."),
        "expires": _("The moment its signature ends is no number of seconds, or is over."),
        "signature": _("Its signature does not fit: the body was changed on the way, or it was made with another key."),
        "subscriber": _("It names another sender than the one who has signed it."),
    }
    found = reasons.get(str(why)) or checks.get(str(told.get("check")))
    return found or _("Its signature does not hold.")


def _expired(told: Details) -> str:
    seconds = told.get("seconds")
    if seconds is None:
        return _("Its time is over, or it comes from the future, by our clock.")
    if told.get("why") == "AHEAD":
        return _("Written %(seconds)s in the future by our clock.") % {"seconds": seconds_of(seconds)}
    return _("It came %(seconds)s after its time was over, by our clock.") % {"seconds": seconds_of(seconds)}


def _at(sentence: Promise) -> Callable[[Details], str]:
    """A sentence that names where in the message, where that is known."""

    def say(told: Details) -> str:
        path = str(told.get("path") or "")
        return f"{sentence} ({path})." if path else f"{sentence}."

    return say


def _plain(sentence: Promise) -> Callable[[Details], str]:
    return lambda told: str(sentence)


def _named(sentence: Promise) -> Callable[[Details], str]:
    """A sentence that names the key, where that is known."""
    return lambda told: str(sentence) % {"key": told.get("key_id") or "?"}


_SENTENCES: Mapping[str, Callable[[Details], str]] = {
    "SIGNATURE_INVALID": _signature,
    "SIGNATURE_MISSING": _plain(lazy("It carries no signature.")),
    "KEY_UNKNOWN": _named(
        lazy("It is signed with the key %(key)s, which neither we nor the registry know for this sender.")
    ),
    "REGISTRY_UNAVAILABLE": _plain(lazy("The registry did not answer, so that its key could not be looked up.")),
    "PARTICIPANT_SUSPENDED": _plain(lazy("The sender is suspended here.")),
    "NOT_ALLOWED": _plain(lazy("It did not come from this deployment's adapter.")),
    "RATE_LIMITED": _plain(lazy("The sender sends more than it may.")),
    "TOO_LARGE": _plain(lazy("It is larger than 1 MiB.")),
    "MALFORMED": _at(lazy("It is no JSON that can be read")),
    "SCHEMA_INVALID": _at(lazy("A field is missing or holds something else than its profile says")),
    "CONTEXT_INVALID": _at(lazy("Its context is not whole, or contradicts the address or the sender")),
    "WRONG_ADDRESSEE": _plain(lazy("It is addressed to somebody else.")),
    "EXPIRED": _expired,
    "DUPLICATE_MESSAGE_ID": _plain(lazy("Another message with the same id was taken before, with other content.")),
    "ACTION_UNKNOWN": _plain(lazy("It asks for something that is not served here.")),
    "METHOD_NOT_ALLOWED": _plain(lazy("It was not sent with POST.")),
    "INTERNAL": _plain(lazy("We could not take it: the fault is ours.")),
}

_FAILURES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"HTTP (\d+), NACK(?:: (.*))?$"),
        lambda m: (
            _("The receiver refused it (HTTP %(status)s): %(why)s.")
            % {"status": m[1], "why": m[2] or _("without a reason")}
        ),
    ),
    (
        re.compile(r"HTTP (\d+)(?:: (.*))?$"),
        lambda m: (
            _("The receiver answered HTTP %(status)s instead of taking it%(why)s.")
            % {"status": m[1], "why": f": {m[2]}" if m[2] else ""}
        ),
    ),
    (
        re.compile(r"Unreachable: (.*)$"),
        lambda m: _("The receiver could not be reached: %(why)s.") % {"why": m[1].rstrip(".")},
    ),
    (
        re.compile(r"Forbidden: (.*)$"),
        lambda m: _("Its address may not be called from here: %(why)s.") % {"why": m[1].rstrip(".")},
    ),
    (re.compile(r"TooLarge: "), lambda m: _("The receiver answered with more than is read.")),
    (
        re.compile(r"not ready: NoSigningKey$"),
        lambda m: _("We could not sign it: none of our keys for this name holds now."),
    ),
    (
        re.compile(r"not ready: (\w+)$"),
        lambda m: (
            _("We could not make it ready to leave (%(what)s). The log lines with its message id say where.")
            % {"what": m[1]}
        ),
    ),
    (
        re.compile(r"the address is not under the registered URL$"),
        lambda m: _("The address it should go to is not the receiver's registered one, nor below it."),
    ),
    (
        re.compile(r"replaced by a newer catalogue$"),
        lambda m: _("Not sent: a newer catalogue took its place."),
    ),
)
