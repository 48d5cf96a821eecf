"""What a program owner on the network may have of our customers, and where it may send us.

A customer's access token opens more than one door: whoever gets it could use it elsewhere before it is bound there. It
goes to our own program owner and to those that the deployment names; any other judges by credentials (personas P1).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from beckn import identities
from beckn.models import Participant
from outbound.client import resolve
from outbound.guard import OutboundError, Policy, read_url


def may_see_sign_in(owner: Participant) -> bool:
    """Whether a customer's own token may go to this program owner (`PORTAL_TRUSTED_OWNERS`)."""
    return identities.is_owner(owner.subscriber_id) or owner.subscriber_id in settings.PORTAL_TRUSTED_OWNERS


def may_be_asked(url: str, owner: Participant) -> bool:
    """Whether an address that a program owner names may be asked: one of its own host, or of the public internet.

    What `ALLOWED_OUTBOUND` lets us reach is our own and our utilities': no owner sends us there. Asks the resolver.
    """
    asked, own = urlsplit(url), urlsplit(owner.url)
    if (asked.scheme, asked.netloc) == (own.scheme, own.netloc):
        return True
    try:
        target = read_url(url)
        Policy(sandbox=False).judge(target, resolve(target.host, target.port))
    except (OutboundError, OSError):
        return False
    return True
