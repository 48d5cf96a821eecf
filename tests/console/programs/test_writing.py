"""Programs at the console: written part by part, compared, published, closed, retired (screen C7)."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django import forms
from django.db import connection
from django.test.utils import CaptureQueriesContext

from console.programs.forms import SECTION_FORMS, ConditionForm, ConsentForm, CredentialForm, LanguageForm
from enrollment import catalog
from enrollment.models import ConsentText, Program, ProgramVersion
from enrollment.programs.content import digest_of
from identity.staff import Role
from sandbox import loading
from tests.factories import FLEX, NOON, a_program, criterion
from tests.staff import Desk, desk

NEW = "program-evening-001"


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    catalog.forget()


@pytest.fixture
def editor(db: None) -> Desk:
    return desk(Role.PROGRAM_EDITOR)


def page(response: Any) -> str:
    """What stands on the page, without its marks."""
    html = response.content.decode().split('id="content-start"')[-1].split('id="console-menu"')[0]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def sent(browser: Desk, address: str, **values: Any) -> Any:
    """The form at this address, filled as it came but for these values, and posted; it has to be taken."""
    response = post(browser, address, **values)
    assert response.status_code == 303, page(response)
    return browser.get(response.headers["Location"].split("#")[0])


def post(browser: Desk, address: str, **values: Any) -> Any:
    """The page's form, filled as it came but for these values, and posted."""
    opened = browser.get(address)
    assert opened.status_code == 200, (address, opened.status_code)
    hidden = dict(re.findall(r'type="hidden" name="(seen|simulated|wanted)" value="([^"]*)"', opened.content.decode()))
    filled = _filled(opened.context["form"]) if "form" in opened.context else {}
    return browser.post(address, {**hidden, **filled, **values})


def _filled(form: forms.Form) -> dict[str, Any]:
    """What a browser would send of the form as it stands."""
    found: dict[str, Any] = {}
    for bound in form:
        shown = bound.value()
        if isinstance(bound.field, forms.BooleanField):
            shown = "on" if shown else None
        elif not isinstance(bound.field, forms.ChoiceField):
            shown = bound.field.widget.format_value(shown)
        found |= {bound.html_name: shown} if shown not in (None, [], "") else {}
    return found


def address(version: ProgramVersion, part: str = "") -> str:
    return f"/admin/programs/versions/{version.pk}/{part}"


def drafted(browser: Desk, version: ProgramVersion) -> ProgramVersion:
    assert browser.post(f"/admin/programs/{version.program_id}/draft/").status_code == 303
    return ProgramVersion.objects.get(program=version.program, state="DRAFT")


def test_a_program_is_written_from_nothing_and_published(editor: Desk):
    told = sent(
        editor, "/admin/programs/new/", name="Evening", program_id=NEW, provider_id="prov-1", kind="demand_flex"
    )
    version = ProgramVersion.objects.get(program__program_id=NEW)
    assert "Say in one line" in page(told) and "/publish/" not in told.content.decode()

    sent(editor, address(version, "edit/words/"), short_description="Shift out of the peak", support_phone="100")
    sent(editor, address(version, "edit/who/"), utilities=["utility-example-001"], regions="north-1\nnorth-2\n")
    sent(editor, address(version, "edit/control/"), conflict_group="flex", control="VOLUNTARY", notification="DAY_OF")
    sent(editor, address(version, "edit/dates/"), default_term_days=180, max_meters=1000)
    sent(editor, address(version, "conditions/new/?kind=SANCTIONED_LOAD"), toKw="5.5", said_en="At most 5.5 kW")
    sent(editor, address(version, "conditions/new/?kind=METER_ROLE"), anyOf=["OWNER", "TENANT"], said_hi="मालिक")
    sent(editor, address(version, "credentials/new/"), type="MeterOwnershipCredential", said_en="The meter is yours")
    consent = {"type": "data_collection", "purposes": "settlement, billing", "data_named": "interval_readings"}
    words = {"grantee": "prov-1", "frequency": "PT15M", "textVersion": "1", "said_en": "We read the meter"}
    told = sent(editor, address(version, "consents/new/"), **consent, **words)
    assert "there is no text of version 1 yet" in page(told)
    text = f"/admin/consent-texts/{version.program_id}/new/"
    sent(editor, text, consent_type="DATA_COLLECTION", version="1", body_en="You allow it.", reviewed_by="Legal 7")
    sent(editor, address(version, "languages/hi/"), shown_name="शाम", benefits="पैसे\nबिजली", example="100 ₹")
    told = sent(editor, address(version, "publish/"), reason="The first one")

    version.refresh_from_db()
    assert version.state == "PUBLISHED" and "Version 1 is published" in page(told)
    assert (version.conflict_group, version.regions, version.max_meters) == ("FLEX", ["north-1", "north-2"], 1000)
    assert version.criteria == [
        {
            "kind": "SANCTIONED_LOAD",
            "parameters": {"toKw": 5.5},
            "text": "At most 5.5 kW",
            "texts": {"en": "At most 5.5 kW"},
        },
        {"kind": "METER_ROLE", "parameters": {"anyOf": ["OWNER", "TENANT"]}, "text": "", "texts": {"hi": "मालिक"}},
    ]
    (asked,) = version.required_consents
    assert (asked["type"], asked["purposes"], asked["data"]) == (
        "DATA_COLLECTION",
        ["SETTLEMENT", "BILLING"],
        ["INTERVAL_READINGS"],
    )
    assert asked["mode"] == "STORE" and asked["required"] is True and "fromUtility" not in asked
    hindi = version.presentation["texts"]["hi"]
    assert hindi["benefits"] == ["पैसे", "बिजली"] and hindi["example"] == {"text": "100 ₹", "isExample": True}
    assert hindi["reviewed"] is False
    found = catalog.open_version(NEW, version.published_at)  # type: ignore[arg-type]
    assert found == version


def test_what_a_form_does_not_know_of_an_entry_is_kept(editor: Desk):
    odd = criterion("DER_TYPE", "A car", anyOf=["EV"], minimumSource="MAKER", somethingNew=7)
    presentation = {
        "minutes": 9,
        "assistance": {"paperReview": "PROVIDER"},
        "texts": {"en": {"name": "N", "more": "x"}},
    }
    draft = drafted(editor, a_program(criteria=[odd], presentation=presentation))
    sent(editor, address(draft, "conditions/0/"), needsKw="on")
    sent(editor, address(draft, "languages/en/"), short="Short")
    sent(editor, address(draft, "edit/words/"), minutes="12")

    draft.refresh_from_db()
    assert draft.criteria[0]["parameters"] == {
        "somethingNew": 7,
        "anyOf": ["EV"],
        "minimumSource": "MAKER",
        "needsKw": True,
    }
    assert draft.presentation["assistance"] == {"paperReview": "PROVIDER"} and draft.presentation["minutes"] == 12
    assert draft.presentation["texts"]["en"] == {"name": "N", "more": "x", "shortDesc": "Short", "reviewed": True}


def test_every_form_sent_as_it_came_changes_nothing_of_any_program_of_the_sandbox(db: None):
    list(loading.load_programs(NOON))  # what real programs say, in all their forms
    for version in ProgramVersion.objects.select_related("program"):
        for made in SECTION_FORMS.values():
            said = _sent_as_it_came(made, version=version).values()
            assert said == {name: getattr(version, name) for name in said}, (version, made)
        for locale, text in (version.presentation.get("texts") or {}).items():
            said = _sent_as_it_came(LanguageForm, version=version, locale=locale).values()
            assert said["presentation"] == version.presentation, (version, locale, text)
        for entry_form, entries, more in (
            (ConditionForm, version.criteria, {}),
            (CredentialForm, version.required_credentials, {}),
            (ConsentForm, version.required_consents, {"text_versions": {}}),
        ):
            for entry in entries:
                assert _sent_as_it_came(entry_form, version=version, entry=entry, **more).made() == entry, version


def _sent_as_it_came(made: Any, **how: Any) -> Any:
    form = made(_filled(made(**how)), **how)
    assert form.is_valid(), form.errors
    return form


def test_an_entry_is_taken_out_and_what_is_wrong_leads_to_its_field(editor: Desk):
    draft = drafted(editor, a_program())
    refused = post(editor, address(draft, "consents/0/"), frequency="often", purposes="")
    assert refused.status_code == 422
    html = refused.content.decode()
    assert 'href="#id_purposes"' in html and 'id="id_purposes_error"' in html and "<title>Error:" in html

    sent(editor, address(draft, "consents/0/"), remove="yes")
    draft.refresh_from_db()
    assert draft.required_consents == []
    assert editor.get(address(draft, "consents/0/")).status_code == 404


def test_whoever_saves_what_somebody_else_has_changed_is_told_and_keeps_their_words(editor: Desk):
    draft = drafted(editor, a_program())
    seen = digest_of(draft)
    sent(desk(Role.PROGRAM_EDITOR), address(draft, "edit/words/"), name="Theirs")
    late = editor.post(address(draft, "edit/words/"), {"name": "Mine", "seen": seen})

    assert late.status_code == 409 and "Somebody else has changed this draft" in page(late)
    assert 'value="Mine"' in late.content.decode() and f'value="{seen}"' in late.content.decode()
    draft.refresh_from_db()
    assert draft.name == "Theirs"


def test_publishing_says_what_happens_and_shows_what_is_different(editor: Desk):
    version = a_program(short_description="Be paid")
    draft = drafted(editor, version)
    sent(editor, address(draft, "edit/dates/"), max_meters=500)
    shown = page(editor.get(address(draft, "publish/")))

    assert "Version 1 is retired in the same moment" in shown and "Most meters – 500" in shown
    assert "0 living enrolments keep the version" in shown
    refused = post(editor, address(draft, "publish/"), reason="")
    assert refused.status_code == 422
    sent(editor, address(draft, "publish/"), reason="A cap of 500")
    history = page(editor.get(f"/admin/programs/{version.program_id}/"))
    assert "A cap of 500" in history and "Retired" in history
    assert editor.get(address(draft, "edit/dates/")).status_code == 404, "what is published is not written"
    assert "Most meters" in page(editor.get(address(draft, f"compare/?with={version.pk}")))


def test_closing_and_retiring_ask_for_the_programs_id_and_a_reason(editor: Desk):
    version = a_program()
    close, retire = (f"/admin/programs/{version.program_id}/{act}/" for act in ("close", "retire"))
    shown = page(editor.get(close))
    assert "Open applications 0" in shown and "Drafts in our portals 0" in shown and "“The program has closed”" in shown
    assert post(editor, close, reason="Over", retyped="something else").status_code == 422
    told = sent(editor, close, reason="Over", retyped=FLEX, reopens_at="2099-01-01T00:00")
    assert "The program is closed." in page(told) and "Closed since" in page(told)
    assert editor.get(close).status_code == 200 and post(editor, close, reason="x", retyped=FLEX).status_code == 409

    told = sent(editor, retire, reason="Replaced", retyped=FLEX)
    assert "Not offered" in page(told)
    assert editor.get(retire).status_code == 404
    assert [each.state for each in Program.objects.get().versions.order_by("number")] == ["RETIRED", "RETIRED"]


def test_a_viewer_reads_everything_and_writes_nothing(editor: Desk):
    version = a_program()
    draft = drafted(editor, version)
    viewer = desk(Role.VIEWER)
    for read in (
        "/admin/programs/",
        f"/admin/programs/{version.program_id}/",
        address(draft),
        address(draft, "compare/"),
    ):
        shown = viewer.get(read)
        assert (
            shown.status_code == 200
            and "edit/" not in shown.content.decode()
            and '<form method="post" action="/admin/programs' not in shown.content.decode()
        )
    for written in ("edit/words/", "publish/", "drop/", "try/", "conditions/0/", "languages/en/"):
        assert viewer.get(address(draft, written)).status_code == 403
        assert viewer.post(address(draft, written)).status_code == 403
    assert viewer.post(f"/admin/programs/{version.program_id}/draft/").status_code == 403


def test_the_list_asks_the_same_few_questions_for_many_programs(editor: Desk):
    a_program()
    with CaptureQueriesContext(connection) as few:
        editor.get("/admin/programs/")
    for number in range(40):
        version = a_program(f"program-{number:03}", texts=False)
        if number % 2:
            ProgramVersion.objects.create(program=version.program, number=2, name="Next", conflict_group="FLEX")
    with CaptureQueriesContext(connection) as many:
        shown = page(editor.get("/admin/programs/"))
    assert len(many) == len(few) <= 12 and "program-039" in shown
    with CaptureQueriesContext(connection) as texts:
        assert editor.get("/admin/consent-texts/").status_code == 200
    assert len(texts) <= 12


def test_texts_are_compared_and_a_new_version_begins_as_the_newest(editor: Desk):
    version = a_program()
    new = f"/admin/consent-texts/{version.program_id}/new/?type=DATA_COLLECTION"
    assert 'value="2"' in editor.get(new).content.decode(), "the next version's name is proposed"
    told = sent(editor, new, body_en="You allow DATA_COLLECTION <daily>.", body_ur="متن")
    assert "nobody" in page(told)
    compared = editor.get(f"/admin/consent-texts/{version.program_id}/DATA_COLLECTION/2/?with=1").content.decode()
    assert re.search(r"<ins>.*&lt;daily&gt;", compared) and "not there in this language" in compared
    first = page(editor.get(f"/admin/consent-texts/{version.program_id}/DATA_COLLECTION/1/"))
    assert "version 1 (published)" in first and "People may have agreed to these words" in first
    listed = page(editor.get("/admin/consent-texts/"))
    assert "Urdu (unread)" in listed and "no version" in listed
    assert post(editor, new, version="1", body_en="Other words").status_code == 422
    assert ConsentText.objects.get(version="1").body == "You allow DATA_COLLECTION."


def test_a_place_that_is_a_digit_of_another_kind_is_no_place(editor: Desk) -> None:
    version = a_program()
    assert editor.post(f"/admin/programs/{version.program_id}/draft/", {"from": "²"}).status_code == 303
    assert ProgramVersion.objects.filter(program=version.program, state="DRAFT").count() == 1
