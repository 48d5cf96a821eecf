"""An invitation's link. Its token is made of the invitation's id with our key: written again, it is the same one."""

from __future__ import annotations

import base64

from django.conf import settings
from django.urls import reverse

from identity.encryption import blind_index
from portals.models import Invitation


def token_of(invitation: Invitation) -> str:
    """32 bytes that nobody can make without INDEX_KEY; kept nowhere."""
    return base64.urlsafe_b64encode(blind_index(str(invitation.pk), purpose="invitation-link")).decode().rstrip("=")


def address_of(invitation: Invitation) -> str:
    return f"{settings.PUBLIC_URL}{reverse('handover-link', args=[token_of(invitation)])}"
