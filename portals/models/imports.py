"""Files in which an agency names many customers at once: the file, its rows, and the invitations that came of them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedBytesField, EncryptedJSONField, EncryptedTextField
from identity.models import Agency, Membership
from portals.models.applications import CatalogProgram
from portals.models.cases import AssistedCase, Handover


class BulkImport(models.Model):
    """One file on its way: looked at line by line (CHECKING), then, when somebody says so, made cases of (IMPORTING).

    `position` is the byte at which the next look begins, `cursor` the last line that was made a case: each is written
    in the transaction of the rows it tells of, so that whoever goes on after a crash neither skips nor doubles.
    `columns` are the file's, in its order. `trouble` is a code.

    pii: file_name
    """

    class State(models.TextChoices):
        CHECKING = "CHECKING", _("Being checked")
        CHECKED = "CHECKED", _("Checked")
        IMPORTING = "IMPORTING", _("Being imported")
        IMPORTED = "IMPORTED", _("Imported")
        CANCELLED = "CANCELLED", _("Cancelled")
        STOPPED = "STOPPED", _("Stopped")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="imports")
    uploaded_by = models.ForeignKey(Membership, on_delete=models.PROTECT, related_name="+")
    upload_key = models.UUIDField(help_text="of the form it came with: sent twice, it is one import")
    file_name = EncryptedTextField(blank=True, default="")
    digest = models.CharField(max_length=64, help_text="SHA-256 (hex) of the file")
    size = models.PositiveIntegerField(help_text="bytes")
    delimiter = models.CharField(max_length=1)
    columns = ArrayField(models.CharField(max_length=32))
    state = models.CharField(max_length=10, choices=State, default=State.CHECKING)
    trouble = models.CharField(max_length=32, blank=True, default="")
    rows = models.PositiveIntegerField(help_text="lines with something in them, without the header")
    position = models.PositiveIntegerField(default=0)
    line = models.PositiveIntegerField(default=1, help_text="the last line that was checked; the header is line 1")
    cursor = models.PositiveIntegerField(default=0)
    well_formed = models.PositiveIntegerField(default=0)
    malformed = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    uploaded_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(Membership, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    worked_at = models.DateTimeField(help_text="whose turn it is: the one that waits longest")
    leased_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="of the chunk in hand")

    class Meta:
        db_table = "agency_imports"
        ordering = ("-uploaded_at",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("agency", "upload_key"), name="a_form_is_one_import"),
            models.UniqueConstraint(
                fields=("agency",),
                condition=Q(state__in=("CHECKING", "IMPORTING")),
                name="one_import_at_a_time_per_agency",
            ),
            models.CheckConstraint(
                name="what_has_ended_has_its_moment",
                condition=(Q(state__in=("IMPORTED", "CANCELLED", "STOPPED")) & Q(finished_at__isnull=False))
                | (Q(state__in=("CHECKING", "CHECKED", "IMPORTING")) & Q(finished_at=None)),
                violation_error_message=_("An import that has ended needs the moment it ended."),
            ),
            models.CheckConstraint(
                name="invitations_are_released_by_somebody",
                condition=Q(released_at=None, released_by=None)
                | (Q(released_at__isnull=False) & Q(released_by__isnull=False)),
                violation_error_message=_("Invitations are released by a person."),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("worked_at",), name="imports_at_work", condition=Q(state__in=("CHECKING", "IMPORTING"))
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.CHECKING, self.State.IMPORTING)

    @property
    def done(self) -> int:
        """How many rows the step in hand has behind it."""
        if self.state == self.State.CHECKING:
            return self.well_formed + self.malformed
        return self.new + self.changed + self.unchanged + self.refused

    @property
    def to_do(self) -> int:
        return self.rows if self.state == self.State.CHECKING else self.well_formed


class ImportPart(models.Model):
    """A piece of a file, all but the last of the same size; gone once the last line was looked at.

    pii: data
    """

    bulk_import = models.ForeignKey(BulkImport, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = EncryptedBytesField()

    class Meta:
        db_table = "agency_import_parts"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("bulk_import", "number"), name="a_file_has_each_part_once"),
        ]

    def __str__(self) -> str:
        return f"{self.bulk_import_id} {self.number}"


class ImportRow(models.Model):
    """One line: what it asks for, and what became of it. What names the customer is gone once it stands in a case.

    `number` is the line as a spreadsheet shows it. `value` is what was wrong, masked where the column is personal.

    pii: told, value
    """

    class State(models.TextChoices):
        WELL_FORMED = "WELL_FORMED", _("Well formed")
        MALFORMED = "MALFORMED", _("Not taken")
        NEW = "NEW", _("New")
        CHANGED = "CHANGED", _("Changed")
        UNCHANGED = "UNCHANGED", _("Unchanged")
        REFUSED = "REFUSED", _("Refused")

    bulk_import = models.ForeignKey(BulkImport, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    reference = models.CharField(max_length=64, blank=True, default="")
    utility_id = models.CharField(max_length=128, blank=True, default="")
    program = models.ForeignKey(CatalogProgram, null=True, on_delete=models.PROTECT, related_name="+")
    locale = models.CharField(max_length=35, blank=True, default="")
    told = EncryptedJSONField(null=True, help_text='{"account"|"mobile": …}')
    has_account = models.BooleanField(default=False, help_text="so that the utility can be asked to write")
    state = models.CharField(max_length=12, choices=State)
    code = models.CharField(max_length=32, blank=True, default="")
    column = models.CharField(max_length=32, blank=True, default="")
    value = EncryptedTextField(blank=True, default="")
    case = models.ForeignKey(AssistedCase, null=True, on_delete=models.SET_NULL, related_name="import_lines")

    class Meta:
        db_table = "agency_import_rows"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("bulk_import", "number"), name="a_line_is_one_row"),
            models.UniqueConstraint(
                fields=("bulk_import", "reference"),
                condition=~Q(state="MALFORMED"),
                name="a_file_has_each_reference_once",
            ),
        ]

    def __str__(self) -> str:
        return f"line {self.number}"


class Invitation(models.Model):
    """A link to a customer, asked for by an import and released by a manager; sent when the agency's day has room.

    Its token is made of its id and a key (`portals.imports.links`): repeated after a crash, the message is the same.

    pii: none
    """

    class State(models.TextChoices):
        WAITING = "WAITING", _("Waits for its day")
        SENDING = "SENDING", _("Being sent")
        SENT = "SENT", _("Sent")
        NOT_SENT = "NOT_SENT", _("Not sent")
        WITHDRAWN = "WITHDRAWN", _("Withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="invitations")
    bulk_import = models.ForeignKey(BulkImport, on_delete=models.PROTECT, related_name="invitations")
    case = models.ForeignKey(AssistedCase, on_delete=models.CASCADE, related_name="invitations")
    number = models.PositiveIntegerField(help_text="of the line: they go out in the order of the file")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    trouble = models.CharField(max_length=32, blank=True, default="")
    handover = models.OneToOneField(
        Handover, null=True, blank=True, on_delete=models.PROTECT, related_name="invitation"
    )
    released_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "agency_invitations"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("case",),
                condition=Q(state__in=("WAITING", "SENDING")),
                name="one_invitation_on_its_way_per_case",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=("agency", "released_at", "number"),
                name="invitations_to_be_sent",
                condition=Q(state__in=("WAITING", "SENDING")),
            ),
            models.Index(fields=("bulk_import", "state"), name="invitations_of_an_import"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class InvitationDay(models.Model):
    """How many invitations of an agency have gone out on a day (UTC): the count that keeps to its quota.

    pii: none
    """

    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "agency_invitation_days"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("agency", "day"), name="a_day_is_counted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.agency_id} {self.day}"
