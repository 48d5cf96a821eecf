"""The customer's own word: read out, agreed to by their own factor, and their consents (screens A4, A5, A7).

No page here can agree for the customer. Either the device is theirs for a while, or a link or a code of ours goes to
the contact that their utility has.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit.log import Action
from identity import contacts, mandates
from identity.models import Mandate
from identity.one_time_codes import OTP_EXPIRED, OTP_INVALID
from portals import consents, reading
from portals.agency import cases, codes, devices, handovers, look_ups, timeline
from portals.agency.case_pages import CasePage, stands_at
from portals.agency.forms import CodeForm, ReadForm
from portals.agency.held import begin, see
from portals.models import Application, AssistedCase, Handover

State, Asks, Way = AssistedCase.State, Handover.Asks, Handover.Way
BEFORE_PROOF = (State.READING, State.PROVING)


class GoOn(CasePage):
    """To the page on which the case goes on."""

    is_act = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(stands_at(request, self.member, self.case))


class Read(CasePage):
    """Five sentences to read aloud, in the customer's language (A4)."""

    template_name = "agency/read.html"
    states = BEFORE_PROOF

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        wanted = request.GET.get("locale") or self.case.locale or get_language() or "en"
        return self._show(wanted)

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        form = ReadForm(request.POST)
        locale = form.cleaned_data["locale"] if form.is_valid() else ""
        if locale not in dict(settings.LANGUAGES):
            return self._show(get_language() or "en", status=422)
        case = cases.read(self.case, locale, by=self.member, now=self.now)
        return see(reverse("agency-proof", args=[case.pk]))

    def _show(self, wanted: str, *, status: int = 200) -> HttpResponse:
        locale = wanted.partition("-")[0]
        locale = locale if locale in dict(settings.LANGUAGES) else "en"
        languages = [
            {"code": code, "name": translation.get_language_info(code)["name_local"], "is_chosen": code == locale}
            for code, _name in settings.LANGUAGES
        ]
        direction = "rtl" if translation.get_language_info(locale)["bidi"] else "ltr"
        return self.page(
            status=status, sentences=self._sentences(locale), locale=locale, languages=languages, direction=direction
        )

    def _sentences(self, locale: str) -> list[str]:
        with translation.override(locale):
            named = {
                "agent": self.member.name or self.member.operator_id,
                "agency": self.case.agency.name,
                "program": reading.program(self.case.program.item, locale).name,
                "utility": self.words()["house"].name,
            }
            return [
                _("I am %(agent)s of %(agency)s, an agency that is certified to help people enrol.") % named,
                _("I would like to help you join “%(program)s”; you need not, and you can also do it by yourself.")
                % named,
                _("Before I see anything of you, you prove yourself who you are; I never ask for your password.")
                % named,
                _("Questions about your data and your equipment you answer yourself; I cannot answer them for you.")
                % named,
                _("%(utility)s writes to you about it, and you can take your word back at any time.") % named,
            ]


class Proof(CasePage):
    """How the customer agrees: on this device, by a code, or on paper; and how it stands (A5)."""

    template_name = "agency/proof.html"
    states = (*BEFORE_PROOF, State.REVIEW)

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.case.state == State.READING:
            return see(reverse("agency-read", args=[self.case.pk]))
        return self.show()

    def show(self, form: CodeForm | None = None, *, status: int = 200, **said: Any) -> HttpResponse:
        living = handovers.living(self.case, self.now)
        last = handovers.last(self.case)
        code = codes.waiting(self.case, Asks.MANDATE, self.now)
        return self.page(
            status=status,
            form=form or CodeForm(),
            living=living,
            last=last if last is not None and last.asks == Asks.MANDATE and living is None else None,
            code=code,
            may_send=code is None or code.may_send(self.now),
            number=(code.count if code else 0) + 1,
            mandate=_mandate_words(self) if code is not None and not code.is_over else None,
            paper=_paper_address(self.case),
            asks=Asks.MANDATE,
            is_again=self.case.application_id is not None,
            **said,
        )


class Code(Proof):
    """Have a code sent (`send`), or enter the one that the customer tells."""

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(reverse("agency-proof", args=[self.case.pk]))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        if self.case.state != State.PROVING:
            return see(stands_at(request, self.member, self.case))
        if "send" in request.POST:
            return self._send(request)
        form = CodeForm(request.POST)
        if not form.is_valid():
            return self.show(form, status=422)
        found = codes.enter(self.case, Asks.MANDATE, form.cleaned_data["code"], now=self.now)
        if isinstance(found, codes.NotProved):
            return self._refused(found)
        try:
            is_expected = cases.is_expected(self.case, found.subject, now=self.now)
        except contacts.Unavailable:
            return self.show(status=503, problem=codes.UNAVAILABLE)
        if not is_expected:
            return self._refused(codes.NotProved(handovers.OTHER_PERSON))
        self._agree(found)
        devices.proved(request, self.case, self.now)
        return see(reverse("agency-go-on", args=[self.case.pk]))

    def _agree(self, found: codes.Proved) -> None:
        with transaction.atomic():
            AssistedCase.objects.select_for_update(of=("self",)).get(pk=self.case.pk)
            if codes.is_used(found.digest):
                return  # pressed twice
            mandate = mandates.give(
                subject=found.subject,
                agency=self.case.agency,
                operator_id=self.member.operator_id,
                utility_id=self.case.utility_id,
                program_id=self.case.program.program_id,
                now=self.now,
                evidence_kind=Mandate.Evidence.CODE,
                evidence_digest=found.digest,
                locale=self.case.locale or "en",
                words=_mandate_words(self),
            )
            cases.proved(self.case, found.subject, mandate, now=self.now)

    def _send(self, request: HttpRequest) -> HttpResponse:
        given = request.POST.get("number", "")
        number = int(given) if given.isdecimal() and len(given) < 4 else 0
        before = codes.waiting(self.case, Asks.MANDATE, self.now)
        if self.case.source == AssistedCase.Source.IMPORT and self.case.subject_id is None:
            try:  # nobody looked the customer up, and nobody released a letter: codes are no way around either limit
                look_ups.allow(self.member, self.now)
            except (look_ups.TooSoon, look_ups.Stopped):
                return self.show(status=429, problem=codes.TOO_SOON)
        sent = codes.send(self.case, self.member, Asks.MANDATE, number=number, now=self.now)
        if isinstance(sent, codes.NotProved):
            status = 503 if sent.code == codes.UNAVAILABLE else 429
            return self.show(status=status, problem=sent.code)
        if number > (before.count if before else 0):
            timeline.note(Action.ASSISTED_CODE_SENT, self.case, self.member, self.now, number=number)
        return see(reverse("agency-proof", args=[self.case.pk]))

    def _refused(self, why: codes.NotProved) -> HttpResponse:
        timeline.note(Action.ASSISTED_CODE_REFUSED, self.case, self.member, self.now, why=why.code)
        form = CodeForm(self.request.POST)
        words = {
            OTP_INVALID: _("This is not the code that was sent. Ask the customer to read it out again"),
            OTP_EXPIRED: _("This code has ended. Have a new one sent"),
            handovers.OTHER_PERSON: _("This code is somebody else's than the customer's whom you looked up"),
            codes.NOBODY: _("The utility does not say whose code this is. Choose another way"),
            codes.UNAVAILABLE: _("We could not reach the utility. Nothing is lost: try again in a minute"),
        }
        is_locked = why.code == OTP_INVALID and why.attempts_left == 0
        text = (
            _("The code was wrong too often and has ended. Have a new one sent") if is_locked else words.get(why.code)
        )
        form.add_error("code", text or words[OTP_EXPIRED])
        return self.show(form, status=503 if why.code == codes.UNAVAILABLE else 422, left=why.attempts_left)


class HandOver(CasePage):
    """Hand the device over: the agent is signed out, and the browser is the customer's until the end."""

    is_act = False  # an enrolled customer may be asked whether they want to leave

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(stands_at(request, self.member, self.case))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        asks, about = request.POST.get("asks", ""), request.POST.get("about", "")[:255]
        if not may_ask(self, asks):
            return see(stands_at(request, self.member, self.case))
        row = handovers.open(
            self.case,
            self.member,
            way=Way.DEVICE,
            asks=asks,
            about=about,
            device=devices.digest_of(request),
            now=self.now,
        )
        return begin(request, row, language=self.case.locale, now=self.now)


class SendLink(CasePage):
    """Send the customer a link, to the contact that their utility has."""

    is_act = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(stands_at(request, self.member, self.case))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        asks, about = request.POST.get("asks", ""), request.POST.get("about", "")[:255]
        back = request.POST.get("back", "")
        if not may_ask(self, asks) or asks == Asks.MANDATE:
            return see(stands_at(request, self.member, self.case))
        before = handovers.living(self.case, self.now)
        is_new = before is None or before.way != Way.LINK or self.now - before.opened_at >= codes.AGAIN_AFTER
        is_sent = True
        if is_new:
            is_sent = self._send(asks, about)
        where = reverse("agency-consents" if asks == Asks.CONSENTS else "agency-go-on", args=[self.case.pk])
        if asks in (Asks.LEAVE, Asks.WITHDRAW) and back.startswith(f"/agency/cases/{self.case.pk}/"):
            where = back
        return see(where if is_sent else f"{where}?unsent=1")

    def _send(self, asks: str, about: str) -> bool:
        token, locale = handovers.new_token(), (self.case.locale or "en").partition("-")[0]
        row = handovers.open(self.case, self.member, way=Way.LINK, asks=asks, about=about, token=token, now=self.now)
        with translation.override(locale):
            named = {
                "agent": self.member.name or self.member.operator_id,
                "agency": self.case.agency.name,
                "program": reading.program(self.case.program.item, locale).name,
                "link": settings.PUBLIC_URL + reverse("handover-link", args=[token]),
            }
            title = _("%(agency)s asks for your answer") % named
            text = (
                _(
                    "%(agent)s of %(agency)s helps you with “%(program)s” and asks for your own answer. Open this link"
                    " within 24 hours, sign in and answer: %(link)s\nYou know nothing of"
                    " this? Then do nothing, and call us."
                )
                % named
            )
        is_sent = contacts.write(
            self.case.utility_id,
            subject=self.case.subject,
            template="handover-link",
            locale=locale,
            parameters=named,
            title=title,
            text=text,
            notice_id=f"handover-{row.pk}",
        )
        if not is_sent:
            handovers.end(row, now=self.now, why="UNSENT", by=self.member)
        return is_sent


class TakeBack(CasePage):
    """End a handover that is under way: a device that was left, a link that is no longer wanted."""

    is_act = False

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return see(stands_at(request, self.member, self.case))

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        living = handovers.living(self.case, self.now)
        if living is not None and cases.is_worked_on_by(self.case, self.member):
            handovers.end(living, now=self.now, why="AGENT", by=self.member)
        return see(reverse("agency-go-on", args=[self.case.pk]))


class Consents(CasePage):
    """The customer answers, the agent waits (A7). Nothing here answers anything."""

    template_name = "agency/consents.html"
    states = (State.OPEN,)

    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        application = self.case.application
        assert application is not None
        asked, left = consents.asked(application), consents.unanswered(application)
        living = handovers.living(self.case, self.now)
        refused = consents.refused(application)
        onward = "" if left or refused else stands_at(request, self.member, self.case)
        if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
            is_waiting = bool(left) and living is not None
            told = {"waiting": is_waiting, "long": False}
            return JsonResponse(told if is_waiting else {**told, "next": onward or request.path})
        locale = get_language() or "en"
        last = handovers.last(self.case)
        return self.page(
            lines=[
                {"consent": each, "text": each.description_in(locale), "said": _said(application, each)}
                for each in asked
            ],
            left=left,
            refused=refused,
            living=living,
            last=last if last is not None and last.asks == Asks.CONSENTS and living is None else None,
            onward=onward,
            unsent="unsent" in request.GET,
            count=len(asked) - len(left),
            asks=Asks.CONSENTS,
            may_send=living is None or self.now - living.opened_at >= codes.AGAIN_AFTER,
        )


class Ask(CasePage):
    """Ask the customer whether they want to leave, or to take a consent back: their own Yes comes first (A12)."""

    template_name = "agency/ask.html"
    is_act = False

    def get(self, request: HttpRequest, asks: str, **_: Any) -> HttpResponse:
        about = request.GET.get("about", "")[:255]
        if not may_ask(self, asks) or asks not in (Asks.LEAVE, Asks.WITHDRAW):
            raise Http404
        living = handovers.living(self.case, self.now)
        last = handovers.last(self.case)
        return self.page(
            asks=asks,
            about=about,
            living=living,
            last=last if last is not None and last.asks == asks and living is None else None,
            fresh=handovers.fresh_yes(self.case, asks, about=about, now=self.now),
            unsent="unsent" in request.GET,
            here=request.get_full_path(),
        )


def may_ask(page: CasePage, asks: str) -> bool:
    """Whether the customer can be asked this now, by this member."""
    case, application = page.case, page.case.application
    if case.not_me_at is not None or not cases.is_worked_on_by(case, page.member):
        return False
    if asks == Asks.MANDATE:
        return case.state == State.PROVING
    if asks == Asks.CONSENTS:
        return case.state == State.OPEN and application is not None
    is_enrolled = application is not None and application.state == Application.State.ENROLLED
    return asks in (Asks.LEAVE, Asks.WITHDRAW) and is_enrolled


def _said(application: Application, consent: consents.Asked) -> str:
    answer = consents.answer_to(application, consent)
    return "" if answer is None else ("yes" if answer.get("granted") is True else "no")


def _mandate_words(page: CasePage) -> mandates.MandateText:
    """What the customer agrees to by telling the code: read out to them in their language."""
    case, member, locale = page.case, page.member, page.case.locale or "en"
    name = reading.program(case.program.item, locale).name
    return mandates.text(case.agency, member.name or member.operator_id, name, page.now + mandates.LASTS, locale)


def _paper_address(case: AssistedCase) -> str:
    try:
        return reverse("agency-paper", args=[case.pk])
    except NoReverseMatch:
        return ""
