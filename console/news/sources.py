"""What is asked for the first page: one thing each, cheaply, whatever the number of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.log import Action
from audit.models import Event, Pending
from beckn import workers
from beckn.models import Inbox, Outbox, Participant, State
from console.news import MOST_COUNTED, News, ago, deciding, waiting
from console.operations import endings
from console.privacy import kept, requests
from console.rights import Right
from credentials import bulk, list_watch
from credentials.models import BulkAct, IssuerKey, KeyAlgorithm, KeyState
from enrollment.models import CustomerNotice, Recheck, UtilityNotice
from identity.models import Agency, Membership
from portals.models import CaseLetter
from utility_systems.models import SystemHealth

LAST_HOUR = timedelta(hours=1)
REFUSED_SPIKE = 20  # refusals in an hour that are more than somebody's single mistake
FEW = 3
LATE = timedelta(minutes=10)  # a message or a line that waits so long has no worker


def _keys(now: datetime) -> list[News]:
    active = set(IssuerKey.objects.filter(state=KeyState.ACTIVE).values_list("algorithm", flat=True))
    news = [
        News(_("No %(kind)s key is active: nothing can be signed.") % {"kind": algorithm.label}, _KEYS)
        for algorithm in KeyAlgorithm
        if algorithm not in active
    ]
    announced = IssuerKey.objects.filter(state=KeyState.ANNOUNCED).count()
    if announced:
        text = ngettext(
            "%(count)d key is announced and waits to be activated.",
            "%(count)d keys are announced and wait to be activated.",
            announced,
        )
        news.append(News(text % {"count": announced}, _KEYS, is_urgent=False))
    return news


def _lists(now: datetime) -> list[News]:
    """Lists that are over or not renewed; many at once have one cause, and are one line."""
    standings = list_watch.standings()
    over = [each.path for each in standings if each.is_over(now)]
    late = [each.path for each in standings if each.is_late(now) and not each.is_over(now)]
    news = []
    for paths, one, many in (
        (
            over,
            _("The status list %(list)s is over: verifiers refuse every credential on it."),
            _("%(count)d status lists are over, %(list)s among them: verifiers refuse every credential on them."),
        ),
        (
            late,
            _("The status list %(list)s is not renewed in time: is a worker running?"),
            _("%(count)d status lists are not renewed in time, %(list)s among them: is a worker running?"),
        ),
    ):
        if len(paths) > FEW:
            news.append(News(many % {"count": len(paths), "list": paths[0]}, _LISTS))
        else:
            news += [News(one % {"list": path}, _LISTS) for path in paths]
    return news


def _systems(now: datetime) -> list[News]:
    """Silent systems of utilities: their customers wait, and nobody is refused for it."""
    silent = SystemHealth.objects.filter(is_open=True).order_by("utility_id", "system")
    text = _("%(utility)s: the system %(system)s does not answer since %(since)s UTC.")
    return [
        News(
            text % {"utility": each.utility_id, "system": each.system, "since": f"{each.since:%Y-%m-%d %H:%M}"},
            _UTILITIES,
        )
        for each in silent
    ]


def _customers(now: datetime) -> list[News]:
    """Customers whom nothing reached for a week."""
    news = []
    stuck = CustomerNotice.objects.filter(state="STUCK")[:MOST_COUNTED].count()
    if stuck:
        text = ngettext("%(count)d notice to a customer is stuck.", "%(count)d notices to customers are stuck.", stuck)
        news.append(News(text % {"count": stuck}, _CUSTOMERS))
    return news


def _agencies(now: datetime) -> list[News]:
    """What a threshold has suspended, until somebody lets it go on or switches it off; customers not told for a day."""
    news = []
    agencies = Agency.objects.filter(suspended_by="THRESHOLD").exclude(suspended_at=None).order_by("agency_id")
    text = _("The agency %(agency)s was suspended by a threshold: %(reason)s.")
    news += [News(text % {"agency": each.agency_id, "reason": each.suspension_reason}, _AGENCIES) for each in agencies]
    people = Membership.objects.filter(active=True, agency__suspended_at=None).exclude(suspended_at=None).count()
    if people:
        text = ngettext(
            "%(count)d person of an agency is suspended: let them go on, or have them switched off.",
            "%(count)d people of agencies are suspended: let them go on, or have them switched off.",
            people,
        )
        news.append(News(text % {"count": people}, _AGENCIES, is_urgent=False))
    given_up = CaseLetter.objects.exclude(given_up_at=None).count()
    if given_up:
        text = ngettext(
            "%(count)d customer of a suspended agency could not be told: their utility did not answer for days.",
            "%(count)d customers of suspended agencies could not be told: their utilities did not answer for days.",
            given_up,
        )
        news.append(News(text % {"count": given_up}, _AGENCIES))
    return news


def _rechecks(now: datetime) -> list[News]:
    """Enrolments of agencies that were suspended soon afterwards."""
    found = waiting(Recheck.objects.filter(done_at=None), "queued_at")
    if not found.count:
        return []
    text = ngettext(
        "%(count)d enrolment of a suspended agency waits to be looked at again.",
        "%(count)d enrolments of suspended agencies wait to be looked at again.",
        found.count,
    )
    said = text % {"count": found.count} + ago(found.since, now)
    return [News(said, _RECHECKS, is_urgent=False, since=found.since)]


def _notices(now: datetime) -> list[News]:
    """Enrolments of which a utility did not want to hear for a week."""
    stuck = UtilityNotice.objects.filter(state="STUCK")[:MOST_COUNTED].count()
    if not stuck:
        return []
    text = ngettext(
        "%(count)d notice to a utility is stuck: it does not know of an enrolment's change.",
        "%(count)d notices to utilities are stuck: they do not know of enrolments' changes.",
        stuck,
    )
    return [News(text % {"count": stuck}, _NOTICES)]


def _acts(now: datetime) -> list[News]:
    """Acts on many: those that wait for a second person, those being worked off, public lists that do not show one."""
    news = []
    asked = list(bulk.to_approve(now).values_list("asked_at", flat=True)[:MOST_COUNTED])
    if asked:
        text = ngettext(
            "%(count)d act on many waits for a second person.",
            "%(count)d acts on many wait for a second person.",
            len(asked),
        )
        said = text % {"count": len(asked)} + ago(min(asked), now)
        news.append(News(said, "admin:bulk-acts", since=min(asked)))
    open_acts = BulkAct.objects.filter(finished_at=None, due_at__isnull=False).count()
    if open_acts:
        text = ngettext(
            "%(count)d act on many credentials is being worked off.",
            "%(count)d acts on many credentials are being worked off.",
            open_acts,
        )
        news.append(News(text % {"count": open_acts}, "admin:bulk-acts", is_urgent=False))
    return news


def _messages(now: datetime) -> list[News]:
    """Messages that we have given up, and messages that nobody works on."""
    news = []
    for model, page, since, one, many in (
        (
            Inbox,
            "admin:inbox",
            "received_at",
            "%(count)s received message is stuck: it was not handled.",
            "%(count)s received messages are stuck: they were not handled.",
        ),
        (
            Outbox,
            "admin:outbox",
            "created_at",
            "%(count)s message to send is stuck: it could not be delivered.",
            "%(count)s messages to send are stuck: they could not be delivered.",
        ),
    ):
        stuck = waiting(model._default_manager.filter(state=State.STUCK), since)  # type: ignore[attr-defined]
        if stuck.count:
            text = ngettext(one, many, stuck.count) % {"count": stuck.told} + ago(stuck.since, now)
            news.append(News(text, page, query="state=STUCK", since=stuck.since))
    free = Inbox.objects.filter(state=State.WAITING, due_at__lte=now - LATE).exclude(lease_until__gt=now)
    if oldest := free.order_by("due_at").values_list("due_at", flat=True).first():
        text = _("Received messages wait to be handled%(ago)s: is a worker running?") % {"ago": ago(oldest, now)}
        news.append(News(text, "admin:operations", since=oldest))
    unlinked = Pending.objects.order_by("event_id").values_list("event_id", flat=True).first()
    line = Event.objects.filter(pk=unlinked, recorded_at__lt=now - LATE).first() if unlinked else None
    if line is not None:
        text = _("Lines of the journal wait for their link%(ago)s: is a worker running?")
        news.append(News(text % {"ago": ago(line.recorded_at, now)}, "admin:operations", since=line.recorded_at))
    return news


def _refused(now: datetime) -> list[News]:
    """Many refusals within an hour: somebody's key, clock or release is wrong, or somebody tries."""
    newest = Event.objects.filter(action=Action.MESSAGE_REFUSED, at__gte=now - LAST_HOUR).order_by("-id")
    found = list(newest.values_list("actor_kind", "actor_id", "details__claims", "details__code")[:MOST_COUNTED])
    if len(found) < REFUSED_SPIKE:
        return []
    senders = Counter(actor if kind == "PARTICIPANT" else claimed or "" for kind, actor, claimed, _code in found)
    sender, times = senders.most_common(1)[0]
    code = Counter(each[3] for each in found).most_common(1)[0][0]
    text = _("%(count)d messages were refused within an hour, most of them for %(code)s.")
    said = text % {"count": len(found), "code": code or "?"}
    if sender and times * 2 > len(found):
        said += " " + _("Most say that they come from %(sender)s.") % {"sender": sender}
    return [News(said, "admin:refused-messages", query=f"code={code}" if code else "")]


def _peers(now: datetime) -> list[News]:
    """Participants that do not answer, with something waiting for them."""
    silent = Participant.objects.filter(suspended_at=None, held_until__gt=now - LATE, failures_in_a_row__gte=5)
    names = list(silent.values_list("pk", "subscriber_id", "failures_in_a_row")[:5])
    text = _("The participant %(name)s does not answer: %(count)d attempts in a row have failed.")
    return [News(text % {"name": name, "count": n}, "admin:participant", args=(pk,)) for pk, name, n in names]


def _endings(now: datetime) -> list[News]:
    """Keys and certificates that end soon, each with its day."""
    news = []
    for each in endings.all_of_them(now)[:20]:
        told = {"what": each.what, "name": each.name, "day": f"{each.ends_at:%Y-%m-%d}"}
        is_over = each.is_over(now)
        if each.kind == "issuer":
            text = _("The issuer key %(name)s is as old as keys should get on %(day)s: announce the next one.")
            text = _("The issuer key %(name)s signs for too long, since %(day)s.") if is_over else text
        elif each.ends_at.year < 2000:
            text = _("A certificate cannot be read (%(what)s): %(name)s.")
        else:
            text = _("Ended on %(day)s: %(what)s, %(name)s.") if is_over else _("Ends on %(day)s: %(what)s, %(name)s.")
        is_urgent = each.is_urgent(now) and each.kind != "issuer"
        news.append(News(text % told, each.page, is_urgent=is_urgent, args=each.args, since=each.ends_at))
    return news


def _workers(now: datetime) -> list[News]:
    """Whether anybody works at all, and on every queue."""
    living = [each for each in workers.all_of_them() if workers.is_alive(each, now)]
    if not living:
        seen = workers.last_seen()
        text = _("No worker is running: nothing is handled, sent or published%(ago)s.") % {"ago": ago(seen, now)}
        return [News(text, "admin:operations", since=seen)]
    missing = workers.queues_without_one(living)
    if not missing:
        return []
    text = _("No worker takes the work of these queues: %(queues)s.") % {"queues": ", ".join(missing)}
    return [News(text, "admin:operations")]


def _people(now: datetime) -> list[News]:
    """What people have asked about their data; there is a day until which they are to be answered."""
    asked = requests.waiting(now)
    if not asked.count or asked.next_due is None:
        return []
    text = ngettext(
        "%(count)d request about personal data is open, to be answered by %(day)s.",
        "%(count)d requests about personal data are open, the first to be answered by %(day)s.",
        asked.count,
    )
    said = text % {"count": asked.count, "day": f"{asked.next_due:%Y-%m-%d}"}
    return [News(said, "admin:person-requests", is_urgent=asked.late > 0, right=Right.ANSWER_PEOPLE)]


def _kept(now: datetime) -> list[News]:
    """Kinds of personal data that are kept for longer than they may be, or whose job does not run."""
    late = kept.overdue(now)
    text = _("Personal data is kept beyond its time: %(kinds)s.")
    kinds = ", ".join(str(each.kind.name) for each in late[:5])
    return [News(text % {"kinds": kinds}, "admin:retention")] if late else []


_KEYS = "admin:credentials_issuerkey_changelist"
_LISTS = "admin:credentials_statuslist_changelist"
_UTILITIES = "admin:utility_systems_systemhealth_changelist"
_CUSTOMERS = "admin:enrollment_customernotice_changelist"
_NOTICES = "admin:enrollment_utilitynotice_changelist"
_AGENCIES = "admin:identity_agency_changelist"
_RECHECKS = "admin:enrollment_recheck_changelist"

#: In the order in which they are told, urgent ones before the others.
SOURCES: tuple[Callable[[datetime], list[News]], ...] = (
    _workers,
    _keys,
    _lists,
    _messages,
    _refused,
    _peers,
    _endings,
    _systems,
    _acts,
    _customers,
    deciding.cases,
    _agencies,
    _people,
    _kept,
    _rechecks,
    _notices,
)
