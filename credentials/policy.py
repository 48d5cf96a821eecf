"""What a deployment may set about lists and retention, with the value that holds where it says nothing.

Every number here has its reason; a setting of the same name overrides it.
"""

from datetime import timedelta

from django.conf import settings

from credentials.models import LIST_SIZE


def list_ttl_seconds() -> int:
    """Seconds a verifier may keep a list it has fetched, at most 300."""
    return min(int(getattr(settings, "STATUS_LIST_TTL_SECONDS", 60)), 300)


def list_max_age_seconds() -> int:
    """Seconds of HTTP caching of a list, at most 60."""
    return min(int(getattr(settings, "STATUS_LIST_MAX_AGE_SECONDS", 30)), 60)


def longest_belief() -> timedelta:
    """How long a verifier may believe a credential after its revocation was committed, if it keeps to what we say.

    Until the next second's sweep the list is published, a web process keeps the one before for a tenth of a second, an
    HTTP cache for its max-age, and the verifier what it got from there for the list's ttl.
    """
    return timedelta(seconds=2 + list_max_age_seconds() + list_ttl_seconds())


def keys_max_age_seconds() -> int:
    """Seconds of HTTP caching of our DID document and key set: how long a new key is announced before it signs.

    Short, because it is also how long a cache may go on showing a key that was revoked.
    """
    return 30


def list_validity() -> timedelta:
    """How long a signed list holds; it is signed again when half of it is over, whether or not a bit changed.

    Short, so that nobody can show an old list for long; long enough for an operator to mend a stopped worker.
    """
    return timedelta(seconds=int(getattr(settings, "STATUS_LIST_VALIDITY_SECONDS", 6 * 3600)))


def replaced_list_retention() -> timedelta:
    """How long a list that was replaced is kept: nobody is served it, but a request may be on its way to it."""
    return timedelta(minutes=10)


def minimum_free_places() -> int:
    """Free places of a kind below which the next list is made and published: by default one whole list."""
    return int(getattr(settings, "STATUS_LIST_MINIMUM_FREE", LIST_SIZE))


def presented_retention() -> timedelta:
    """How long the bytes of a credential that someone presented are kept for questions about its check."""
    return timedelta(days=int(getattr(settings, "RETENTION_PRESENTED_DAYS", 30)))


def key_age() -> timedelta:
    """How long an issuer key signs before the console asks for the next one; nothing happens by itself."""
    return timedelta(days=int(getattr(settings, "ISSUER_KEY_DAYS", 365)))
