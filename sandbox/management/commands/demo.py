"""`manage.py demo journey`: an outside portal plays the guide's story against the running service."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sandbox import loading
from sandbox.journey.assisted import AGENCY, AssistedStory
from sandbox.journey.bap import DOMAIN, Bap, Identity
from sandbox.journey.pilot import DOMAIN as PILOT_DOMAIN
from sandbox.journey.pilot import PilotStory
from sandbox.journey.story import UTILITY, Story
from sandbox.journey.wire import Clock

_WHOLE = "The whole journey was as expected."


class Command(BaseCommand):
    help = "journey: search to unenrolment over HTTP with signatures, every credential checked; needs `make demo`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["journey"])
        parser.add_argument("--base", default=settings.PUBLIC_URL, help="address of the service (default PUBLIC_URL)")
        parser.add_argument(
            "--profile", choices=["A", "B"], default="A", help="A: the guide's messages; B: the public pilot's"
        )
        parser.add_argument(
            "--by-code", action="store_true", help="with profile B: by a one-time code in place of credentials"
        )
        parser.add_argument(
            "--assisted", action="store_true", help="an outside agency enrols Rajesh, with the code his utility sends"
        )
        parser.add_argument("--json", action="store_true", help="print one array of all messages, in order")
        parser.add_argument(
            "--stay",
            action="store_true",
            help="end enrolled, with credentials that are good; `sandbox reset` gives the meter back",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        base = options["base"].rstrip("/")
        messages: list[Mapping[str, Any]] = []
        quiet = options["json"]

        def log(message: Mapping[str, Any]) -> None:
            messages.append(message)
            if not quiet:
                self.stdout.write(_readable(message))

        said: list[str] = []
        say = said.append if quiet else self.stdout.write
        if options["by_code"] and options["profile"] != "B":
            raise CommandError("--by-code belongs to --profile B.")
        if options["assisted"] and options["profile"] != "A":
            raise CommandError("--assisted belongs to --profile A.")
        told_as, domain = {"A": (Story, DOMAIN), "B": (PilotStory, PILOT_DOMAIN)}[options["profile"]]
        named: dict[str, str] = {}
        if options["assisted"]:
            told_as, named = AssistedStory, {"X-Enrollment-Agency-ID": AGENCY}
        identity = self._identity(base, is_agency=options["assisted"])
        bap = Bap(identity, Clock(settings.CLOCK_OFFSET), log, domain, named)
        story = told_as(
            bap=bap,
            base=base,
            utility_url=self._utility(),
            issuer=settings.ISSUER_DID,
            say=say,
            stays=options["stay"],
        )
        if isinstance(story, PilotStory):
            story.by_code = options["by_code"]
        try:
            with bap:
                is_good = story.play()
        except OSError as error:
            raise CommandError(f"the callback address {bap.identity.url} cannot be served: {error}") from None
        if quiet:
            # A callback may overtake the ACK of its request.
            ordered = sorted(messages, key=lambda message: message["at"])
            self.stdout.write(json.dumps(ordered, ensure_ascii=False, indent=1))
        if not is_good:
            raise CommandError("The journey came otherwise than expected:\n  " + "\n  ".join(story.problems))
        if not quiet:
            ending = "The journey was as expected, and Rajesh stays enrolled." if options["stay"] else _WHOLE
            self.stdout.write(f"\n{ending}")
        sys.stdout.flush()

    def _identity(self, base: str, *, is_agency: bool) -> Identity:
        bap = loading.journey_bap(*([loading.JOURNEY_AGENCY] if is_agency else []))
        owner = next(identity for identity in settings.BECKN_IDENTITIES if identity.role == "owner")
        return Identity(
            subscriber_id=bap["subscriber_id"],
            key_id=bap["key_id"],
            seed=bap["seed"],
            url=bap["url"],
            bpp_id=owner.subscriber_id,
            bpp_url=f"{base}/beckn",
            registry_url=f"{self._utility()}/registry/lookup",
        )

    def _utility(self) -> str:
        for utility in settings.UTILITIES:
            if utility.id == UTILITY:
                return str(utility.url)
        raise CommandError(f"the journey needs the sandbox utility {UTILITY} in UTILITIES")


def _readable(message: Mapping[str, Any]) -> str:
    """A message with its answer, long values shortened."""
    arrow = {"sent": "→", "received": "←"}.get(message["direction"], "✗")
    head = f"\n{arrow} {message['action']} {message.get('url', '')}"
    if "signedBy" in message:
        head += f"  (signature of {message['signedBy']} verified)"
    body = json.dumps(_shortened(message.get("body", message.get("problem"))), ensure_ascii=False, indent=2)
    lines = [head, *("  " + line for line in body.splitlines())]
    if message["direction"] == "sent":
        lines.append(f"  answered {message['status']} {json.dumps(message['answer'], ensure_ascii=False)}")
    return "\n".join(lines)


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= 240 else f"{value[:60]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _shortened(item) for name, item in value.items()}
    return value
