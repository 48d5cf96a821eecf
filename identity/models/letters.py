"""What every letter has: e-mail that is kept first, then sent, and of which nothing but its title stays."""

from django.db import models
from django.db.models import Q

from identity.encryption import EncryptedTextField


class Letter(models.Model):
    """The part that `identity.letters` works with.

    pii: to, text
    """

    about = models.CharField(max_length=200, unique=True)
    to = EncryptedTextField(blank=True, default="")
    title = models.CharField(max_length=200)
    text = EncryptedTextField(blank=True, default="")
    made_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


def due(name: str) -> models.Index:
    """The index of what waits to be sent."""
    return models.Index(fields=["due_at"], name=name, condition=Q(sent_at=None, given_up_at=None))
