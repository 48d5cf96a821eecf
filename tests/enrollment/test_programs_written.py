"""Writing programs: drafts, what keeps one from being published, publishing, closing, retiring (screens C7, C9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audit.log import Action, Actor, ActorKind, Channel
from audit.models import Event
from enrollment import catalog
from enrollment.codes import Code
from enrollment.models import CatalogChange, ConsentText, Program, ProgramVersion
from enrollment.programs import differences, drafting, publishing, texts
from enrollment.programs.content import FIELDS, IDENTITY, digest_of, fields
from enrollment.programs.drafting import NotWritten, Overtaken
from enrollment.programs.texts import Words
from enrollment.states import CaseState, EnrollmentState
from tests.enrollment.world import World, code, the_case, the_enrollment
from tests.factories import DATA_COLLECTION, FLEX, LONG_AGO, NOON, a_program, criterion, meter

EDITOR = Actor(ActorKind.STAFF, "7", Channel.CONSOLE)


def draft_of(version: ProgramVersion, **changes: Any) -> ProgramVersion:
    """The next version, begun from this one, with these fields written."""
    draft = drafting.new_draft(version.program_id, actor=EDITOR, now=NOON)
    return save(draft, **{"short_description": "Use less when asked", **changes})


def save(draft: ProgramVersion, **values: Any) -> ProgramVersion:
    return drafting.save(draft.pk, values, seen=digest_of(draft), actor=EDITOR, now=NOON)


def publish(draft: ProgramVersion, simulated: str = "") -> publishing.Published:
    draft.refresh_from_db()
    return publishing.publish(
        draft.pk, seen=digest_of(draft), simulated=simulated, reason="Next year's terms", actor=EDITOR, now=NOON
    )


def close(version: ProgramVersion, **how: Any) -> publishing.Published:
    asked = {"at": NOON, "seen": digest_of(version), "reason": "The season is over", **how}
    return publishing.close(version.program_id, **asked, actor=EDITOR, now=NOON)


def lines(*actions: Action) -> list[Event]:
    return list(Event.objects.filter(action__in=[str(each) for each in actions]).order_by("pk"))


def said(event: Event) -> dict[str, Any]:
    assert event.details is not None
    return event.details


def test_every_field_of_a_version_stands_in_one_section():
    named = [name for names in FIELDS.values() for name in names]

    assert sorted([*named, *IDENTITY]) == sorted(field.name for field in ProgramVersion._meta.fields)
    assert len(named) == len(set(named))


@pytest.mark.django_db
def test_a_draft_begins_as_what_is_published_and_is_seen_by_nobody():
    version = a_program(max_meters=5)
    draft = drafting.new_draft(version.program_id, actor=EDITOR, now=NOON)

    assert {name: getattr(draft, name) for name in fields()} == {name: getattr(version, name) for name in fields()}
    assert (draft.number, draft.state) == (2, "DRAFT")
    assert catalog.open_version(FLEX, NOON) == version
    with pytest.raises(NotWritten, match="already"):
        drafting.new_draft(version.program_id, actor=EDITOR, now=NOON)


@pytest.mark.django_db
def test_of_two_who_write_a_draft_the_later_one_is_told_and_undoes_nothing():
    draft = draft_of(a_program())
    seen = digest_of(draft)
    save(draft, name="The first one's name")

    with pytest.raises(Overtaken):
        drafting.save(draft.pk, {"name": "The second one's"}, seen=seen, actor=EDITOR, now=NOON)
    draft.refresh_from_db()
    assert draft.name == "The first one's name"
    assert said(lines(Action.PROGRAM_CHANGED)[-1])["fields"] == ["name"]


@pytest.mark.django_db
def test_publishing_retires_what_held_in_the_same_commit_and_says_so_to_the_catalogue():
    former = a_program()
    draft = draft_of(former, name="Demand Flexibility 2027")
    catalog.forget()
    done = publish(draft)

    former.refresh_from_db()
    assert (former.state, done.version.state, done.version.published_at) == ("RETIRED", "PUBLISHED", NOON)
    assert done.version.change_note == "Next year's terms"
    assert catalog.open_version(FLEX, NOON) == done.version
    told = CatalogChange.objects.order_by("pk").values_list("version", "state")
    assert list(told)[-2:] == [(former.pk, "RETIRED"), (done.version.pk, "PUBLISHED")]
    retired, published = lines(Action.PROGRAM_RETIRED, Action.PROGRAM_PUBLISHED)
    assert (said(retired)["number"], said(published)["number"], said(published)["former"]) == (1, 2, 1)
    assert published.before_digest != published.after_digest == digest_of(done.version)
    with pytest.raises(NotWritten, match="no draft any more"):
        save(done.version, name="Too late")


@pytest.mark.django_db
def test_whoever_publishes_has_read_the_very_words_that_are_published():
    draft = draft_of(a_program())
    seen = digest_of(draft)
    save(draft, name="Another name")

    with pytest.raises(Overtaken):
        publishing.publish(draft.pk, seen=seen, simulated="", reason="As read", actor=EDITOR, now=NOON)
    assert ProgramVersion.objects.get(state="PUBLISHED").number == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": " "}, "a name"),
        ({"conflict_group": "CONTROL"}, "kept for devices"),
        ({"conflict_group": "no group"}, "capital letters"),
        ({"criteria": [criterion("CONNECTION_TYPE", "A home")]}, "names nothing"),
        ({"criteria": [criterion("CONNECTION_TYPE", "A home", anyOf=["PALACE"])]}, "knows no PALACE"),
        ({"criteria": [criterion("SANCTIONED_LOAD", "Load", fromKw=9, toKw=5)]}, "nobody meets it"),
        ({"criteria": [criterion("NET_METER"), criterion("NET_METER")]}, "twice"),
        ({"required_credentials": [{"type": "Passport"}]}, "Passport"),
        ({"required_consents": [DATA_COLLECTION | {"textVersion": "9"}]}, "no text of version 9"),
        ({"required_consents": [DATA_COLLECTION | {"purposes": []}]}, "at least one purpose"),
        ({"required_consents": [DATA_COLLECTION | {"fromUtility": "a"}]}, "both of them"),
        ({"closes_at": LONG_AGO}, "closed from the start"),
        ({"max_term_days": 30}, "longer than the longest"),
        ({"hold_minutes": 0}, "one minute"),
    ],
)
def test_a_draft_with_a_problem_is_kept_and_not_published(changes: dict[str, Any], problem: str):
    draft = draft_of(a_program(), **changes)

    with pytest.raises(publishing.NotPublishable, match=problem):
        publish(draft)
    assert ProgramVersion.objects.get(state="PUBLISHED").number == 1


@pytest.mark.django_db
def test_production_publishes_no_text_that_nobody_approved_and_a_sandbox_says_so_only(settings: Any):
    draft = draft_of(a_program())
    (remark,) = [p for p in publishing.problems(draft, NOON) if "approved" in p.sentence]
    assert not remark.is_blocking

    settings.DEPLOYMENT = "production"
    with pytest.raises(publishing.NotPublishable, match="nobody has approved"):
        publish(draft)

    words = {"en": Words("You allow it."), "hi": Words("अनुमति", is_read=False)}
    texts.add(draft.program_id, "DATA_COLLECTION", "2", words, reviewed_by="Legal, file 7", actor=EDITOR, now=NOON)
    publish(save(draft, required_consents=[DATA_COLLECTION | {"textVersion": "2"}]))
    assert ProgramVersion.objects.get(state="PUBLISHED").number == 2


@pytest.mark.django_db
def test_a_consent_text_is_added_in_all_its_languages_and_never_changes():
    version = a_program()
    words = {"en": Words("Line one\r\nline two  "), "ur": Words("متن", is_read=False), "hi": Words("  ")}
    rows = texts.add(version.program_id, "RESEARCH", "1", words, reviewed_by="", actor=EDITOR, now=NOON)

    assert [(row.locale, row.body, row.is_read) for row in rows] == [
        ("en", "Line one\nline two", True),
        ("ur", "متن", False),
    ]
    assert said(lines(Action.CONSENT_TEXT_ADDED)[0])["digests"]["en"] == rows[0].digest
    for change, problem in (
        ({"version": "1"}, "already"),
        ({"version": "2", "words": {"ur": Words("متن")}}, "English"),
        ({"version": "a b"}, "version's name"),
        ({"consent_type": "research"}, "capital letters"),
    ):
        asked: dict[str, Any] = {"consent_type": "RESEARCH", "version": "2", "words": words, **change}
        with pytest.raises(NotWritten, match=problem):
            texts.add(version.program_id, **asked, reviewed_by="", actor=EDITOR, now=NOON)
    assert ConsentText.objects.filter(consent_type="RESEARCH").count() == 2


@pytest.mark.django_db
def test_closing_a_program_refuses_what_is_open_and_ends_nobody(world: World):
    world.utility.knows(meter("umid-002"), meter("umid-003"))
    assert world.version is not None
    world.enrolled(1)
    world.prepare(world.application(2, "umid-002"))
    done = close(world.version, reopens_at=NOON + timedelta(days=90))

    assert done.version.closes_at == NOON and done.version.presentation == {"reopensAt": "2027-01-13T12:00:00Z"}
    assert code(world.confirm(2)) == Code.PROGRAM_NOT_AVAILABLE
    assert code(world.prepare(world.application(3, "umid-003"))) == Code.PROGRAM_NOT_AVAILABLE
    assert the_case(2).state == CaseState.REJECTED
    assert the_enrollment(1).state == EnrollmentState.ACTIVE and the_enrollment(1).program_version == world.version
    (line,) = lines(Action.PROGRAM_CLOSED)
    assert (said(line)["open_cases"], said(line)["enrolled"], said(line)["former"]) == (1, 1, 1)
    with pytest.raises(NotWritten, match="closed already"):
        close(done.version)


@pytest.mark.django_db
def test_a_program_that_closes_later_takes_who_began_until_then(world: World):
    assert world.version is not None
    world.prepare()
    close(world.version, at=NOON + timedelta(days=1))

    assert world.confirm(now=NOON + timedelta(hours=1)).order.enrollment.state == EnrollmentState.ACTIVE
    assert not ProgramVersion.objects.open_at(NOON + timedelta(days=1)).exists()  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_a_draft_that_is_older_than_a_closing_is_published_after_it():
    version = a_program()
    draft = draft_of(version)
    close(version)
    done = publish(draft)

    assert (done.former and done.former.number, done.version.number, done.version.closes_at) == (3, 4, None)


@pytest.mark.django_db
def test_a_retired_program_is_offered_nowhere_until_something_is_published_again():
    version = a_program()
    with pytest.raises(NotWritten, match="why"):
        publishing.retire(version.program_id, seen=digest_of(version), reason=" ", actor=EDITOR, now=NOON)
    publishing.retire(version.program_id, seen=digest_of(version), reason="Replaced", actor=EDITOR, now=NOON)

    assert catalog.open_version(FLEX, NOON) is None
    assert publish(draft_of(version)).former is None
    assert catalog.open_version(FLEX, NOON) is not None


@pytest.mark.django_db
def test_a_program_that_never_was_anything_goes_with_its_draft():
    draft = drafting.new_program(
        "program-new-001", provider_id="provider", kind="P2P", name="New", actor=EDITOR, now=NOON
    )
    assert drafting.drop(draft.pk, seen=digest_of(draft), actor=EDITOR, now=NOON) is None
    assert not Program.objects.exists()

    other = draft_of(a_program())
    kept = drafting.drop(other.pk, seen=digest_of(other), actor=EDITOR, now=NOON)
    assert kept is not None and kept.versions.count() == 1
    with pytest.raises(NotWritten, match="There is a program of this id"):
        drafting.new_program(FLEX, provider_id="p", kind="P2P", name="Twice", actor=EDITOR, now=NOON)


@pytest.mark.django_db
def test_two_versions_are_compared_entry_by_entry():
    before = a_program(criteria=[criterion("NET_METER", "A net meter"), criterion("SANCTIONED_LOAD", "Load", toKw=5)])
    after = draft_of(
        before,
        criteria=[criterion("SANCTIONED_LOAD", "Load", toKw=10), criterion("INTERVAL_METER", "A smart meter")],
        max_meters=100,
        required_consents=[],
    )

    found = {(d.name, d.entry): (d.before, d.after) for d in differences.between(before, after)}
    assert found[("criteria", "SANCTIONED_LOAD: parameters.toKw")] == ("5", "10")
    assert found[("criteria", "NET_METER")] == ("kind: NET_METER\ntext: A net meter", "")
    assert found[("criteria", "INTERVAL_METER")][0] == ""
    assert found[("max_meters", "")] == ("", "100")
    assert found[("required_consents", "DATA_COLLECTION")][1] == ""
    assert not any(d.name == "criteria" and "text" in d.entry for d in differences.between(before, after))


def test_two_texts_are_compared_word_by_word():
    pieces = differences.words_between("You allow daily readings.", "You allow hourly readings, and no more.")

    assert "".join(p.text for p in pieces if p.kind != "NEW") == "You allow daily readings."
    assert "".join(p.text for p in pieces if p.kind != "GONE") == "You allow hourly readings, and no more."
    assert [(p.kind, p.text) for p in pieces] == [
        ("SAME", "You allow "),
        ("GONE", "daily "),
        ("NEW", "hourly "),
        ("SAME", "readings"),
        ("NEW", ", and no more"),
        ("SAME", "."),
    ]
