"""P9: one page for each consent, with the provider's own text and the very data that will flow; and what No means."""

from __future__ import annotations

import hmac
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import get_language

from portals import consent_texts, consents, data_flows, drafts, houses, reading, receipts
from portals.consents import Asked, Text
from portals.models import Application, ConsentReceipt
from portals.utility.forms_consents import ConsentForm
from portals.utility.pages import JourneyPage, see


class ConsentPage(JourneyPage):
    """One consent: purpose, data, who receives it, until when, what No means, Yes or No (screens P9)."""

    template_name = "portal/consents/consent.html"
    step, is_question = "consents", True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._show(self.consent(), ConsentForm(initial={"answer": self.said(self.consent())}))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        consent, form = self.consent(), ConsentForm(request.POST)
        if not form.is_valid():
            return self._show(consent, form, status=422)
        text = next((each for each in consent.texts if same(each.digest, form.cleaned_data["digest"])), None)
        if text is None:
            raise drafts.OutOfDate  # the provider asks for another text by now
        try:
            body = consent_texts.body_of(text, self.application.program.bpp)
        except (consent_texts.TextUnavailable, consent_texts.TextAltered) as problem:
            return self._without_text(consent, problem)
        is_granted = form.cleaned_data["answer"] == "yes"
        self.change(lambda fresh: self._answer(fresh, consent, text, body, is_granted))
        return self.after(consent, is_granted=is_granted)

    def after(self, consent: Asked, *, is_granted: bool) -> HttpResponse:
        """Where an answer leads."""
        if consent.is_required and not is_granted:
            return see(self.address("consent-no", consent.place))
        return self.onward()

    def answered(self, fresh: Application, key: str, *, is_granted: bool) -> None:
        """What else belongs to an answer, in its transaction."""

    def said(self, consent: Asked) -> str:
        """What was answered before: the choice that the page comes with, "" the first time."""
        answer = consents.answer_to(self.application, consent)
        return "" if answer is None else ("yes" if answer.get("granted") is True else "no")

    def consent(self) -> Asked:
        found = consents.at_place(self.application, self.kwargs["place"])
        if found is None:
            raise Http404
        return found

    def context(self) -> dict[str, Any]:
        consent = self.consent()
        all_of_them = consents.asked(self.application)
        return {
            **super().context(),
            "consent": consent,
            "count": len(all_of_them),
            "who": who_receives(self.application, consent),
            "from_utility": houses.house_of(consent.from_utility).name if consent.from_utility else "",
            "to_utility": houses.house_of(consent.to_utility).name if consent.to_utility else "",
            "answered": consents.answer_to(self.application, consent),
        }

    def _show(self, consent: Asked, form: ConsentForm, status: int = 200) -> HttpResponse:
        locale = get_language() or "en"
        text = consent.text_in(locale)
        try:
            if text is None:
                raise consent_texts.TextUnavailable("the provider names no text")
            body = consent_texts.body_of(text, self.application.program.bpp)
        except (consent_texts.TextUnavailable, consent_texts.TextAltered) as problem:
            return self._without_text(consent, problem)
        return self.page(
            status=status,
            form=form,
            text=text,
            body=body,
            is_other_language=text.locale.partition("-")[0] != locale.partition("-")[0],
            flows=data_flows.flows(self.application, consent, name=self.application.subject.name),
            description=consent.description_in(locale),
        )

    def _without_text(self, consent: Asked, problem: Exception) -> HttpResponse:
        is_altered = isinstance(problem, consent_texts.TextAltered)
        return self.page(status=503, template="portal/consents/no_text.html", is_altered=is_altered)

    def _answer(self, fresh: Application, consent: Asked, text: Text, body: str, is_granted: bool) -> None:
        receipt = receipts.write(
            fresh,
            consent,
            text,
            body=body,
            is_granted=is_granted,
            controller=who_receives(fresh, consent),
            house=houses.house_of(fresh.utility_id),
            locale=get_language() or "en",
            at=self.now,
        )
        fresh.answers = {
            **fresh.answers,
            "consents": {**(fresh.answers.get("consents") or {}), consent.key: answer_of(receipt)},
        }
        self.answered(fresh, consent.key, is_granted=is_granted)


class RefusedConsent(ConsentPage):
    """What a No to a required consent means, and the ways on. Nothing is lost: the answer can be changed."""

    template_name = "portal/consents/no.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        consent = self.consent()
        if consent not in consents.refused(self.application):
            return see(self.address("consent", consent.place))
        return self.page(description=consent.description_in(get_language() or "en"))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return see(self.address("consent", self.consent().place))


def who_receives(application: Application, consent: Asked) -> str:
    """Who receives the data, as people know them: the program, a utility by its name, else the id as it came."""
    if consent.grantee in ("", application.program.provider_id):
        return reading.program(application.program.item, get_language() or "").name
    return houses.house_of(consent.grantee).name or consent.grantee


def answer_of(receipt: ConsentReceipt) -> dict[str, Any]:
    return {
        "granted": receipt.is_granted,
        "at": receipt.answered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "textVersion": receipt.text_version,
        "textDigest": receipt.text_digest,
        "locale": receipt.locale,
        "receipt": str(receipt.pk),
    }


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
