"""One-time codes as a utility sends them: sessions, attempts, locks. A number nobody has gets a session like any other.

The lock is of the session: who guesses at one keeps nobody from asking for another.
"""

import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

LIFETIME = timedelta(minutes=5)
ATTEMPTS = 5


@dataclass
class _Session:
    code: str
    subject: str  # empty: nobody has this number
    account: str
    expires_at: datetime
    attempts_left: int = ATTEMPTS
    is_used: bool = False


class Codes:
    """All sessions of one utility. `whose(mobile, account)` gives (subject, account id), or None; `holder` the same of
    a meter's number."""

    def __init__(
        self,
        now: Callable[[], datetime],
        whose: Callable[[str, str], tuple[str, str] | None],
        send: Callable[[Mapping[str, Any]], None],
        holder: Callable[[str], tuple[str, str] | None],
    ) -> None:
        self._now, self._whose, self._send, self._holder = now, whose, send, holder
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def generate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        mobile = str(asked.get("mobile", ""))
        meter = str(asked.get("meterNumber") or "")
        found = self._holder(meter) if meter else self._whose(mobile, str(asked.get("utilityCustomerId") or ""))
        nguid, code = secrets.token_urlsafe(48), f"{secrets.randbelow(1_000_000):06}"
        expires_at = self._now() + LIFETIME
        with self._lock:
            self._sessions = {key: each for key, each in self._sessions.items() if each.expires_at > self._now()}
            subject, account = found or ("", "")
            self._sessions[nguid] = _Session(code, subject, account, expires_at)
        if found is not None:
            message = {"to": mobile or f"the contact of {account}", "template": "one-time-code"}
            parameters = {"code": code, **_words(asked)}
            words = _sentence(code, asked)
            self._send({**message, "locale": str(asked.get("locale", "")), "parameters": parameters, **words})
        return {
            "nguid": nguid,
            "expiresAt": expires_at.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
            "maskedTo": f"{mobile[:3]}XXXXXX{mobile[-4:]}" if mobile else "",
            "attempts": ATTEMPTS,
        }

    def verify(self, nguid: str, code: str) -> dict[str, Any]:
        with self._lock:
            session = self._sessions.get(nguid)
            if session is None or session.is_used or session.expires_at <= self._now():
                return {"verified": False, "attemptsLeft": 0, "over": True}
            if session.attempts_left == 0:
                return {"verified": False, "attemptsLeft": 0, "locked": True}
            if session.subject and hmac.compare_digest(session.code.encode(), code.encode()):
                session.is_used = True
                return {"verified": True, "subject": session.subject, "utilityCustomerId": session.account}
            session.attempts_left -= 1
            left = session.attempts_left
            return {"verified": False, "attemptsLeft": left, "locked": left == 0}


def _words(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Who asks and for what: a code that does not say so is given away on the telephone."""
    said = ("requestedBy", "program", "meters", "agency", "agent", "ending")
    return {name: asked.get(name) for name in said if asked.get(name)}


def _sentence(code: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """What the customer reads where somebody assists: who is asking, for what, and that the code is their consent."""
    if not asked.get("agency"):
        return {}
    ending = f", meter or account ending {asked['ending']}" if asked.get("ending") else ""
    return {
        "subject": "Your code",
        "text": f"{code} is your code for {asked.get('agent') or 'an agent'} of {asked['agency']}, who wants to act for"
        f" you in “{asked.get('program') or 'a program'}”{ending}. Tell it to nobody else. If you do not know them,"
        " do not tell it to anybody: nothing happens then.",
    }
