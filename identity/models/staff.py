"""Who works at the console."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from identity.models.people import User


class StaffMember(models.Model):
    """Somebody of the program owner's who works at the console, with the roles they have now (`identity.staff.Role`).

    Whoever asks for something that needs a second person is named by this row's id: one human, one row.

    pii: none
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, null=True, blank=True, related_name="staff_member")
    roles = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    added_at = models.DateTimeField()
    switched_off_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "staff_members"

    def __str__(self) -> str:
        return str(self.id)
