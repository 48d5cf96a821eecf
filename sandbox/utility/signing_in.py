"""The utility's identity provider: which of its people sign in how, and which clients it knows."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import generated
from sandbox.provider.directory import Account
from sandbox.provider.mount import Provider
from sandbox.utility.issuers import write_secret

if TYPE_CHECKING:
    from sandbox.utility.app import Utility

APP = "energy-app"
APP_REDIRECTS = ("http://127.0.0.1/callback", "org.example.energy:/callback")


class SignIns:
    """User names and passwords of this deployment's people; a password is derived: only a key is kept."""

    def __init__(self, utility: "Utility", folder: Path) -> None:
        self._utility, self._key = utility, folder / "sign-in-key"

    def login_of(self, person: Mapping[str, Any]) -> str:
        """The first name, small: `rajesh`."""
        return str(person["name"]).split()[0].lower()

    def password(self, login: str) -> str:
        if not self._key.exists():
            self._key.parent.mkdir(parents=True, exist_ok=True)
            write_secret(self._key, secrets.token_urlsafe(24))
        return hmac.new(self._key.read_bytes(), login.encode(), hashlib.sha256).hexdigest()[:10]

    def find(self, login: str) -> Account | None:
        """A persona by first name, or a made-up customer (`load-000001`) by its own."""
        people = self._utility.people
        for did, person in people.people.items():
            if self.login_of(person) == login and people.accounts_of(did):
                return self._account(login, str(person["name"]), did)
        did = f"did:example:{login}"
        return self._account(login, login, did) if login.startswith("load-") and people.meters_of(did) else None

    def _another(self, did: str) -> str:
        """Somebody else with a meter here."""
        people = self._utility.people
        return next(other for other in people.people if other != did and people.meters_of(other))

    def _account(self, login: str, name: str, did: str) -> Account:
        trouble = self._utility.own_faults["idp"].mode()
        if trouble == "half":
            return Account(login, name, self.password(login), did, {"utility_id": self._utility.name})
        of = self._another(did) if trouble == "wrong-data" else did
        meters = self._utility.people.meters_of(of)
        held = {
            holder["utilityCustomerId"]
            for meter in meters
            for holder in meter["holders"]
            if holder["subject"] == of and not holder["until"]
        }
        accounts = sorted(held | {account.id for account in self._utility.people.accounts_of(of)})
        claims = {
            "did": did,
            "utility_id": self._utility.name,
            "id_type": "UTILITY_ACCOUNT",
            "meter_ids": [meter["umid"] for meter in meters],
            "utility_customer_ids": accounts,
        }
        return Account(login, name, self.password(login), did, claims)


def provider(utility: "Utility", sign_ins: SignIns, folder: Path, *, clock_offset: float) -> Provider:
    """The utility's provider at /o; its clients are those of the deployment's settings."""
    issuer = f"{utility.public_url}/o"
    return Provider(
        issuer=issuer,
        title=f"Sign in to {generated.UTILITY_NAMES.get(utility.name, utility.name)}",
        folder=folder / utility.name,
        clients=clients_of(folder / "settings.env", issuer),
        find=sign_ins.find,
        send_code=_to_the_outbox(utility),
        clock_offset=clock_offset,
    )


def clients_of(settings_file: Path, issuer: str) -> list[dict[str, Any]]:
    settings = generated.read(settings_file) if settings_file.exists() else {}
    base = settings.get("PUBLIC_URL", "")
    app = {"client_id": APP, "name": "The energy app", "redirect_uris": list(APP_REDIRECTS)}
    found = [each for each in json.loads(settings.get("OIDC_PROVIDERS", "[]")) if each["issuer"] == issuer]
    ours = [
        {
            "client_id": each["client_id"],
            "client_secret": each["client_secret"],
            "name": "The energy portal",
            "redirect_uris": [f"{base}/oidc/callback/{each['slug']}"],
            "post_logout": [f"{base}/oidc/signed-out"],
            "back_channel": f"{base}/oidc/logout/back-channel",
            **(_of_the_console(settings, each["slug"]) if each.get("kind") == "STAFF" else {}),
        }
        for each in found
    ]
    return [app, *ours]


def _of_the_console(settings: Mapping[str, str], slug: str) -> dict[str, Any]:
    """Staff come back below /admin/, at the console's own address where it has one."""
    at = (settings.get("CONSOLE_URL") or settings.get("PUBLIC_URL", "")) + "/admin"
    return {
        "name": "The console",
        "redirect_uris": [f"{at}/sign-in/back/{slug}"],
        "post_logout": [f"{at}/signed-out"],
    }


def _to_the_outbox(utility: "Utility") -> Callable[[Account, str], None]:
    def send(account: Account, code: str) -> None:
        person = utility.people.people.get(account.subject, {})
        to = str(person.get("phone", f"{account.login}@sandbox.example"))
        utility.send(to, "sign-in-code", {"code": code, "validMinutes": "5"})

    return send
