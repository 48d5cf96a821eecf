"""What a program version says, as one value: for digests, for comparing two versions, for making one from another."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from audit import chain
from enrollment.models import ProgramVersion


class Section(StrEnum):
    """A part of a version that is written on a page of its own."""

    WORDS = "words"
    WHO = "who"
    PROOFS = "proofs"
    CONSENTS = "consents"
    DATES = "dates"
    CONTROL = "control"
    LANGUAGES = "languages"


#: Everything that a version says; every field of the model stands in one section, but for what it is itself.
FIELDS: Mapping[Section, tuple[str, ...]] = {
    Section.WORDS: ("name", "short_description", "long_description", "personas", "support", "change_note"),
    Section.WHO: ("utilities", "secondary_utilities", "regions", "criteria"),
    Section.PROOFS: ("required_credentials", "documents"),
    Section.CONSENTS: ("required_consents", "consent_capture", "on_required_consent_revoked"),
    Section.DATES: (
        "opens_at",
        "closes_at",
        "default_term_days",
        "max_term_days",
        "max_meters",
        "hold_minutes",
        "case_days",
    ),
    Section.CONTROL: (
        "conflict_group",
        "control",
        "partial",
        "direction",
        "payment_type",
        "notification",
        "credential_profile",
    ),
    Section.LANGUAGES: ("presentation",),
}
#: What a version is, beside what it says.
IDENTITY = ("id", "program", "number", "state", "published_at")


def fields() -> tuple[str, ...]:
    return tuple(name for names in FIELDS.values() for name in names)


def section_of(field: str) -> Section:
    return next(section for section, names in FIELDS.items() if field in names)


def content_of(version: ProgramVersion) -> dict[str, Any]:
    """Return all that the version says, by field."""
    return {name: getattr(version, name) for name in fields()}


def digest_of(version: ProgramVersion) -> str:
    """Return a digest that changes whenever anything the version says does; the journal's lines carry the same."""
    return chain.digest(content_of(version))
