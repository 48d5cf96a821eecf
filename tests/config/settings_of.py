"""Deployments as the tests of `config` need them: complete ones, to be broken in one place."""

import base64
import json
import secrets
from pathlib import Path

from sandbox import generated


def sandbox_values(**changes: str) -> dict[str, str]:
    """What `make demo` would generate."""
    ports = {"utility-example-001": 8001}
    values = generated.settings_for(8000, folder=Path("var/8000"), utility_ports=ports, staff_port=8007)
    return {**values, "DATABASE_URL": "postgresql://me:pw@127.0.0.1:5432/x", **changes}


def production_values(**changes: str) -> dict[str, str]:
    """A production deployment that has nothing to be refused for."""
    seed, public = generated.key_pair()
    identity = {
        "subscriber_id": "provider.example.org",
        "role": "owner",
        "uri": "https://credentials.example.org/beckn",
        "keys": [{"key_id": "2026-1", "seed": seed, "public_key": public}],
    }
    utility = {"id": "u-1", "time_zone": "Asia/Kolkata", "url": "https://utility.example.org", "token": "t" * 20}
    return {
        "DEPLOYMENT": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": "https://credentials.example.org",
        "DATABASE_URL": "postgresql://me:pw@db.example.org/credentials",
        "CELERY_BROKER_URL": "redis://redis:6379/0",
        "FIELD_KEYS": named_key("2026-1"),
        "INDEX_KEY": named_key("2026-1"),
        "BECKN_IDENTITIES": json.dumps([identity]),
        "UTILITIES": json.dumps([utility]),
        **changes,
    }


def named_key(name: str) -> str:
    return f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}"
