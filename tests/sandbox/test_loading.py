import json
from pathlib import Path

import pytest
from django.core.management import call_command

from audit import clock
from audit.models import Event
from beckn.models import Participant
from credentials.models import TrustEntry
from enrollment.criteria import CRITERIA
from enrollment.models import ConsentText, ProgramVersion
from identity.models import Agency, StaffMember
from identity.staff import Role
from sandbox import generated, loading

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def deployment_folder(settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


def counts() -> tuple[int, ...]:
    return tuple(
        model.objects.count() for model in (ProgramVersion, ConsentText, TrustEntry, Participant, Agency, Event)
    )


def test_loading_twice_changes_nothing(capsys) -> None:
    call_command("sandbox", "load")
    first = counts()
    call_command("sandbox", "load", "--json")
    assert counts() == first
    assert "program program-vpp-p2p-001 (version 1)" in capsys.readouterr().out


def test_a_changed_program_is_published_as_a_new_version() -> None:
    now = clock.now()
    list(loading.load_programs(now))
    program = ProgramVersion.objects.get(program__program_id="program-flex-other-001").program
    wanted = json.loads(loading.PROGRAMS.read_text())["programs"][1]["version"] | {"name": "Evening Peak Program 2"}
    assert loading._publish(program, wanted, now) == 2
    assert list(program.versions.order_by("number").values_list("number", "state")) == [
        (1, "RETIRED"),
        (2, "PUBLISHED"),
    ]


def test_every_criterion_is_of_the_closed_list_and_every_consent_has_its_text() -> None:
    list(loading.load_programs(clock.now()))
    for version in ProgramVersion.objects.all():
        assert {criterion["kind"] for criterion in version.criteria} <= CRITERIA
        for consent in version.required_consents:
            texts = ConsentText.objects.filter(program=version.program, consent_type=consent["type"])
            assert texts.filter(locale="en", version=consent["textVersion"]).exists()


def test_every_program_speaks_three_languages_with_a_worked_example_and_marks_what_nobody_has_read() -> None:
    list(loading.load_programs(clock.now()))
    for version in ProgramVersion.objects.select_related("program"):
        texts = version.presentation["texts"]
        assert set(texts) == {"en", "hi", "ur"} and version.presentation["minutes"] > 0, version
        for locale, text in texts.items():
            assert text["name"] and text["shortDesc"] and text["longDesc"] and len(text["benefits"]) == 3
            assert "₹" in text["example"]["text"] and text["example"]["isExample"] is True
            assert text["reviewed"] is (locale == "en")
        said = [c["texts"] for c in version.criteria]
        said += [c["descriptions"] for c in (*version.required_credentials, *version.required_consents)]
        assert all(set(each) == {"en", "hi", "ur"} and all(each.values()) for each in said), version
        for consent in version.required_consents:
            found = ConsentText.objects.filter(
                program=version.program, consent_type=consent["type"], version=consent["textVersion"]
            )
            assert dict(found.values_list("locale", "is_read")) == {"en": True, "hi": False, "ur": False}


def test_the_journeys_bap_is_a_participant_with_a_key_of_this_deployment(deployment_folder: Path) -> None:
    list(loading.load_network(clock.now()))
    bap = loading.journey_bap()
    row = Participant.objects.get(subscriber_id=bap["subscriber_id"])
    assert row.url.endswith(":8003/beckn")
    assert row.keys.get().public_key == bap["public_key"]
    assert (deployment_folder / "journey.json").stat().st_mode & 0o777 == 0o600
    registry = json.loads((deployment_folder / "registry.json").read_text())
    assert {entry["subscriber_id"] for entry in registry} >= {bap["subscriber_id"], generated.OWNER}
    assert bap["seed"] not in (deployment_folder / "registry.json").read_text()


def test_each_utility_is_trusted_only_for_itself_and_the_program_issuer_only_for_eligibility(settings) -> None:
    list(loading.load_trust(clock.now()))
    for utility in settings.UTILITIES:
        assert TrustEntry.objects.get(utilities=[utility.id]).source == "sandbox"
    everywhere = TrustEntry.objects.get(utilities=[])
    assert everywhere.types == ["ProgramEligibilityCredential"]
    assert everywhere.issuer.endswith(":issuers:program")


def test_the_consoles_people_are_loaded_once_and_what_was_changed_by_hand_stays() -> None:
    now = clock.now()
    assert len(list(loading.load_staff(now))) == 8
    clerk = StaffMember.objects.get(roles=["AUDITOR"])
    StaffMember.objects.filter(pk=clerk.pk).update(switched_off_at=now)
    assert list(loading.load_staff(now)) == []
    assert StaffMember.objects.filter(switched_off_at=None).count() == 7
    assert {role for each in StaffMember.objects.all() for role in each.roles} == {*Role}


def test_an_older_demos_settings_get_the_provider_of_staff_and_keep_it() -> None:
    older = {"OIDC_PROVIDERS": '[{"issuer": "http://127.0.0.1:9001/o", "kind": "UTILITY"}]', "VAR_DIR": "x"}
    newer = generated.with_staff(older, 9007)
    known = json.loads(newer["OIDC_PROVIDERS"])
    assert [(each["kind"], each["issuer"]) for each in known][1] == ("STAFF", "http://127.0.0.1:9007/o")
    assert generated.with_staff(newer, 9007) == newer and newer["VAR_DIR"] == "x"
