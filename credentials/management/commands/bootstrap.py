"""manage.py bootstrap: the first key and the first published status lists. Safe to run at every start."""

from typing import Any

from credentials import bootstrap
from credentials.management.reporting import Reporting
from credentials.models import IssuerKey, KeyState, StatusList


class Command(Reporting):
    help = "Make what issuing needs: a signing key and published status lists. Changes nothing where they exist."

    def handle(self, *args: Any, **options: Any) -> None:
        made = bootstrap.ensure()
        key = IssuerKey.objects.filter(state=KeyState.ACTIVE).values_list("kid", flat=True).get()
        lists = StatusList.objects.filter(version__gt=0).count()
        words = f"{'ready now' if made else 'already there'}: key {key}, {lists} published lists"
        self.say(options, {"changed": made, "activeKey": key, "publishedLists": lists}, words)
