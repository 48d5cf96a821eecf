"""What programs there are and what they ask for: search and select. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import Q

from enrollment.codes import Code, Refusal
from enrollment.commands import SearchPrograms, SelectProgram
from enrollment.facts import Terms
from enrollment.models import ConsentText, ProgramVersion
from enrollment.results import Catalog, CatalogEntry, Order, Refused, Requirements, Selected, Stage
from enrollment.states import OnConsentRevoked, Partial

MAX_RESULTS = 100
MAX_TO_NARROW = 1000


def search(command: SearchPrograms, *, now: datetime) -> Catalog:
    """Programs open at `now` that match every part of the question; none is an empty catalogue, not an error.

    `with_closed`: also those that are closed now and say when they open again.
    """
    versions = ProgramVersion.objects.open_at(now)  # type: ignore[attr-defined]
    if command.with_closed:
        versions = ProgramVersion.objects.open_or_to_open(now)  # type: ignore[attr-defined]
    versions = versions.select_related("program")
    if command.kind:
        versions = versions.filter(program__kind__iexact=command.kind)
    if command.provider_id:
        versions = versions.filter(program__provider_id=command.provider_id)
    if command.utility_id:
        versions = versions.filter(Q(utilities=[]) | Q(utilities__contains=[command.utility_id]))
    if command.region:
        versions = versions.filter(Q(regions=[]) | Q(regions__contains=[command.region]))
    for word in command.text.split()[:10]:
        versions = versions.filter(
            Q(name__icontains=word)
            | Q(short_description__icontains=word)
            | Q(long_description__icontains=word)
            | Q(program__kind__icontains=word)
            | Q(program__program_id__icontains=word)
        )
    most = MAX_TO_NARROW if command.is_narrowed_later else MAX_RESULTS
    return Catalog(tuple(entry(v, now) for v in versions.order_by("program__program_id")[:most]))


def select(command: SelectProgram, *, now: datetime) -> Selected | Refused:
    """What the program asks for: criteria, credentials, consents with their texts, documents."""
    version = open_version(command.program_id, now, provider_id=command.provider_id)
    if version is None:
        order = Order(
            bap_id=command.order.bap_id,
            order_id=command.order.order_id,
            transaction_id=command.order.transaction_id,
            provider_id=command.provider_id,
            program_id=command.program_id,
        )
        return Refused(program_not_available(command.program_id), order, now, Stage.DOOR)
    return Selected(command.order.order_id, entry(version))


def open_version(program_id: str, now: datetime, *, provider_id: str = "") -> ProgramVersion | None:
    """The published version that takes applications at `now`, or None; a wrong provider is a wrong program."""
    versions = ProgramVersion.objects.open_at(now)  # type: ignore[attr-defined]
    if provider_id:
        versions = versions.filter(program__provider_id=provider_id)
    pk = versions.filter(program__program_id=program_id).values_list("pk", flat=True).first()
    return kept_version(pk) if pk is not None else None


@lru_cache(maxsize=256)
def kept_version(pk: int) -> ProgramVersion:
    """A version that was published, with its program; read once a process, because a trigger lets nothing of it change.

    But for its state: whether it is open is asked of the database (`open_version`). Treat it as read-only.
    """
    return ProgramVersion.objects.select_related("program").get(pk=pk)


def forget() -> None:
    """Drop what this process remembers; for tests, whose rows are taken back."""
    kept_version.cache_clear()
    _cached_texts.cache_clear()


def program_not_available(program_id: str, reason: str = "It is unknown, closed or not offered here") -> Refusal:
    return Refusal(
        Code.PROGRAM_NOT_AVAILABLE,
        f"The program {program_id} cannot be joined now. {reason}; search shows the programs that are open.",
        field="program",
        details={"program_id": program_id, "reason": reason},
    )


def terms(version: ProgramVersion) -> Terms:
    """The version as the pure rules read it."""
    return Terms(
        program_id=version.program.program_id,
        criteria=tuple(version.criteria) + _implied_criteria(version),
        required_credentials=tuple(version.required_credentials),
        is_all_or_nothing=version.partial == Partial.ALL_OR_NOTHING,
        documents=tuple(version.documents),
        secondary_utilities=tuple(version.secondary_utilities),
    )


def _implied_criteria(version: ProgramVersion) -> tuple[Mapping[str, Any], ...]:
    """`utilities` and `regions` bind as criteria do, unless a criterion already says it."""
    kinds = {c["kind"] for c in version.criteria}
    implied: list[Mapping[str, Any]] = []
    if version.utilities and "UTILITY" not in kinds:
        implied.append({"kind": "UTILITY", "parameters": {"anyOf": list(version.utilities)}, "text": ""})
    if version.regions and "REGION" not in kinds:
        implied.append({"kind": "REGION", "parameters": {"anyOf": list(version.regions)}, "text": ""})
    return tuple(implied)


def entry(version: ProgramVersion, now: datetime | None = None) -> CatalogEntry:
    """The version as it is told; with `now`, also whether it takes applications then."""
    program = version.program
    return CatalogEntry(
        program_id=program.program_id,
        provider_id=program.provider_id,
        kind=program.kind,
        name=version.name,
        short_description=version.short_description,
        long_description=version.long_description,
        personas=tuple(version.personas),
        utilities=tuple(version.utilities),
        opens_at=version.opens_at,
        closes_at=version.closes_at,
        requirements=requirements(version),
        presentation=_presentation(version, now),
        is_open=now is None or version.is_open_at(now),
    )


def _presentation(version: ProgramVersion, now: datetime | None) -> Mapping[str, Any]:
    """What people are shown; a program that opens later says when."""
    if now is not None and version.opens_at is not None and version.opens_at > now:
        return {**version.presentation, "reopensAt": version.opens_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return version.presentation


def requirements(version: ProgramVersion) -> Requirements:
    return Requirements(
        criteria=tuple(version.criteria),
        credentials=tuple(version.required_credentials),
        consents=tuple(_with_texts(version)),
        documents=tuple(version.documents),
    )


def _with_texts(version: ProgramVersion) -> Iterable[Mapping[str, Any]]:
    for consent in version.required_consents:
        shown = _shown_texts(version.program_id, consent["type"], consent.get("textVersion", ""))
        path = f"{version.program.program_id}/{consent['type']}/{consent.get('textVersion', '')}"
        is_required = consent.get("required", True)
        yield {
            **consent,
            # What becomes of the enrolment if it is taken back: people are told before they say Yes.
            "onRevoked": version.on_required_consent_revoked if is_required else OnConsentRevoked.KEEP.value,
            "texts": [
                {
                    "locale": locale,
                    "url": f"{settings.PUBLIC_URL}/consent-texts/{path}/{locale}",
                    "digest": digest,
                    "reviewed": is_read,
                }
                for locale, digest, is_read in shown
            ],
        }


def consent_texts(program_pk: int, consent_type: str, version: str) -> tuple[tuple[str, str], ...]:
    """(locale, digest) of each language of a consent text."""
    return tuple((locale, digest) for locale, digest, _ in _shown_texts(program_pk, consent_type, version))


def _shown_texts(program_pk: int, consent_type: str, version: str) -> tuple[tuple[str, str, bool], ...]:
    """(locale, digest, has a person read it). The texts are insert-only, so a found answer stays true."""
    try:
        return _cached_texts(program_pk, consent_type, version)
    except LookupError:
        return ()  # not kept: it may be loaded a moment later


@lru_cache(maxsize=1024)
def _cached_texts(program_pk: int, consent_type: str, version: str) -> tuple[tuple[str, str, bool], ...]:
    texts = ConsentText.objects.filter(program_id=program_pk, consent_type=consent_type, version=version)
    found = tuple(texts.order_by("locale").values_list("locale", "digest", "is_read"))
    if not found:
        raise LookupError
    return found
