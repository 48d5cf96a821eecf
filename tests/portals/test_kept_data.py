"""Every kind of personal data has a period and a ground, and after it nothing of it is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import connection

from audit.models import Event
from enrollment.models import Consent, Document, Enrollment
from identity import keeping, retaining
from identity.encryption import encrypted_fields
from identity.keeping import How
from identity.models import KeptKind, Subject, SubjectUtilityLink
from portals.models import AssistedCase
from tests.enrollment.conftest import bare_world, running_utility, utility, world
from tests.identity.test_personal_data import stated
from tests.portals.kept import SECRET, everything, person

__all__ = ["bare_world", "running_utility", "utility", "world"]
#: Encrypted, and nobody's: keys of ours, and codes that are over in minutes.
NOT_PERSONAL = {
    "identity.journalkey.private_key",
    "credentials.issuerkey.private",
    "credentials.statuslist.permutation_key",
    "credentials.walletoffer.code",
}
PERSONAL_ANYWAY = {"identity.ratebucket.key"}


def personal() -> set[str]:
    """Every column that a docstring calls personal, or that is encrypted."""
    ours = [model for model in apps.get_models() if "pii:" in (model.__doc__ or "")]
    told = {f"{model._meta.label_lower}.{field}" for model in ours for field in stated(model)}
    sealed = {f"{field.model._meta.label_lower}.{field.name}" for field in encrypted_fields()}
    return (told | sealed | PERSONAL_ANYWAY) - NOT_PERSONAL


def filled() -> set[str]:
    """The columns in which somebody's data stands now."""
    return {name for name in personal() if any(not _is_empty(value) for value in _values(name))}


def _values(name: str) -> list[Any]:
    app, model, field = name.split(".")
    return list(apps.get_model(app, model)._default_manager.values_list(field, flat=True))


def _is_empty(value: Any) -> bool:
    return value in (None, "", b"", {}, [])


def test_every_personal_column_belongs_to_a_kind_with_a_period_and_a_ground():
    covered = [name for kind in keeping.kinds() for name in kind.covers]
    assert personal() - set(covered) == set(), "name it in a kind of its room's retention module"
    assert set(covered) - personal() == set(), "no such personal column"
    for kind in keeping.kinds():
        stays = kind.how is How.STAYS
        assert (kind.period() is None, kind.let_go is None) == (stays, stays), kind.code
        assert not stays or (kind.stays and not kind.covers), f"{kind.code} stays: say why, and that it names nobody"
    codes = [kind.code for kind in keeping.kinds()]
    assert len(codes) == len(set(codes))


def test_what_has_aged_is_gone_of_every_kind_and_the_evidence_stays(world, settings, tmp_path):
    settings.DOCUMENTS_DIR = tmp_path
    kept = everything(world)
    assert personal() - filled() == set(), "a kind without a row: the test would not see it stay"
    before = _evidence()

    for night in (1100, 1101):
        _work_all(world.now + timedelta(days=night))

    assert filled() == set()
    assert Document.objects.get().storage_key == "" and not [each for each in tmp_path.rglob("*") if each.is_file()]
    assert _evidence() == before
    kept.subject.refresh_from_db()
    assert kept.subject.did == kept.enrollment.subject.did and kept.subject.email_index is None
    told = Event.objects.filter(action="retention.applied", object_type="retention")
    assert set(told.values_list("object_id", flat=True)) >= {
        "identity.contacts",
        "portals.journeys",
        "enrollment.files",
        "beckn.received",
        "credentials.contents",
    }
    assert KeptKind.objects.exclude(failures=0).count() == 0


def test_whoever_is_still_enrolled_keeps_their_name_however_long_it_lasts(world):
    world.enrolled()
    subject = Subject.objects.get(enrollments__isnull=False)
    subject.remember_contact(name="Rajesh")
    _work_all(world.now + timedelta(days=10_000))
    subject.refresh_from_db()
    assert subject.name == "Rajesh"


def test_whoever_is_enrolled_under_a_record_that_was_merged_into_theirs_keeps_their_name_and_number(world):
    world.enrolled()
    enrolled = Subject.objects.get(enrollments__isnull=False)
    living, _user = person(world.now, "did:example:the-same-person")
    Subject.objects.filter(pk=enrolled.pk).update(merged_into=living)
    _work_all(world.now + timedelta(days=10_000))
    living.refresh_from_db()
    assert living.name == SECRET
    assert SubjectUtilityLink.objects.get(subject=living).utility_customer_id == "CUST-123456"


def _work_all(now: datetime) -> None:
    while retaining.work(now):
        pass


def _evidence() -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_logs WHERE action <> 'retention.applied' AND subject <> ''")
        (lines,) = cursor.fetchone()
    return (
        Enrollment.objects.count(),
        Consent.objects.count(),
        Subject.objects.count(),
        AssistedCase.objects.count(),
        min(lines, 1),
    )
