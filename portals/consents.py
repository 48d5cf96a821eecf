"""Which consents a journey asks for, and what the customer has answered. Pure: reads the journey's own values.

The provider owns the texts and says what each consent is about (decision 34); `on_init` says it newest, then
`on_select`, then the catalogue. Strange input is left out, never an error: a page has to come of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portals.models import Application

CROSS_UTILITY = "CROSS_UTILITY_SHARING"


@dataclass(frozen=True)
class Text:
    """One language of a consent's text: where it is, and the digest its bytes must have ("sha256:<hex>")."""

    locale: str
    url: str
    digest: str
    is_reviewed: bool = True


@dataclass(frozen=True)
class Asked:
    """One consent as the provider asks for it. `place` counts from 1 and is part of its page's address.

    `validity` is ENROLLMENT or an ISO 8601 duration or date, `frequency` an ISO 8601 duration or EVENT.
    `follows`: what a withdrawal does to the enrolment (KEEP, SUSPEND, CANCEL), "" where the provider does not say.
    """

    place: int
    type: str
    is_required: bool
    description: str
    purposes: tuple[str, ...]
    data: tuple[str, ...]
    grantee: str
    frequency: str
    mode: str
    validity: str
    from_utility: str
    to_utility: str
    text_version: str
    texts: tuple[Text, ...]
    follows: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name in `Application.answers["consents"]`."""
        return key_of(self.type, self.from_utility, self.to_utility)

    def description_in(self, locale: str) -> str:
        """One sentence in this language, where the provider has it."""
        return self.descriptions.get(locale) or self.descriptions.get(locale.partition("-")[0]) or self.description

    def text_in(self, locale: str) -> Text | None:
        """The text in this language, else in its main language, else English, else the first; None without any."""
        wishes = (locale, locale.partition("-")[0], "en")
        by_locale = {text.locale: text for text in self.texts}
        return next((by_locale[wish] for wish in wishes if wish in by_locale), self.texts[0] if self.texts else None)


def key_of(type_: str, from_utility: str = "", to_utility: str = "") -> str:
    """`TYPE`, or `TYPE|from|to` where a consent has a direction."""
    return f"{type_}|{from_utility}|{to_utility}" if from_utility else type_


def asked(application: Application) -> tuple[Asked, ...]:
    """All consents the program asks this customer for, in the provider's order."""
    found: list[Asked] = []
    for each in _definitions(application):
        if isinstance(each, Mapping) and _text(each.get("type")):
            found.append(_asked(len(found) + 1, each))
    return tuple(found)


def at_place(application: Application, place: int) -> Asked | None:
    """The consent of one page."""
    return next((each for each in asked(application) if each.place == place), None)


def named(application: Application, key: str) -> Asked | None:
    """The consent of one key."""
    return next((each for each in asked(application) if each.key == key), None)


def answer_to(application: Application, consent: Asked) -> Mapping[str, Any] | None:
    """What the customer has said to this consent; None if nothing, or to another text than is asked now."""
    answers = application.answers.get("consents")
    given = answers.get(consent.key) if isinstance(answers, Mapping) else None
    if not isinstance(given, Mapping) or given.get("textVersion", "") != consent.text_version:
        return None
    digests = {text.digest for text in consent.texts}
    return given if not digests or given.get("textDigest") in digests else None


def is_granted(application: Application, consent: Asked) -> bool:
    answer = answer_to(application, consent)
    return answer is not None and answer.get("granted") is True


def unanswered(application: Application) -> tuple[Asked, ...]:
    """The consents that wait for a Yes or a No."""
    return tuple(each for each in asked(application) if answer_to(application, each) is None)


def refused(application: Application) -> tuple[Asked, ...]:
    """The required consents that the customer has said No to: without them nobody can join."""
    return tuple(
        each
        for each in asked(application)
        if each.is_required and answer_to(application, each) is not None and not is_granted(application, each)
    )


def grants(application: Application) -> list[dict[str, Any]]:
    """The `consents[]` that a confirm echoes (decision 34): what was answered, with the text that was on the screen."""
    told = []
    for each in asked(application):
        answer = answer_to(application, each)
        if answer is not None and answer.get("granted") is True:
            told.append(grant_of(each, answer))
    return told


def grant_of(consent: Asked, answer: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of `consents[]`."""
    direction = {"fromUtility": consent.from_utility, "toUtility": consent.to_utility} if consent.from_utility else {}
    shown = {key: answer[key] for key in ("textVersion", "textDigest", "locale") if answer.get(key)}
    return {"type": consent.type, **direction, "granted": True, "grantedAt": answer.get("at", ""), **shown}


def _definitions(application: Application) -> Sequence[Any]:
    for action in ("on_init", "on_select"):
        wanted = _attributes(application.told.get(action)).get("requiredConsents")
        if isinstance(wanted, list):
            return wanted
    item = application.program.item
    about = item.get("beckn:itemAttributes") or item.get("itemAttributes") if isinstance(item, Mapping) else None
    wanted = about.get("requiredConsents") if isinstance(about, Mapping) else None
    return wanted if isinstance(wanted, list) else ()


def _attributes(told: Any) -> Mapping[str, Any]:
    at = told
    for name in ("message", "order", "beckn:orderAttributes"):
        at = at.get(name) if isinstance(at, Mapping) else None
    return at if isinstance(at, Mapping) else {}


def _asked(place: int, told: Mapping[str, Any]) -> Asked:
    return Asked(
        place=place,
        type=_text(told.get("type")),
        is_required=told.get("required", True) is not False,
        description=_text(told.get("description")),
        purposes=_words(told.get("purposes")),
        data=_words(told.get("data")),
        grantee=_text(told.get("grantee")),
        frequency=_text(told.get("frequency")),
        mode=_text(told.get("mode")),
        validity=_text(told.get("validity")) or "ENROLLMENT",
        from_utility=_text(told.get("fromUtility")),
        to_utility=_text(told.get("toUtility")),
        text_version=_text(told.get("textVersion")),
        texts=tuple(_texts(told.get("texts"))),
        follows=_text(told.get("onRevoked")),
        descriptions=_by_locale(told.get("descriptions")),
    )


def _texts(told: Any) -> Iterable[Text]:
    for each in told if isinstance(told, list) else ():
        if isinstance(each, Mapping) and _text(each.get("url")) and _text(each.get("digest")):
            is_reviewed = each.get("reviewed", True) is not False
            yield Text(_text(each.get("locale")), _text(each.get("url")), _text(each.get("digest")), is_reviewed)


def _by_locale(told: Any) -> Mapping[str, str]:
    return {str(k): v for k, v in told.items() if isinstance(v, str)} if isinstance(told, Mapping) else {}


def _words(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
