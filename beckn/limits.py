"""How large a message may be, and how much one sender may ask."""

from django.conf import settings

from identity.limits import Budget, address_of, forget_old, is_in, source_of

__all__ = [
    "Budget",
    "address_of",
    "forget_old",
    "is_in",
    "journal_of_all",
    "journal_of_source",
    "participant",
    "source",
    "source_of",
]

MAX_BODY_BYTES = 1 << 20
MAX_DRAINED_BYTES = 8 << 20  # a body up to here is read to its end, though refused, so that the refusal is heard
MAX_DEPTH = 32
MAX_VALUES = 50_000  # the walk over them costs 50 ms
MAX_CREDENTIALS = 20
MAX_CREDENTIAL_BYTES = 16 * 1024
MAX_METERS = 500


def _budget(name: str, per_second: float, burst: float) -> Budget:
    """A budget that the deployment may set: BECKN_RATES = {"participant": (per_second, burst), …}."""
    given = settings.BECKN_RATES.get(name)
    return Budget(name, *given) if given else Budget(name, per_second, burst)


def participant() -> Budget:
    """Messages of one proven participant."""
    return _budget("participant", 200.0, 1000)


def source() -> Budget:
    """Messages from one address that proved nothing: unknown keys, bad signatures."""
    return _budget("source", 5.0, 60)


def journal_of_source() -> Budget:
    """Refusals of one sender that are written into the journal."""
    return _budget("journal", 1 / 30, 10)


def journal_of_all() -> Budget:
    """Refusals that are written into the journal at all: junk from many addresses must not fill it."""
    return _budget("journal-all", 1.0, 200)
