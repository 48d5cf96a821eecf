"""Programs: all of them, one of them, and the first page of a journey (screens P1, P2, P4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.translation import get_language, pgettext
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from audit import clock
from beckn import identities
from identity import sessions
from identity.models import Subject, SubjectUtilityLink
from identity.providers import ProviderUnavailable
from identity.sessions import SignInNeeded
from portals import asking, drafts, evidence, houses, journey, reading
from portals.actors import Actor, SelfService, person_of
from portals.models import Application, CatalogProgram
from portals.utility.forms import AccountForm
from portals.utility.pages import SIGN_IN, next_address, see, stands_at
from portals.utility.patience import wait_a_moment

#: What a program does for you, by its kind; the words are in the template. The order is that of the page.
PURPOSES = {
    "DEMAND_FLEX": "save",
    "EV_MANAGED_CHARGING": "car",
    "V2G": "car",
    "P2P": "trade",
    "COMMUNITY_SOLAR": "solar",
    "REMOTE_SOLAR": "solar",
    "NET_METERING": "solar",
}
ORDER = ("save", "car", "solar", "trade", "other")
SHOWN = 4  # last characters of an account's number


@require_GET
def programs(request: HttpRequest) -> HttpResponse:
    """All programs, by what they do for you. Nobody has to sign in for that (decision 25)."""
    now, wanted = clock.now(), request.GET.get("utility", "")
    rows = CatalogProgram.objects.filter(gone_at=None).select_related("bpp")
    shown = [_card(row, now) for row in rows]
    utilities = sorted({each for card in shown for each in card["program"].utilities})
    if wanted in utilities:
        shown = [card for card in shown if wanted in card["program"].utilities]
    shown.sort(key=lambda card: (not card["is_open"], card["program"].name))
    groups = [(purpose, [card for card in shown if card["purpose"] == purpose]) for purpose in ORDER]
    said = {
        "groups": [(purpose, cards) for purpose, cards in groups if cards],
        "houses": [houses.house_of(each) for each in utilities],
        "utilities": utilities,
        "wanted": wanted if wanted in utilities else "",
    }
    return render(request, "portal/programs.html", said)


@require_GET
def program(request: HttpRequest, slug: str) -> HttpResponse:
    """One program: what you get, what you agree to, who can join, what you need."""
    row = _found(slug)
    return render(request, "portal/program.html", {**_card(row, clock.now()), **_mine(request, row)})


class Start(View):
    """Is this your account? A yes begins the journey; until then nothing is kept."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        return self._page(request, _found(slug))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        row, now = _found(slug), clock.now()
        utility_id, subject = _utility_of(request, row), person_of(request)
        form = AccountForm(request.POST)
        if not utility_id or subject is None or not _card(row, now)["is_open"] or not form.is_valid():
            return self._page(request, row, form, status=422)
        if form.cleaned_data["account"] == "other":
            return render(request, "portal/not_me.html", _card(row, now))
        application = _begun(request, subject, row, utility_id, now)
        if stands_at(application) or journey.next_step(application).name not in ("account", "meters"):
            return see(next_address(application))
        again = reverse("portal-account", args=[application.pk])
        try:
            application = ask_for_meters(SelfService(request, application.pk), application, application.version, now)
        except SignInNeeded:
            return see(f"{reverse(SIGN_IN)}?next={again}")
        except drafts.OutOfDate:  # the button was pressed twice: the other press asks
            return see(again)
        except (ProviderUnavailable, evidence.UtilitySilent):
            said = {"house": houses.house_of(utility_id), "again": again}
            return render(request, "portal/utility_silent.html", said, status=503)
        return see(next_address(wait_a_moment(application)))

    def _page(
        self, request: HttpRequest, row: CatalogProgram, form: AccountForm | None = None, *, status: int = 200
    ) -> HttpResponse:
        utility_id = _utility_of(request, row)
        said = {
            **_card(row, clock.now()),
            **_mine(request, row),
            "account": account_of(person_of(request), utility_id, _known(request, utility_id)),
            "house": houses.house_of(utility_id) if utility_id else None,
            "is_known": person_of(request) is not None,
            "needs_sign_in": not sessions.proven(request),  # by a code or a national identity: no utility speaks
            "form": form or AccountForm(),
            "back": reverse("portal-program", args=[row.slug]),
        }
        return render(request, "portal/start.html", said, status=status)


def ask_for_meters(actor: Actor, application: Application, version: int, now: datetime) -> Application:
    """Ask the utility what it knows of its customer and the provider which meters can join.

    Raises SignInNeeded, ProviderUnavailable, evidence.UtilitySilent, drafts.OutOfDate; nothing is lost then.
    """
    token = actor.token(application, now)
    known = actor.known(application, token)

    def ask(row: Application) -> None:
        row.answers = {**row.answers, "account": True, "locale": actor.locale, "known": known}
        asking.select(row, token=token, now=now)

    return drafts.change(application, version, ask, now=now)


def account_of(subject: Subject | None, utility_id: str, known: Mapping[str, Any]) -> dict[str, str]:
    """Name and the end of the account's number, as the utility tells them (`known`) or has told them at sign-in."""
    if subject is None or not utility_id:
        return {}
    name, ending = str(known.get("name") or subject.name), str(known.get("accountEnding") or "")
    links = SubjectUtilityLink.objects.filter(
        subject=subject, utility_id=utility_id, status="ACTIVE", customer_index__isnull=False
    )
    endings = [link.utility_customer_id[-SHOWN:] for link in links.order_by("linked_at")]
    return {"name": name, "ending": ending or ", ".join(endings)}


def _known(request: HttpRequest, utility_id: str) -> Mapping[str, Any]:
    """What the utility says of its customer; nothing where it does not answer: the page can do without."""
    if not utility_id:
        return {}
    try:
        token = sessions.access_token(request, utility_id, clock.now())
        return evidence.known_of(utility_id, token)
    except (SignInNeeded, ProviderUnavailable, evidence.UtilitySilent):
        return {}


def _found(slug: str) -> CatalogProgram:
    row = CatalogProgram.objects.filter(slug=slug, gone_at=None).select_related("bpp").first()
    if row is None:
        raise Http404
    return row


def _card(row: CatalogProgram, now: datetime) -> dict[str, Any]:
    found = reading.program(row.item, get_language() or "")
    return {
        "row": row,
        "program": found,
        "purpose": PURPOSES.get(found.kind, "other"),
        "kinds": {each.kind for each in found.criteria},
        "names": get_text_list(
            [houses.house_of(each).name for each in found.utilities], pgettext("last of a list", "and")
        ),
        "is_open": found.is_open(now) and not (found.reopens_at and now < found.reopens_at),
        "zone": next((houses.house_of(each).time_zone for each in found.utilities), "UTC"),
        "opens_at": found.reopens_at or found.opens_at,
    }


def _utility_of(request: HttpRequest, row: CatalogProgram) -> str:
    """At which of the person's utilities this program can be joined; "" where none."""
    wanted = reading.program(row.item).utilities
    mine = [each.utility_id for each in sessions.proven(request)]
    return next((each for each in mine if not wanted or each in wanted), "")


@transaction.atomic
def _begun(request: HttpRequest, subject: Subject, row: CatalogProgram, utility_id: str, now: datetime) -> Application:
    """The person's journey to this program: the one that is on its way, else a new one, also of two presses at once."""
    Subject.objects.select_for_update().get(pk=subject.pk)
    return _draft_of(subject, row) or drafts.start(
        row,
        subject=subject,
        user=request.user,  # type: ignore[arg-type]
        portal=identities.portal().subscriber_id,
        utility_id=utility_id,
        now=now,
    )


def _draft_of(subject: Subject, row: CatalogProgram) -> Application | None:
    """The newest journey to this program that is still on its way: a second Start goes on with it."""
    states = Application.State
    return drafts.of_person(subject).filter(program=row, state__in=(states.DRAFT, states.CONFIRMING)).first()


def _mine(request: HttpRequest, row: CatalogProgram) -> dict[str, Any]:
    """The person's own journey to this program, where there is one."""
    if not request.user.is_authenticated:
        return {}
    subject = person_of(request)
    return {"draft": _draft_of(subject, row) if subject else None}
