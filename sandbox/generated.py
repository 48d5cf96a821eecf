"""Settings of a sandbox deployment, made of fresh random keys. Nothing in a sandbox is a constant.

Whatever is made here says so in its name (`sandbox-…`), so that production can refuse it (decision 60).
"""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.certificates import Authority

MARK = "sandbox-"
OWNER = "vpp-program-owner.example.com"  # the guide's own name for us: its samples are addressed to it
PORTAL = "portal.sandbox.example"
AGENCY_PORTAL = "agency-portal.sandbox.example"
AGENCY_PORTAL_B = "agency-portal-b.sandbox.example"
UTILITY_A = "utility-example-001"
UTILITY_B = "utility-example-002"
UTILITY_NAMES = {UTILITY_A: "North Grid", UTILITY_B: "South Grid"}
APP_PARTICIPANTS = ("journey.sandbox.example", "portal.test.example")  # who may bring what the app was given
MAKER = "vidyut-motors"


def settings_for(
    port: int,
    *,
    folder: Path,
    utility_ports: Mapping[str, int],
    mutual_ports: Mapping[str, int] | None = None,
    national_port: int = 0,
    agencies_port: int = 0,
    staff_port: int = 0,
) -> dict[str, str]:
    """Return every variable a sandbox deployment on `port` needs, but for DATABASE_URL.

    People may sign in at a national identity provider, too, where `national_port` is given, and agencies' people at
    theirs where `agencies_port` is; the console's people where `staff_port` is.

    The systems of a utility in `mutual_ports` are asked there, over mutual TLS (`certify` makes the certificates).
    """
    base = f"http://127.0.0.1:{port}"
    utilities = [
        {
            "id": name,
            "time_zone": "Asia/Kolkata",
            "url": f"http://127.0.0.1:{utility_port}",
            "token": MARK + secrets.token_urlsafe(24),
            "billing_url": f"http://127.0.0.1:{utility_port}/billing/enrolments",
            "changes_url": f"http://127.0.0.1:{utility_port}/changes/feed",
            "changes_secret": MARK + secrets.token_urlsafe(24),
            **({"systems": _systems(folder, (mutual_ports or {})[name])} if name in (mutual_ports or {}) else {}),
        }
        for name, utility_port in utility_ports.items()
    ]
    makers = [
        {"id": MAKER, "url": f"{utility['url']}/maker", "token": utility["token"]}
        for utility in utilities
        if utility["id"] == UTILITY_A
    ]
    identities = [
        identity(OWNER, "owner", f"{base}/beckn"),
        identity(PORTAL, "portal", f"{base}/bap"),
        identity(AGENCY_PORTAL, "agency", f"{base}/bap"),
        identity(AGENCY_PORTAL_B, "agency", f"{base}/bap"),
    ]
    return {
        "DEPLOYMENT": "sandbox",
        "PUBLIC_URL": base,
        "ISSUER_DID": f"did:web:127.0.0.1%3A{port}",
        "ISSUER_NAME": "Sandbox program owner",
        "ISSUER_LICENSE_NUMBER": "SANDBOX-2026-00001",
        "SECRET_KEY": MARK + secrets.token_urlsafe(48),
        "FIELD_KEYS": named_key("fields-1"),
        "INDEX_KEY": named_key("index-1"),
        "BECKN_IDENTITIES": json.dumps(identities, separators=(",", ":")),
        "UTILITIES": json.dumps(utilities, separators=(",", ":")),
        "OIDC_PROVIDERS": json.dumps(
            [
                *(oidc_provider(name, utility_port, base) for name, utility_port in utility_ports.items()),
                *([national_provider(national_port)] if national_port else []),
                *([agencies_provider(agencies_port)] if agencies_port else []),
                *([staff_provider(staff_port)] if staff_port else []),
            ],
            separators=(",", ":"),
        ),
        "PORTAL_UTILITIES": json.dumps(
            [portal_utility(name, utility_port) for name, utility_port in utility_ports.items()], separators=(",", ":")
        ),
        "DER_MAKERS": json.dumps(makers, separators=(",", ":")),
        "BECKN_TTL_POLICY": "off",
        "DISCOVERY_URL": next((f"{each['url']}/discovery" for each in utilities if each["id"] == UTILITY_A), ""),
        "DISCOVERY_ID": "discovery.sandbox.example",
        "CELERY_BROKER_URL": "memory://",
        "VAR_DIR": str(folder),
        "LOG_FORMAT": "console",
        "HELP_PHONE": "+91 80 0000 0001",
        "HELP_HOURS": "Mon–Fri 09:00–17:00",
    }


def _systems(folder: Path, port: int) -> dict[str, object]:
    """CIS, MDM and DER register at addresses of their own, over mutual TLS, with tokens for one client."""
    base, tls = f"https://127.0.0.1:{port}/systems", folder / "tls"
    secret = MARK + secrets.token_urlsafe(24)
    access = {
        "oauth2": {"token_url": f"{base}/token", "client_id": "program-owner", "client_secret": secret},
        "tls": {"certificate": f"{tls}/owner.crt", "key": f"{tls}/owner.key", "ca": f"{tls}/authority.pem"},
    }
    return {name: {"url": f"{base}/{name}", **access} for name in ("cis", "mdm", "der")}


def certify(folder: Path) -> None:
    """Make the certificates of a deployment that has none: its authority, the utility's and ours."""
    tls = folder / "tls"
    if (tls / "owner.crt").exists():
        return
    authority = Authority(tls, days=3650)
    for name in ("utility", "owner"):
        authority.sign(name, lasts=timedelta(days=3650))


def of_utility(values: Mapping[str, str], utility: str) -> dict[str, str]:
    """What the process of a sandbox utility has to know of the settings: our token, and where it brings its changes."""
    entry: dict[str, Any] = next((each for each in json.loads(values["UTILITIES"]) if each["id"] == utility), {})
    return {
        "SANDBOX_UTILITY_TOKEN": entry.get("token", ""),
        "SANDBOX_UTILITY_WEBHOOK_URL": f"{values['PUBLIC_URL']}/utilities/{utility}/changes",
        "SANDBOX_UTILITY_WEBHOOK_SECRET": entry.get("changes_secret", ""),
        **_of_its_systems(entry),
    }


def _of_its_systems(entry: Mapping[str, Any]) -> dict[str, str]:
    for system in (entry.get("systems") or {}).values():
        return {
            "SANDBOX_UTILITY_SYSTEMS_SECRET": system["oauth2"]["client_secret"],
            "SANDBOX_UTILITY_MUTUAL_PORT": str(urlsplit(system["url"]).port),
        }
    return {}


def portal_utility(utility: str, utility_port: int) -> dict[str, object]:
    """Describe a utility as its customers know it. A has an API for its customers, B has none."""
    name = UTILITY_NAMES.get(utility, utility)
    is_first = utility == UTILITY_A
    return {
        "id": utility,
        "name": name,
        "phone": "+91 80 0000 0011" if is_first else "+91 80 0000 0022",
        "hours": "Mon–Sat 08:00–20:00" if is_first else "Mon–Fri 09:00–17:00",
        "languages": ["en", "hi", "ur"] if is_first else ["en", "hi"],
        "time_zone": "Asia/Kolkata",
        "customer_api": f"http://127.0.0.1:{utility_port}/customer/v1" if is_first else "",
        "grievance": f"Grievance officer, {name}, grievance@{utility}.sandbox.example",
    }


def oidc_provider(utility: str, utility_port: int, base: str) -> dict[str, object]:
    """Describe a utility's identity provider: our portal as a client, and the apps whose ID tokens are taken."""
    return {
        "issuer": f"http://127.0.0.1:{utility_port}/o",
        "slug": utility,
        "name": UTILITY_NAMES.get(utility, utility),
        "utilities": [utility],
        "client_id": "energy-portal",
        "client_secret": MARK + secrets.token_urlsafe(24),
        "audiences": [base],
        "clients": [{"client_id": "energy-app", "participant_id": participant} for participant in APP_PARTICIPANTS],
    }


def national_provider(port: int) -> dict[str, object]:
    """Describe the national identity provider: it knows people and no accounts."""
    return {
        "issuer": f"http://127.0.0.1:{port}/o",
        "slug": "national",
        "name": "National identity",
        "kind": "NATIONAL",
        "client_id": "energy-portal",
        "client_secret": MARK + secrets.token_urlsafe(24),
    }


def agencies_provider(port: int) -> dict[str, object]:
    """Describe the identity provider of the agencies' people: both steps, or no desk."""
    return {
        "issuer": f"http://127.0.0.1:{port}/o",
        "slug": "agencies",
        "name": "Agencies' sign-in",
        "kind": "AGENCY",
        "client_id": "energy-portal",
        "client_secret": MARK + secrets.token_urlsafe(24),
        "minimum_acr": "2",
    }


def staff_provider(port: int) -> dict[str, object]:
    """Describe the identity provider of the console's people: both steps, or no console."""
    return {
        "issuer": f"http://127.0.0.1:{port}/o",
        "slug": "staff",
        "name": "Staff sign-in",
        "kind": "STAFF",
        "client_id": "energy-console",
        "client_secret": MARK + secrets.token_urlsafe(24),
        "minimum_acr": "2",
    }


def with_staff(values: Mapping[str, str], port: int) -> dict[str, str]:
    """Return settings that an older demo has made, with the provider of the console's people in them."""
    providers = json.loads(values.get("OIDC_PROVIDERS", "[]"))
    if any(each.get("kind") == "STAFF" for each in providers):
        return dict(values)
    told = json.dumps([*providers, staff_provider(port)], separators=(",", ":"))
    return {**values, "OIDC_PROVIDERS": told}


def named_key(name: str) -> str:
    return f"{MARK}{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def identity(subscriber_id: str, role: str, uri: str) -> dict[str, object]:
    """Make a network identity with one new Ed25519 key."""
    seed, public = key_pair()
    key = {"key_id": MARK + secrets.token_hex(4), "seed": seed, "public_key": public}
    return {"subscriber_id": subscriber_id, "role": role, "uri": uri, "keys": [key]}


def key_pair() -> tuple[str, str]:
    """Return a new Ed25519 seed and public key, both base64 of 32 bytes."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(key.private_bytes_raw()).decode(), base64.b64encode(public).decode()


def write(path: Path, values: Mapping[str, str]) -> None:
    """Write NAME=value lines for its owner only, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("# Made by `make demo` for a sandbox; production refuses these keys.\n")
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    draft.replace(path)


def read(path: Path) -> dict[str, str]:
    """Read what `write` wrote."""
    lines = (line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}
