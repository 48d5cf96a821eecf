"""Who works at the console, what they are written, the sessions they work in, and what alarms them."""

import uuid
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identity.encryption import EncryptedTextField
from identity.models.letters import Letter, due
from identity.models.people import User

ROLES = ["VIEWER", "CASE_WORKER", "APPROVER", "PROGRAM_EDITOR", "SECURITY_OFFICER", "AUDITOR"]


class StaffMember(models.Model):
    """Somebody of the program owner's who works at the console, with the roles they have now (`identity.staff.Role`).

    Whoever asks for something that needs a second person is named by this row's id: one human, one row. Invited first
    (`invitation_*`), theirs from the sign-in at the organisation's provider on (`user`, which keeps issuer and `sub`).
    `acr` is how strong their last sign-in was. An officer of a utility (`officer_of`) may also suspend the agencies
    that it certifies.

    pii: name, email
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, null=True, blank=True, related_name="staff_member")
    name = EncryptedTextField(blank=True, default="", help_text="What colleagues read.")
    email = EncryptedTextField(blank=True, default="", help_text="Where the invitation went.")
    email_index = models.BinaryField(max_length=32, null=True, blank=True)
    roles = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    officer_of = ArrayField(models.CharField(max_length=128), default=list, blank=True, help_text="Ids of utilities.")
    added_at = models.DateTimeField()
    invitation_digest = models.CharField(max_length=64, blank=True, default="", help_text="HMAC of the link's token")
    invited_at = models.DateTimeField(null=True, blank=True)
    invitation_ends_at = models.DateTimeField(null=True, blank=True)
    joined_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    acr = models.CharField(max_length=128, blank=True, default="")
    signed_in_at = models.DateTimeField(null=True, blank=True, help_text="When they last proved it at the provider.")
    switched_off_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "staff_members"
        constraints = [
            models.UniqueConstraint(
                fields=["email_index"],
                name="one_member_of_staff_per_address",
                condition=Q(switched_off_at=None, email_index__isnull=False),
                violation_error_message=_("Somebody who works here has this address already."),
            ),
            models.UniqueConstraint(
                fields=["invitation_digest"],
                name="an_invitation_is_one_member_of_staffs",
                condition=~Q(invitation_digest=""),
            ),
            models.CheckConstraint(
                name="roles_of_staff_are_known",
                condition=Q(roles__contained_by=ROLES),
                violation_error_message=_("There is no such role."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_waited_for(self) -> bool:
        """Whether they were invited and have not signed in yet."""
        return self.user_id is None and self.switched_off_at is None


class StaffLetter(Letter):
    """Something a member of staff is written by e-mail: kept first, then sent, and its words wiped once it has gone.

    `about` says once and for all what it tells: no two rows tell the same.

    pii: to, text
    """

    member = models.ForeignKey(StaffMember, on_delete=models.PROTECT, related_name="letters")

    class Meta:
        db_table = "staff_letters"
        indexes = [due("staff_letters_due")]
        constraints = [
            models.CheckConstraint(name="staff_letter_has_one_end", condition=Q(sent_at=None) | Q(given_up_at=None)),
        ]

    def __str__(self) -> str:
        return self.about


class Alarm(models.Model):
    """Something that a security officer has to look at, shown until one has. `told` holds ids, codes and counts.

    pii: none
    """

    class Kind(models.TextChoices):
        BREAK_GLASS = "BREAK_GLASS", _("Somebody signed in with a break-glass account")
        JOURNAL = "JOURNAL", _("The journal does not hold")

    kind = models.CharField(max_length=20, choices=Kind.choices)
    raised_at = models.DateTimeField()
    told = models.JSONField(default=dict, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_by = models.ForeignKey(StaffMember, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        db_table = "alarms"
        indexes = [models.Index(fields=["-id"], name="alarms_not_seen", condition=Q(seen_at=None))]
        constraints = [
            models.CheckConstraint(
                name="a_seen_alarm_was_seen_by_somebody",
                condition=Q(seen_at=None, seen_by=None) | Q(seen_at__isnull=False, seen_by__isnull=False),
                violation_error_message=_("Somebody has to have seen it."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.raised_at:%Y-%m-%d %H:%M}"


class ConsoleSession(AbstractBaseSession):
    """A session at the console. Those of the portals are in another table: none of either is ever one of the other.

    pii: none
    """

    class Meta(AbstractBaseSession.Meta):
        db_table = "console_sessions"

    @classmethod
    def get_session_store_class(cls) -> Any:
        from identity.console_sessions import SessionStore

        return SessionStore
