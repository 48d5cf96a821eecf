from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from enrollment.models.cases import EnrollmentCase


class CustomerNotice(models.Model):
    """Something a customer has to be told of their application or enrolment, at the contact their utility has.

    Written in the transaction of what it tells of and sent afterwards, again and again; its words are made when it is
    sent, in the customer's language (`enrollment.wording`). `template` names them; `parameters` holds ids, codes and
    instants only. `utility_id` and `meters` say who knows the customer. NOBODY: no utility knows a contact.

    Source: issue 5 (8), spec domain 5, decision 57. pii: none
    """

    notice_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(EnrollmentCase, on_delete=models.RESTRICT, related_name="notices")
    template = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    utility_id = models.CharField(max_length=128, blank=True)
    meters = ArrayField(models.CharField(max_length=200), default=list)
    state = models.CharField(max_length=8, choices=[(s, s) for s in ("WAITING", "SENT", "NOBODY", "STUCK")])
    created_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    last_problem = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True)
    sent_by = models.CharField(max_length=120, blank=True, help_text=_("The gateway that took it."))
    locale = models.CharField(max_length=35, blank=True, help_text=_("The language it was sent in."))

    class Meta:
        db_table = "customer_notices"
        constraints = [
            models.CheckConstraint(
                name="sent_notice_has_its_moment",
                condition=Q(state="SENT", sent_at__isnull=False) | (~Q(state="SENT") & Q(sent_at=None)),
                violation_error_message=_("A sent notice needs the moment it was sent."),
            ),
            models.UniqueConstraint(
                fields=["case"],
                condition=Q(template__in=["application-started", "agency-started"]),
                name="an_application_starts_once",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state="WAITING"), name="customer_notices_due"),
            models.Index(fields=["case", "template"], name="customer_notices_of_a_case"),
            models.Index(fields=["template", "-id"], name="customer_notices_of_a_kind"),
            models.Index(fields=["created_at"], condition=Q(state="STUCK"), name="customer_notices_stuck"),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.state}"


class NotMeLink(models.Model):
    """A way for the customer to say "this was not me", from a notice: an address that works once, until it expires.

    Only the digest of its token is kept. Each attempt to send makes one, because a token cannot be made again.

    Source: issue 5 (8), decision 57. pii: none
    """

    notice = models.ForeignKey(CustomerNotice, on_delete=models.RESTRICT, related_name="links")
    token_digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "not_me_links"
        constraints = [
            models.CheckConstraint(
                name="not_me_link_is_used_while_it_works",
                condition=Q(used_at=None) | Q(used_at__lte=models.F("expires_at")),
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="not_me_links_by_their_end")]

    def __str__(self) -> str:
        return f"link of {self.notice_id}"
