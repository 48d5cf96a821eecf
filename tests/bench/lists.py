"""Publishing a full status list of 131,072 places at several shares of revoked credentials, step by step."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from django.conf import settings
from django.db import connection

from credentials import bitstring, keys, publishing, token_list
from credentials.models import IssuedCredential, Purpose, StatusChange, StatusList
from tests.bench.report import Figure
from tests.bench.timing import each_ms

SECTION = "Publishing a status list of 131,072 places, ms (median)"
TARGETS = {1: 5.0, 10: 15.0, 50: 60.0}  # percent set: milliseconds
ROUNDS = 15


def run() -> list[Figure]:
    status_list = StatusList.objects.filter(kind="ENROLLMENT").earliest("number")
    _fill(status_list)
    figures: list[Figure] = []
    for percent, target in TARGETS.items():
        _revoke(status_list, status_list.size * percent // 100)
        figures += _measure(status_list, percent, target)
    return figures


def _fill(status_list: StatusList) -> None:
    """Give every place to a credential: rows as `issue` writes them, made by the database itself to be quick."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign key checks row by row
        cursor.execute(
            """
            INSERT INTO issued_credentials (id, url, wire_id, kind, profile, subject_did, claims, valid_from,
                valid_until, wire_valid_until, issued_at, status_list_id, status_index, revocation_reason,
                revoke_at_reason, access_digest)
            SELECT uuid, %(base)s || uuid, '', 'ENROLLMENT', '', 'did:example:load-' || place, %(claims)s, %(now)s,
                NULL, '', %(now)s, %(list)s, place, '', '', sha256(uuid::text::bytea)
              FROM (SELECT gen_random_uuid() AS uuid, place
                      FROM generate_series(0, %(size)s - 1) AS place ORDER BY random()) AS places
            """,
            {
                "base": f"{settings.PUBLIC_URL}/credentials/",
                "claims": '{"programId": "program-flex-demand-response-001", "meters": ["load-000001"]}',
                "now": datetime.now(UTC),
                "list": status_list.pk,
                "size": status_list.size,
            },
        )
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE issued_credentials")


def _revoke(status_list: StatusList, upto: int) -> None:
    """Revoke until `upto` places are set, in an order as random as the permutation makes it: it compresses so."""
    places = random.Random(1).sample(range(status_list.size), status_list.size)[:upto]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE issued_credentials SET revoked_at = %s, revocation_reason = 'bench'"
            " WHERE status_list_id = %s AND status_index = ANY(%s) AND revoked_at IS NULL",
            [datetime.now(UTC), status_list.pk, places],
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE issued_credentials")  # as autovacuum would have by the time it matters
    found = IssuedCredential.objects.filter(status_list=status_list, revoked_at__isnull=False).count()
    if found != upto:
        raise RuntimeError(f"{found} places are set instead of {upto}")


def _measure(status_list: StatusList, percent: int, target: float) -> list[Figure]:
    """The steps are measured with the functions that publishing is made of; the whole is the real call.

    The first step ends with the revocation list and the IETF token visible, the second with the JSON form.
    """
    purpose = Purpose.REVOCATION.value
    key, now = keys.active(), datetime.now(UTC)
    revoked = IssuedCredential.objects.filter(status_list=status_list, revoked_at__isnull=False).order_by()
    indexes = list(revoked.values_list("status_index", flat=True))
    bits = bitstring.pack_bits(indexes, status_list.size)
    none = bitstring.pack_bits([], status_list.size)

    def reading() -> publishing._Reading:
        StatusChange.objects.create(status_list=status_list, purpose=purpose, at=now)
        return publishing._read(status_list.pk)

    def write() -> Callable[[], object]:
        read = reading()
        signed = publishing._sign(read, now=now)
        return lambda: publishing._write(read, signed, now=now)

    def first() -> Callable[[], object]:
        StatusChange.objects.create(status_list=status_list, purpose=purpose, at=now)
        return lambda: publishing._publish(status_list.pk, now=now)

    def second() -> Callable[[], object]:
        first()()
        return lambda: publishing._add_json_of(status_list.pk, now=now)

    read = reading()
    steps = {
        "reading rows and packing": _median(lambda: lambda: publishing._read(status_list.pk)),
        "  packing": _median(lambda: lambda: bitstring.pack_bits(indexes, status_list.size)),
        "vc+jwt: gzip, signing and checking": _median(lambda: lambda: publishing._bitstring(read, purpose, key, now)),
        "IETF token: zlib, signing and checking": _median(lambda: lambda: publishing._token(read, key, now)),
        "  packing of the token": _median(lambda: lambda: token_list.pack(bits, none)),
        "writing": _median(write),
    }
    total = Figure(SECTION, f"{percent} % set: both tokens", _median(first), "ms", at_most=target)
    json_form = Figure(SECTION, f"{percent} % set: then the JSON form", _median(second), "ms")
    return [total, *(Figure(SECTION, f"  {name}", taken, "ms") for name, taken in steps.items()), json_form]


def _median(prepare: Callable[[], Callable[[], object]]) -> float:
    """What `prepare` does is not measured, what it returns is."""
    return median(each_ms(prepare() for _ in range(ROUNDS)))
