"""manage.py bootstrap: the first keys and the first published status lists. Safe to run at every start."""

from typing import Any

from credentials import bootstrap
from credentials.management.reporting import Reporting
from credentials.models import IssuerKey, KeyState, StatusList


class Command(Reporting):
    help = "Make what issuing needs: signing keys and published status lists. Changes nothing where they exist."

    def handle(self, *args: Any, **options: Any) -> None:
        made = bootstrap.ensure()
        active = IssuerKey.objects.filter(state=KeyState.ACTIVE).values_list("algorithm", "kid")
        keys = {str(algorithm): kid for algorithm, kid in active}
        lists = StatusList.objects.filter(version__gt=0).count()
        named = ", ".join(f"{name} key {kid}" for name, kid in keys.items())
        words = f"{'ready now' if made else 'already there'}: {named}, {lists} published lists"
        self.say(options, {"changed": made, "activeKeys": keys, "publishedLists": lists}, words)
