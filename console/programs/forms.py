"""The forms in which a program version is written: each makes the values that `enrollment.programs.drafting` takes.

What a form does not know of an entry is kept as it was: whoever changes a sentence loses no parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from console.programs.wording import CREDENTIALS, VALUES
from enrollment.consents import CROSS_UTILITY
from enrollment.devices import CERTIFICATE_FILE, SOURCES
from enrollment.documents import MAX_BYTES
from enrollment.models import ProgramVersion
from enrollment.programs.checking import (
    CHOICES,
    CREDENTIAL_TYPES,
    MOST_CASE_DAYS,
    MOST_HOLD_MINUTES,
    consent_problems,
)
from enrollment.programs.content import Section
from files.looking import FORMATS
from utility_systems import registry
from utility_systems.ports import DerType

PERSONAS = ("CONSUMER", "PROSUMER")
FORMAT_NAMES = {"application/pdf": "PDF", "image/jpeg": "JPEG", "image/png": "PNG"}
SOURCE_NAMES = {
    "": _("anybody may declare one"),
    "DECLARED": _("anybody may declare one"),
    "DOCUMENT": _("a file that two persons have looked at"),
    "MAKER": _("its maker's account"),
    "VC": _("a presented credential"),
    "UTILITY_API": _("the utility's own register"),
}


class Lines(forms.CharField):
    """One thing a line; blank lines do not count."""

    widget = forms.Textarea(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        text = str(super().to_python(value) or "")
        return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """Lengths are the model's."""


class Codes(Lines):
    """The same, in capital letters as the network writes them; commas part them, too."""

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        return list(
            dict.fromkeys(p.strip().upper() for p in str(value or "").replace(",", "\n").splitlines() if p.strip())
        )


class Moment(forms.DateTimeField):
    """An instant in UTC."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


def several(label: Any, names: Sequence[tuple[str, Any]], **how: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(label=label, choices=names, widget=forms.CheckboxSelectMultiple, **how)


def one(label: Any, names: Iterable[tuple[str, Any]], **how: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=list(names), widget=forms.RadioSelect, **how)


def words(label: Any, rows: int = 0, **how: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(label=label, widget=widget, **how)


def with_present(names: Iterable[str], present: Iterable[str]) -> list[tuple[str, str]]:
    """Choices by their own names, with those that are there already."""
    return [(each, each) for each in dict.fromkeys((*names, *present))]


# --- a section -------------------------------------------------------------------------------------------------------


class SectionForm(forms.Form):
    """A part of a version. `values` are the model's fields it writes."""

    section: ClassVar[Section]

    def __init__(self, *args: Any, version: ProgramVersion, **kwargs: Any) -> None:
        self.version = version
        super().__init__(*args, **kwargs)
        self.initial = self.known()
        self.prepare()

    def known(self) -> dict[str, Any]:
        """What the version says now."""
        return {name: getattr(self.version, name) for name in self.base_fields if hasattr(self.version, name)}

    def prepare(self) -> None:
        """Choices that depend on the version."""

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.base_fields if hasattr(self.version, name)}

    def presentation_with(self, **changes: Any) -> dict[str, Any]:
        """The version's presentation with these entries; an empty one is taken out."""
        kept = {**(self.version.presentation or {}), **changes}
        return {key: value for key, value in kept.items() if value not in (None, "", [], {})}


class WordsForm(SectionForm):
    section = Section.WORDS
    name = words(_("Name"), max_length=200)
    short_description = words(_("In one line: what it does for people"), max_length=500, required=False)
    long_description = words(_("In full"), 6, required=False)
    personas = several(_("Whom it is for"), (), required=False)
    minutes = forms.IntegerField(label=_("Minutes it takes to apply"), min_value=1, max_value=240, required=False)
    support_name = words(_("Help: who"), max_length=200, required=False)
    support_phone = words(_("Help: phone"), max_length=60, required=False)
    support_email = forms.EmailField(label=_("Help: e-mail"), required=False)
    support_url = forms.URLField(label=_("Help: page"), required=False, assume_scheme="https")
    support_hours = words(_("Help: hours"), max_length=200, required=False)
    _support = ("name", "phone", "email", "url", "hours")

    def known(self) -> dict[str, Any]:
        support = self.version.support or {}
        told = {f"support_{each}": support.get(each, "") for each in self._support}
        return {**super().known(), **told, "minutes": (self.version.presentation or {}).get("minutes")}

    def prepare(self) -> None:
        self.fields["personas"].choices = with_present(PERSONAS, self.version.personas)  # type: ignore[attr-defined]

    def values(self) -> dict[str, Any]:
        others = {k: v for k, v in (self.version.support or {}).items() if k not in self._support}
        said = {each: self.cleaned_data[f"support_{each}"] for each in self._support}
        support = others | {each: text for each, text in said.items() if text}
        ordered = {key: support[key] for key in (*(self.version.support or {}), *support) if key in support}
        presentation = self.presentation_with(minutes=self.cleaned_data["minutes"])
        return {**super().values(), "support": ordered, "presentation": presentation}


class WhoForm(SectionForm):
    section = Section.WHO
    utilities = several(
        _("Utilities whose meters may join"), (), required=False, help_text=_("None chosen: those of any utility.")
    )
    secondary_utilities = several(
        _("Utilities whose devices the program uses behind a meter of theirs"),
        (),
        required=False,
        help_text=_("The person signs in there, too. For most programs: none."),
    )
    regions = Lines(
        label=_("Regions"),
        required=False,
        help_text=_("One grid area a line, as the utility names it. None: everywhere."),
    )

    def prepare(self) -> None:
        for name in ("utilities", "secondary_utilities"):
            present = getattr(self.version, name)
            self.fields[name].choices = with_present(registry.utility_ids(), present)  # type: ignore[attr-defined]


class ProofsForm(SectionForm):
    """Files in place of a certificate, and mandates on paper; the credentials are entries of their own."""

    section = Section.PROOFS
    paper_review = one(
        _("Who looks at a customer's mandate on paper"),
        [("", _("another person of the agency")), ("PROVIDER", _("we do, among the cases to decide"))],
        required=False,
    )
    takes_files = forms.BooleanField(
        label=_("A file may stand in for a device's certificate"),
        required=False,
        help_text=_("Two persons look at it before it counts."),
    )
    formats = several(_("Which files"), tuple(FORMAT_NAMES.items()), required=False)
    megabytes = forms.IntegerField(
        label=_("How large, in MB"), min_value=1, max_value=max(1, MAX_BYTES // 1024**2), required=False
    )

    def known(self) -> dict[str, Any]:
        kept = self._kept()
        size = kept.get("maxBytes") or MAX_BYTES
        return {
            "paper_review": self._assistance().get("paperReview", ""),
            "takes_files": bool(kept),
            "formats": list(kept.get("formats") or FORMATS),
            "megabytes": max(1, size // 1024**2),
        }

    def _assistance(self) -> Mapping[str, Any]:
        return (self.version.presentation or {}).get("assistance") or {}

    def _kept(self) -> Mapping[str, Any]:
        return next((each for each in self.version.documents if each.get("kind") == CERTIFICATE_FILE), {})

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("takes_files") and not said.get("formats"):
            self.add_error("formats", _("Choose at least one kind of file."))
        if said.get("takes_files") and not self.errors.get("megabytes") and not said.get("megabytes"):
            self.add_error("megabytes", _("Say how large a file may be."))
        return said

    def values(self) -> dict[str, Any]:
        kept = self._kept()
        others = [each for each in self.version.documents if each is not kept]
        review = self.cleaned_data["paper_review"]
        rest = {key: value for key, value in self._assistance().items() if key != "paperReview"}
        assistance = rest | ({"paperReview": review} if review else {})
        told = {"presentation": self.presentation_with(assistance=assistance)}
        if not self.cleaned_data["takes_files"]:
            return {"documents": others, **told}
        chosen = [each for each in FORMATS if each in self.cleaned_data["formats"]]
        size = self.cleaned_data["megabytes"]
        unchanged = kept and size == max(1, (kept.get("maxBytes") or MAX_BYTES) // 1024**2)
        entry = {
            "documentId": "der-certificate",
            "kind": CERTIFICATE_FILE,
            **kept,
            "formats": chosen,
            "maxBytes": kept["maxBytes"] if unchanged and kept.get("maxBytes") else size * 1024**2,
        }
        return {"documents": [entry, *others], **told}


class ConsentsForm(SectionForm):
    """What holds for all consents; each is an entry of its own."""

    section = Section.CONSENTS
    consent_capture = one(_("How people agree"), VALUES["consent_capture"].items())
    on_required_consent_revoked = one(
        _("When a required consent is taken back"), VALUES["on_required_consent_revoked"].items()
    )


class DatesForm(SectionForm):
    section = Section.DATES
    opens_at = Moment(label=_("Opens (UTC)"), required=False, help_text=_("Empty: as soon as it is published."))
    closes_at = Moment(label=_("Closes (UTC)"), required=False, help_text=_("Empty: until somebody closes it."))
    reopens_at = Moment(
        label=_("Opens again (UTC)"),
        required=False,
        help_text=_("Told to people while it is closed; it opens when a version is published that says so."),
    )
    default_term_days = forms.IntegerField(
        label=_("Usual term in days"), min_value=0, max_value=36_500, help_text=_("0: without an end.")
    )
    max_term_days = forms.IntegerField(
        label=_("Longest term in days"), min_value=1, max_value=36_500, required=False, help_text=_("Empty: any.")
    )
    max_meters = forms.IntegerField(
        label=_("Most meters in the program"),
        min_value=1,
        max_value=2_000_000_000,
        required=False,
        help_text=_("Empty: no limit."),
    )
    hold_minutes = forms.IntegerField(label=_("A place is kept for minutes"), min_value=1, max_value=MOST_HOLD_MINUTES)
    case_days = forms.IntegerField(label=_("An application waits for days"), min_value=1, max_value=MOST_CASE_DAYS)

    def known(self) -> dict[str, Any]:
        told = str((self.version.presentation or {}).get("reopensAt") or "")
        try:
            reopens_at = datetime.fromisoformat(told) if told else None
        except ValueError:
            reopens_at = None
        return {**super().known(), "reopens_at": reopens_at}

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        opens, closes, reopens = (said.get(each) for each in ("opens_at", "closes_at", "reopens_at"))
        if opens and closes and closes <= opens:
            self.add_error("closes_at", _("The program closes before it opens."))
        if reopens and not closes:
            self.add_error("reopens_at", _("It opens again only after it has closed: say when it closes."))
        elif reopens and reopens <= closes:
            self.add_error("reopens_at", _("It opens again after it has closed."))
        return said

    def values(self) -> dict[str, Any]:
        at = self.cleaned_data["reopens_at"]
        told = at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
        return {**super().values(), "presentation": self.presentation_with(reopensAt=told)}


class ControlForm(SectionForm):
    section = Section.CONTROL
    conflict_group = words(
        _("Conflict group"),
        max_length=40,
        help_text=_(
            "A meter is in one program of a group at a time, for example FLEX. Which groups may meet is a rule."
        ),
    )
    control = one(_("Who switches devices"), VALUES["control"].items())
    partial = one(_("Several meters at once"), VALUES["partial"].items())
    direction = one(_("Direction"), VALUES["direction"].items())
    payment_type = one(_("Paid for"), VALUES["payment_type"].items())
    notification = one(_("Told of events"), VALUES["notification"].items())
    credential_profile = one(_("Shape of the credential"), VALUES["credential_profile"].items(), required=False)

    def clean_conflict_group(self) -> str:
        return str(self.cleaned_data["conflict_group"]).strip().upper()


SECTION_FORMS: Mapping[str, type[SectionForm]] = {
    form.section.value: form for form in (WordsForm, WhoForm, ProofsForm, ConsentsForm, DatesForm, ControlForm)
}


# --- an entry of a list ----------------------------------------------------------------------------------------------


class EntryForm(forms.Form):
    """One entry of a list of a version. `entry` is it as it was, {} for a new one; `made()` as it will be."""

    said_in: ClassVar[str] = ""  # the entry's own sentence
    said_in_languages: ClassVar[str] = ""  # the same by language

    def __init__(self, *args: Any, entry: Mapping[str, Any], version: ProgramVersion, **kwargs: Any) -> None:
        self.entry, self.version = entry, version
        super().__init__(*args, **kwargs)
        kept = entry.get(self.said_in_languages) or {}
        for code, name in languages(kept):
            label = _("Sentence people read (%(language)s)") % {"language": name}
            field = words(label, max_length=500, required=False)
            field.widget.attrs |= {"lang": code, "dir": "auto"}
            self.fields[f"said_{code}"] = field
            self.initial[f"said_{code}"] = kept.get(code) or (entry.get(self.said_in, "") if code == "en" else "")

    def sentences(self) -> dict[str, Any]:
        """The entry's own sentence, which is the English one, and all of them by language."""
        said = {code: self.cleaned_data[f"said_{code}"].strip() for code, _name in languages(self._kept_languages())}
        by_language = {code: text for code, text in said.items() if text}
        return {self.said_in: said.get("en", ""), self.said_in_languages: by_language}

    def _kept_languages(self) -> Mapping[str, Any]:
        return self.entry.get(self.said_in_languages) or {}

    def made(self) -> dict[str, Any]:
        raise NotImplementedError


def languages(present: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = {code: str(name) for code, name in settings.LANGUAGES}
    return [(code, names.get(code, code)) for code in dict.fromkeys((*names, *present))]


class ConditionForm(EntryForm):
    """One condition of the closed list; its fields follow from its kind."""

    said_in, said_in_languages = "text", "texts"

    def __init__(self, *args: Any, entry: Mapping[str, Any], **kwargs: Any) -> None:
        self.kind = str(entry.get("kind"))
        super().__init__(*args, entry=entry, **kwargs)
        parameters = entry.get("parameters") or {}
        for name, field in _condition_fields(self.kind, parameters).items():
            self.fields[name] = field
            if name in parameters:
                self.initial[name] = parameters[name]
        self._own = [name for name in self.fields if not name.startswith("said_")]
        self.order_fields([*self._own, *(name for name in self.fields if name.startswith("said_"))])

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if self.kind == "SANCTIONED_LOAD" and not self.errors:
            low, high = said.get("fromKw"), said.get("toKw")
            if low is None and high is None:
                self.add_error("fromKw", _("Give a lower or an upper limit."))
            elif low is not None and high is not None and low > high:
                self.add_error("toKw", _("The upper limit is below the lower one."))
        return said

    def made(self) -> dict[str, Any]:
        others = {k: v for k, v in (self.entry.get("parameters") or {}).items() if k not in self._own}
        said = {name: self.cleaned_data[name] for name in self._own}
        parameters = {**others, **{k: v for k, v in said.items() if v not in (None, "", [], False)}}
        return {**self.entry, "kind": self.kind, "parameters": parameters, **self.sentences()}


def _condition_fields(kind: str, parameters: Mapping[str, Any]) -> dict[str, forms.Field]:
    present = [str(each) for each in parameters.get("anyOf") or ()]
    if kind == "REGION":
        return {"anyOf": Lines(label=_("Regions, one a line, as the utility names them"))}
    if kind in CHOICES:
        known = registry.utility_ids() if kind == "UTILITY" else CHOICES[kind]
        chosen: dict[str, forms.Field] = {"anyOf": several(_("One of"), with_present(known, present))}
        return chosen | (_device_fields() if kind == "DER_TYPE" else {})
    if kind == "MIN_ACR":
        return {"value": words(_("Level of the sign-in"), max_length=100, help_text=_("As the provider names it."))}
    if kind == "SANCTIONED_LOAD":
        return {
            "fromKw": forms.FloatField(label=_("From (kW)"), min_value=0, required=False),
            "toKw": forms.FloatField(label=_("Up to (kW)"), min_value=0, required=False),
        }
    return _device_fields() if kind == "DER_CERTIFIED" else {}


def _device_fields() -> dict[str, forms.Field]:
    sources = [("", SOURCE_NAMES[""]), *((each, SOURCE_NAMES[each]) for each in SOURCES if each != "DECLARED")]
    return {
        "minimumSource": one(_("Who must know the device as the person's"), sources, required=False),
        "needsKw": forms.BooleanField(label=_("Its power in kW is needed"), required=False),
        "tolerancePercent": forms.FloatField(
            label=_("How far the declared power may be off, in per cent"),
            min_value=0,
            max_value=100,
            required=False,
            help_text=_("Empty: 5."),
        ),
        "onCertificateEnd": one(
            _("When its certificate ends"),
            [("", _("the enrolment is suspended until it is renewed")), ("END", _("the enrolment ends"))],
            required=False,
        ),
    }


class CredentialForm(EntryForm):
    """A credential that people show, or that the utility vouches for in its place."""

    said_in, said_in_languages = "description", "descriptions"
    type = one(_("Which"), [(each, CREDENTIALS[each]) for each in CREDENTIAL_TYPES])
    derTypes = several(  # noqa: N815 - the wire's own name, which the entry keeps
        _("Of devices of these types"),
        [(each.value, each.value) for each in DerType],
        required=False,
        help_text=_("For a device's certificate only."),
    )

    def __init__(self, *args: Any, entry: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, entry=entry, **kwargs)
        self.initial = {**self.initial, **{name: entry[name] for name in ("type", "derTypes") if name in entry}}

    def made(self) -> dict[str, Any]:
        made = {**self.entry, "type": self.cleaned_data["type"], **self.sentences()}
        made.pop("derTypes", None)
        is_device = made["type"] == "DERCertificationCredential"
        return made | (
            {"derTypes": self.cleaned_data["derTypes"]} if is_device and self.cleaned_data["derTypes"] else {}
        )


class ConsentForm(EntryForm):
    """One consent: who may do what with which data, for how long, in which text."""

    said_in, said_in_languages = "description", "descriptions"
    type = words(_("Name"), max_length=60, help_text=_("In capital letters, for example DATA_COLLECTION."))
    required = forms.BooleanField(label=_("Nobody can join without it"), required=False)
    purposes = Codes(label=_("What for"), help_text=_("One purpose a line, for example SETTLEMENT."))
    data_named = Codes(label=_("Which data"), required=False, help_text=_("One a line, for example INTERVAL_READINGS."))
    grantee = words(_("Who receives them"), max_length=200)
    mode = one(
        _("What may be done"),
        [
            ("VIEW", _("look at the data")),
            ("STORE", _("keep the data")),
            ("STREAM", _("receive the data all the time")),
            ("CONTROL", _("switch devices")),
        ],
    )
    frequency = words(_("How often"), max_length=20, help_text=_("A period like PT15M or P1D, EVENT, or ONCE."))
    validity = words(_("How long it holds"), max_length=20, help_text=_("ENROLLMENT, or a period like P1Y."))
    textVersion = words(_("Version of the text"), max_length=40)  # noqa: N815 - the wire's own name
    outlivesEnrollment = forms.BooleanField(  # noqa: N815
        label=_("It goes on after the enrolment has ended, unless the person ends that, too"), required=False
    )
    fromUtility = words(_("Shared from the utility"), max_length=200, required=False)  # noqa: N815
    toUtility = words(_("Shared to the utility"), max_length=200, required=False)  # noqa: N815
    _optional = ("outlivesEnrollment", "fromUtility", "toUtility")

    def __init__(
        self, *args: Any, entry: Mapping[str, Any], text_versions: Mapping[str, Sequence[str]], **kw: Any
    ) -> None:
        super().__init__(*args, entry=entry, **kw)
        known = {name: entry[key] for name, key in self._keys() if key in entry}
        self.initial = {**self.initial, "required": True, "validity": "ENROLLMENT", "mode": "STORE", **known}
        kept = [f"{each}: {', '.join(numbers)}" for each, numbers in text_versions.items()]
        self.fields["textVersion"].help_text = (
            _("Texts there are: %(list)s.") % {"list": "; ".join(kept)}
            if kept
            else _("There is no text yet: add one under Consent texts, or name the version that it will have.")
        )
        for name in ("fromUtility", "toUtility"):
            self.fields[name].help_text = _("Only for sharing between two utilities (%(type)s).") % {
                "type": CROSS_UTILITY
            }

    def clean_type(self) -> str:
        return str(self.cleaned_data["type"]).strip().upper()

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if not self.errors:
            for key, sentence in consent_problems(self.made()):
                self.add_error(
                    {"description": "said_en", "data": "data_named"}.get(key, key),
                    sentence[:1].upper() + sentence[1:] + ".",
                )
        return said

    def _keys(self) -> list[tuple[str, str]]:
        """(field, the entry's key): a form's own `data` is what was sent."""
        return [(name, "data" if name == "data_named" else name) for name in self.base_fields]

    def made(self) -> dict[str, Any]:
        said = {key: self.cleaned_data[name] for name, key in self._keys()}
        gone = {name for name in self._optional if not said[name]}
        kept = {**self.entry, **{k: v for k, v in said.items() if k not in gone}, **self.sentences()}
        return {key: value for key, value in kept.items() if key not in gone}


class LanguageForm(SectionForm):
    """What people read of the program in one language; emptied, the language is taken out."""

    section = Section.LANGUAGES
    shown_name = words(_("Name"), max_length=200, required=False)
    short = words(_("In one line"), max_length=500, required=False)
    long = words(_("In full"), 6, required=False)
    benefits = Lines(label=_("What people get"), required=False, help_text=_("One thing a line."))
    example = words(_("A worked example"), 4, required=False)
    statements = Lines(
        label=_("What an agent declares"),
        required=False,
        help_text=_("One sentence a line, in the first person. Empty: our own sentences."),
    )
    is_read = forms.BooleanField(
        label=_("A person has read this"), required=False, help_text=_("If not, people are told so.")
    )
    _keys: ClassVar[Mapping[str, str]] = {
        "shown_name": "name",
        "short": "shortDesc",
        "long": "longDesc",
        "benefits": "benefits",
        "statements": "agentStatements",
    }

    def __init__(self, *args: Any, locale: str, **kwargs: Any) -> None:
        self.locale = locale
        super().__init__(*args, **kwargs)

    def _text(self) -> Mapping[str, Any]:
        return ((self.version.presentation or {}).get("texts") or {}).get(self.locale) or {}

    def known(self) -> dict[str, Any]:
        text = self._text()
        told = {name: text.get(key, "") for name, key in self._keys.items()}
        example = text.get("example") or {}
        return {**told, "example": example.get("text", ""), "is_read": text.get("reviewed", self.locale == "en")}

    def prepare(self) -> None:
        for field in self.fields.values():
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs |= {"lang": self.locale, "dir": "auto"}

    def values(self) -> dict[str, Any]:
        said = {key: self.cleaned_data[name] for name, key in self._keys.items()}
        example = self.cleaned_data["example"]
        others = {k: v for k, v in self._text().items() if k not in (*said, "example", "reviewed")}
        text = {**others, **{key: value for key, value in said.items() if value}}
        if example:
            text["example"] = {**(self._text().get("example") or {}), "text": example, "isExample": True}
        texts = {**((self.version.presentation or {}).get("texts") or {})}
        if text:
            texts[self.locale] = {**text, "reviewed": self.cleaned_data["is_read"]}
        else:
            texts.pop(self.locale, None)
        return {"presentation": self.presentation_with(texts=texts)}


# --- acts ------------------------------------------------------------------------------------------------------------


class NewProgramForm(forms.Form):
    """A program that does not exist yet; everything else is written in its draft."""

    name = words(_("Name"), max_length=200)
    program_id = words(
        _("Id"),
        max_length=200,
        help_text=_("What the network calls it, for example program-evening-peak-001. It can never be changed."),
    )
    provider_id = words(_("Provider"), max_length=200, help_text=_("The provider's id on the network."))
    kind = words(
        _("Kind"),
        max_length=40,
        help_text=_("The network's word for what it does, for example DEMAND_FLEX, P2P or V2G."),
    )

    def clean_kind(self) -> str:
        return str(self.cleaned_data["kind"]).strip().upper()


class ReasonForm(forms.Form):
    """Why; kept in the journal."""

    reason = words(_("Reason"), 3, max_length=500, help_text=_("Kept in the journal: name nobody in it."))


class PublishForm(ReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].label = _("What is new in this version")
        self.fields["reason"].help_text = _("Staff read it in the program's history. Name nobody in it.")


class RetypedForm(ReasonForm):
    """Why, and the program's id typed again."""

    retyped = words(_("Type the program's id again"), max_length=200)

    def __init__(self, *args: Any, program_id: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.program_id = program_id
        self.fields["retyped"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_retyped(self) -> str:
        typed = str(self.cleaned_data["retyped"]).strip()
        if typed != self.program_id:
            raise forms.ValidationError(_("This is not the id of the program you are about to change."))
        return typed


class CloseForm(RetypedForm):
    closes_at = Moment(label=_("Closes (UTC)"), required=False, help_text=_("Empty: now."))
    reopens_at = Moment(
        label=_("Opens again (UTC)"), required=False, help_text=_("Told to people; empty: nothing is told.")
    )
    field_order = ("closes_at", "reopens_at", "reason", "retyped")


class TryForm(forms.Form):
    """Which meter, and as whom."""

    utility = forms.ChoiceField(label=_("Utility"))
    meter = words(
        _("Meter"), max_length=200, help_text=_("The meter's id at the utility (UMID), for example umid-001.")
    )
    role = forms.ChoiceField(label=_("As whom"), required=False)
    acr = words(_("Level of the sign-in"), max_length=100, required=False, help_text=_("Empty: none is known."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["utility"].choices = [(each, each) for each in registry.utility_ids()]  # type: ignore[attr-defined]
        roles = [(each, each) for each in CHOICES["METER_ROLE"]]
        self.fields["role"].choices = [("", _("whoever the utility names first")), *roles]  # type: ignore[attr-defined]
        self.fields["meter"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}


class ConsentTextForm(forms.Form):
    """A new version of a text, in every language at once."""

    consent_type = words(_("Consent"), max_length=60, help_text=_("Its name, for example DATA_COLLECTION."))
    version = words(_("Version"), max_length=40, help_text=_("A name that this text did not have before."))
    reviewed_by = words(
        _("Approved by"),
        max_length=200,
        required=False,
        help_text=_(
            "The role or reference of the legal approval, no person's name. Production publishes no text without it."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, name in settings.LANGUAGES:
            label = _("Text (%(language)s)") % {"language": name}
            body = words(label, 8, max_length=20_000, required=code == "en", strip=False)
            body.widget.attrs |= {"lang": code, "dir": "auto"}
            self.fields[f"body_{code}"] = body
            if code != "en":
                read = _("A person has read the text in %(language)s") % {"language": name}
                self.fields[f"is_read_{code}"] = forms.BooleanField(label=read, required=False)

    def clean_consent_type(self) -> str:
        return str(self.cleaned_data["consent_type"]).strip().upper()

    def clean_version(self) -> str:
        return str(self.cleaned_data["version"]).strip()
