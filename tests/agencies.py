"""Agencies, the people who work for them, and those people signed in: for tests in process.

client = signed_in_agent(a_member("op-9", role="REVIEWER"))
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import Client

from audit import clock
from identity.models import Agency, Membership, OidcSession, User
from identity.providers import Provider

BACKEND = "identity.oidc.backend.Backend"


def provider() -> Provider:
    """The identity provider of the agencies' people (nobody answers there in tests in process)."""
    return next(each for each in settings.OIDC_PROVIDERS if each.kind == "AGENCY")


def an_agency(agency_id: str = "ea-001", **changes: Any) -> Agency:
    """A certified agency, bound to its portal and to the agencies' provider; made once."""
    said: dict[str, Any] = {
        "name": f"Agency {agency_id}",
        "certified_from": datetime(2020, 1, 1, tzinfo=clock.now().tzinfo),
        "certified_until": clock.now() + timedelta(days=365),
        "certified_by": "utility-example-001",
        "contact_phone": "+91 80 0000 0100",
        "participants": ["agency-portal.sandbox.example"],
        "portal_id": "agency-portal.sandbox.example",
        "sign_in_issuer": provider().issuer,
    }
    agency, is_new = Agency.objects.get_or_create(agency_id=agency_id, defaults=said | changes)
    if not is_new and changes:
        Agency.objects.filter(pk=agency.pk).update(**changes)
        agency.refresh_from_db()
    return agency


def a_member(
    operator_id: str = "op-1", *, role: str = "AGENT", agency: Agency | None = None, **more: Any
) -> Membership:
    """Somebody who works for the agency (ea-001) and has joined."""
    user = more.pop("user", None) or User.objects.create(
        username=uuid4().hex, issuer=provider().issuer, sub=uuid4().hex
    )
    agency = agency or an_agency()
    said = {"name": f"Operator {operator_id}", "joined_at": clock.now()} | more
    return Membership.objects.create(agency=agency, operator_id=operator_id, role=role, user=user, **said)


def signed_in_agent(member: Membership, client: Client | None = None, **changes: Any) -> Client:
    """A browser in which this member has signed in just now, with both factors."""
    assert member.user is not None
    return sign_in(member.user, client or Client(), **changes)


def sign_in(user: User, client: Client, **changes: Any) -> Client:
    """Sign a user of an agency's provider in; `acr` and `auth_time` as wanted."""
    client.force_login(user, backend=BACKEND)
    now = clock.now()
    said = {"acr": "2", "auth_time": now, "began_at": now, "claims": {"sub": user.sub}, "tokens": None} | changes
    OidcSession.objects.create(
        user=user,
        session_key=str(client.session.session_key),
        issuer=user.issuer,
        sub=user.sub,
        sid=uuid4().hex,
        **said,
    )
    return client
