"""manage.py keys list | announce | activate [KID] | retire KID | revoke KID | losing KID (contract.md)."""

import time
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from audit import clock
from credentials import key_life, keys, resigning
from credentials.claims import instant
from credentials.keys import Reason
from credentials.management.reporting import Reporting, operator
from credentials.models import IssuerKey, KeyAlgorithm

_ACTS = {
    "list": "all keys, their states and what they have signed that still counts",
    "announce": "make and publish a key that does not sign yet",
    "activate": "let an announced key sign; the active one is retired",
    "retire": "an announced key will never sign",
    "revoke": "withdraw a key: its signatures are worthless, what it signed is signed again",
    "losing": "what loses its signature if a key is revoked, or has lost it; copies in wallets, too",
}


class Command(Reporting):
    help = "Show and change our issuer keys. Announce one, activate it half a minute later: the old one is retired."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        acts = parser.add_subparsers(dest="act", required=True)
        for name, words in _ACTS.items():
            act = acts.add_parser(name, help=words)
            act.add_argument("--json", action="store_true", help="print one JSON document")
            if name in ("retire", "revoke", "losing"):
                act.add_argument("kid", help="thumbprint or Multikey (z…)")
            if name == "activate":
                act.add_argument("kid", nargs="?", default="", help="thumbprint or Multikey (z…); default: the oldest")
                act.add_argument("--now", action="store_true", help="do not wait until every cache knows the key")
            if name in ("announce", "activate"):
                default = KeyAlgorithm.ES256 if name == "announce" else ""
                act.add_argument("--algorithm", choices=KeyAlgorithm.values, default=default)
            if name not in ("list", "losing"):
                act.add_argument("--reason", choices=list(Reason), default=Reason.UNSPECIFIED, help="for the journal")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["act"])(options)
        except keys.KeyRefused as refused:
            raise CommandError(str(refused)) from refused

    def list(self, options: dict[str, Any]) -> None:
        now = clock.now()
        rows = [(row, key_life.use_of(row.kid, now=now)) for row in IssuerKey.objects.defer("private")]
        told = [
            {**_told(row), "credentials": use.credentials, "walletCopies": use.wallet_copies, "lists": use.lists}
            for row, use in rows
        ]
        lines = [f"{row.kid}  {row.algorithm:7}  {row.state:9}  {use.credentials} credentials" for row, use in rows]
        self.say(options, told, *lines)

    def announce(self, options: dict[str, Any]) -> None:
        algorithm, reason = options["algorithm"], options["reason"]
        self._changed(options, keys.announce(algorithm, now=clock.now(), actor=operator(), reason=reason))

    def activate(self, options: dict[str, Any]) -> None:
        try:
            key = self._activate(options)
        except keys.TooEarly as early:
            self._wait_until(early.ready_at)
            key = self._activate(options)
        self._changed(options, key)

    def retire(self, options: dict[str, Any]) -> None:
        self._changed(options, keys.retire(options["kid"], now=clock.now(), actor=operator(), reason=options["reason"]))

    def revoke(self, options: dict[str, Any]) -> None:
        now = clock.now()
        key, losing = key_life.revoke(options["kid"], now=now, actor=operator(), reason=options["reason"])
        act, copies = resigning.last_asked(key.kid), key_life.use_of(key.kid, now=now).wallet_copies
        document = {
            **_told(key),
            "credentialsLosingTheirSignature": losing,
            "signedAgainBy": str(act.pk) if act else None,
            "walletCopies": copies,
        }
        lines = [f"{key.kid}  {key.state}", f"{losing} living credentials are signed again"]
        if act:
            lines.append(f"  which they are: manage.py bulk show {act.pk} --manifest")
        if copies:
            lines.append(f"{copies} copies in wallets are worthless: manage.py keys losing {key.kid}")
        self.say(options, document, *lines)

    def losing(self, options: dict[str, Any]) -> None:
        kid = keys.get(options["kid"]).kid
        losing = resigning.losing(kid, now=clock.now())
        document = {
            "kid": kid,
            "credentials": [
                {"id": str(each.id), "url": each.url, "kind": each.kind, "forms": list(each.forms)}
                for each in losing.credentials
            ],
            "walletCopies": [
                {"credential": str(each.credential_id), "format": each.format, "issuedAt": instant(each.issued_at)}
                for each in losing.wallet_copies
            ],
        }
        lines = [f"{each.url}  {each.kind}  {', '.join(each.forms)}" for each in losing.credentials]
        lines += [f"{each.credential_id}  in a wallet  {each.format}" for each in losing.wallet_copies]
        lines.append(
            f"{len(losing.credentials)} credentials, which are signed again,"
            f" and {len(losing.wallet_copies)} copies in wallets, which their holders have to fetch anew"
        )
        self.say(options, document, *lines)

    def _activate(self, options: dict[str, Any]) -> IssuerKey:
        return key_life.activate(
            options["kid"],
            algorithm=options["algorithm"],
            at_once=options["now"],
            reason=options["reason"],
            now=clock.now(),
            actor=operator(),
        )

    def _wait_until(self, ready_at: datetime) -> None:
        seconds = max(0.0, (ready_at - clock.now()).total_seconds())
        self.stderr.write(f"waiting {seconds:.0f} s until every cache knows the key (--now does not wait)")
        time.sleep(seconds + 0.1)

    def _changed(self, options: dict[str, Any], key: IssuerKey) -> None:
        self.say(options, _told(key), f"{key.kid}  {key.state}")


def _told(key: IssuerKey) -> dict[str, Any]:
    moments = {
        "announcedAt": key.announced_at,
        "activatedAt": key.activated_at,
        "retiredAt": key.retired_at,
        "revokedAt": key.revoked_at,
    }
    told = {name: instant(at) for name, at in moments.items() if at}
    lives = {"provider": key.provider, "reference": key.reference} if key.provider else {}
    named = {"kid": key.kid, "multikey": key.multikey, "algorithm": key.algorithm, "state": key.state}
    return {**named, **told, **lives}
