"""What the library does not keep: how strongly somebody signed in, and which code and token belong to that sitting."""

from django.conf import settings
from django.db import models


class Sitting(models.Model):
    """One sign-in in one browser: `sid` of the tokens, until it is ended here or by a client.

    pii: none
    """

    sid = models.CharField(max_length=43, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sittings")
    acr = models.CharField(max_length=8, default="1")
    auth_time = models.BigIntegerField()
    ended = models.BooleanField(default=False)

    class Meta:
        db_table = "provider_sittings"

    def __str__(self) -> str:
        return self.sid


class Mark(models.Model):
    """A code or token (its SHA-256) and the sitting it came from. pii: none"""

    digest = models.CharField(max_length=64, unique=True)
    sitting = models.ForeignKey(Sitting, on_delete=models.CASCADE, related_name="marks")
    client_id = models.CharField(max_length=100)

    class Meta:
        db_table = "provider_marks"

    def __str__(self) -> str:
        return self.client_id
