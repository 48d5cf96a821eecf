"""Prometheus figures: what an operator is woken for.

All are read from rows, so that every web process gives the same answer; requests are counted at the load balancer
and told in the log lines.
"""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from audit import clock
from audit.log import Action
from audit.models import Event, Pending
from beckn import workers
from beckn.models import Inbox, Outbox, State
from config import errors
from config.health import may_see_details
from console import news
from console.operations import endings, queues
from credentials import bulk, list_watch
from credentials.models import BulkAct, Publication, StatusChange
from enrollment.models import CustomerNotice, UtilityChange, UtilityFeed, UtilityNotice
from identity import alarms
from utility_systems.models import SystemHealth

OPEN = (State.WAITING, State.STUCK)  # finished rows are history, and many


class FromRows:
    """Reads the figures when they are asked for."""

    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        yield from _messages("inbox", "Messages taken and not yet handled", Inbox, now)
        yield from _messages("outbox", "Messages not yet delivered", Outbox, now)
        # The queue, not the journal: holding every line against every link takes a second for each million.
        yield GaugeMetricFamily("journal_unlinked_events", "Journal lines without their link", Pending.objects.count())
        yield GaugeMetricFamily(
            "status_lists_unpublished_changes", "Status changes not yet published", StatusChange.objects.count()
        )
        yield from _status_lists(now)
        open_acts = BulkAct.objects.filter(finished_at=None, due_at__lte=now)
        yield GaugeMetricFamily("bulk_acts_open", "Acts on many credentials that are not finished", open_acts.count())
        oldest = open_acts.aggregate(since=Min("due_at"))["since"]
        age = (now - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily("bulk_oldest_due_seconds", "How long the oldest of them has been due", age)
        yield GaugeMetricFamily("alarms_open", "Alarms that no security officer has seen", alarms.open_alarms().count())
        yield _utility_systems()
        yield from _utility_news(now)
        yield from _workers(now)
        yield from _queues(now)
        yield _endings(now)
        yield _refused(now)
        yield from _people_wanted(now)


def _workers(now: datetime) -> Iterator[Metric]:
    """How many workers live, when the last gave a sign of life, and which queues nobody works on."""
    living = [each for each in workers.all_of_them() if workers.is_alive(each, now)]
    seen = workers.last_seen()
    silence = (now - seen).total_seconds() if seen else math.inf
    yield GaugeMetricFamily("workers_alive", "Workers that gave a sign of life within a minute", len(living))
    yield GaugeMetricFamily("worker_silence_seconds", "Since any worker gave a sign of life", silence)
    without = workers.queues_without_one(living)
    yield GaugeMetricFamily("queues_without_worker", "Queues that no living worker takes", len(without))


def _queues(now: datetime) -> Iterator[Metric]:
    """The page of operations as figures: what waits, how long the oldest has been due, what was given up."""
    depth = GaugeMetricFamily("work_waiting", "Rows that wait, at most 10000 are counted", labels=["queue"])
    age = GaugeMetricFamily("work_oldest_due_seconds", "How long the oldest has been due", labels=["queue"])
    stuck = GaugeMetricFamily("work_stuck", "Rows that were given up and wait for a person", labels=["queue"])
    for queue in queues.all_of_them(now):
        depth.add_metric([queue.code], queue.waiting)
        age.add_metric([queue.code], queue.seconds(now))
        stuck.add_metric([queue.code], queue.stuck)
    yield from (depth, age, stuck)


def _endings(now: datetime) -> Metric:
    """Keys and certificates that end within thirty days and that nothing follows, or that have ended."""
    left = GaugeMetricFamily(
        "ending_seconds", "Until a key or certificate ends, negative when it has", labels=["kind", "name"]
    )
    for each in endings.all_of_them(now):
        left.add_metric([each.kind, each.name], (each.ends_at - now).total_seconds())
    return left


def _refused(now: datetime) -> Metric:
    refused = GaugeMetricFamily(
        "messages_refused_last_hour", "Refusals written down within an hour, at most 1000", labels=["code"]
    )
    newest = Event.objects.filter(action=Action.MESSAGE_REFUSED, at__gte=now - timedelta(hours=1)).order_by("-id")
    for code, count in Counter(newest.values_list("details__code", flat=True)[:1000]).items():
        refused.add_metric([code or "?"], count)
    return refused


def _people_wanted(now: datetime) -> Iterator[Metric]:
    """What waits for a person at the console, as its first page counts it."""
    found = news.of_today(now)
    wanted = GaugeMetricFamily("console_news", "Lines of the console's first page", labels=["urgent"])
    for is_urgent in (True, False):
        wanted.add_metric([str(is_urgent).lower()], sum(each.is_urgent is is_urgent for each in found))
    yield wanted
    acts = bulk.to_approve(now).count()
    yield GaugeMetricFamily("bulk_acts_to_approve", "Acts on many that wait for a second person", acts)


def _utility_systems() -> Metric:
    """1 for a system of a utility that was silent and is left alone between tries; one that never was has no line."""
    silent = GaugeMetricFamily(
        "utility_system_circuit_open", "Whether a utility's system is silent", labels=["utility", "system"]
    )
    for each in SystemHealth.objects.order_by("utility_id", "system"):
        silent.add_metric([each.utility_id, each.system], float(each.is_open))
    return silent


def _utility_news(now: datetime) -> Iterator[Metric]:
    """What utilities are not yet informed of, what they told us that is not yet handled, and how old our reading is."""
    notices = GaugeMetricFamily(
        "utility_notices", "Notices of enrolments not acknowledged", labels=["utility", "state"]
    )
    counts = UtilityNotice.objects.exclude(state="ACKNOWLEDGED").values_list("utility_id", "state").order_by()
    for utility_id, state, count in counts.annotate(count=Count("pk")):
        notices.add_metric([utility_id, state.lower()], count)
    written = GaugeMetricFamily("customer_notices", "Notices to customers not sent", labels=["state"])
    unsent = CustomerNotice.objects.filter(state__in=["WAITING", "STUCK"]).values_list("state").order_by()
    for state, count in unsent.annotate(count=Count("pk")):
        written.add_metric([state.lower()], count)
    due = UtilityChange.objects.filter(handled_at=None, at__lte=now).count()
    read = GaugeMetricFamily("utility_feed_age_seconds", "Since a feed of changes was read", labels=["utility"])
    for feed in UtilityFeed.objects.order_by("utility_id"):
        read.add_metric([feed.utility_id], (now - feed.read_at).total_seconds() if feed.read_at else math.inf)
    yield from (
        notices,
        written,
        GaugeMetricFamily("utility_changes_due", "Changes at utilities not yet handled", due),
        read,
    )


def _status_lists(now: datetime) -> Iterator[Metric]:
    """How old and how full each published list is, by its path; places are counted at the revocation list."""
    age = GaugeMetricFamily("status_list_age_seconds", "Since a list was signed", labels=["list"])
    until = GaugeMetricFamily(
        "status_list_valid_until_seconds", "When verifiers refuse it (Unix time)", labels=["list"]
    )
    waiting = GaugeMetricFamily("status_list_waiting_seconds", "How long its oldest change has waited", labels=["list"])
    taken = GaugeMetricFamily("status_list_taken_places", "Places given out", labels=["list"])
    free = GaugeMetricFamily("status_list_free_places", "Places left", labels=["list"])
    for each in list_watch.standings():
        age.add_metric([each.path], (now - each.signed_at).total_seconds() if each.signed_at else math.inf)
        until.add_metric([each.path], each.valid_until.timestamp() if each.valid_until else 0)
        waiting.add_metric([each.path], (now - each.oldest_change).total_seconds() if each.oldest_change else 0)
        if each.publication == Publication.REVOCATION:
            taken.add_metric([each.path], each.taken)
            free.add_metric([each.path], each.free)
    yield from (age, until, waiting, taken, free)


def _messages(name: str, help_text: str, model: type[Inbox] | type[Outbox], now: datetime) -> Iterator[Metric]:
    """One gauge by state, and the age in seconds of the row that has been due longest (0 where none is)."""
    by_state = GaugeMetricFamily(f"{name}_messages", help_text, labels=["state"])
    for state in OPEN:
        by_state.add_metric([state.lower()], model._default_manager.filter(state=state).count())
    yield by_state
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(model._meta.db_table)
        cursor.execute(
            f"SELECT coalesce(max(extract(epoch FROM %s - due_at)), 0) FROM {table} "  # noqa: S608 (a table's own name)
            "WHERE state = 'WAITING' AND due_at <= %s",
            [now, now],
        )
        age = cursor.fetchone()[0]
    yield GaugeMetricFamily(f"{name}_oldest_due_seconds", "How long the oldest due message has waited", float(age))


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The figures, for operators only."""
    if not may_see_details(request):
        return errors.answer(request, 404)
    registry = CollectorRegistry()
    registry.register(FromRows())  # type: ignore[arg-type]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
