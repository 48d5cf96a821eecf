"""A utility that has only files: its CIS and registers as CSV exports in a folder, by the same port.

    meters.csv        umid, meterNumber, connectionType, phase, sanctionedLoadKw, intervalCapable, netMeter, siteId,
                      gridArea, sanctionedExportKw
    holders.csv       umid, subject, utilityCustomerId, role, since, until
    accounts.csv      utilityCustomerId, standing, connectionType, contactChangedAt (may be missing)
    ders.csv          derId, type, ratedKw, energyKwh, manufacturer, model, serialDigest, commissionedOn, umid,
                      bidirectional, owner
    certificates.csv  derId, kind, issuer, capacityKw, validFrom, validUntil
    numbers.csv       umid, number, since, until (earlier numbers; may be missing, like the two files before it)

Columns may stand in any order, further ones are ignored; UTF-8, comma or semicolon. Files are read again when one of
them changes; export to another name and rename, so that no half file is read. Facts are as of the oldest file's
change, and marked stale after `stale_after`: what is stale refuses nobody. Codes and notices need a system over HTTP.
"""

import csv
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from audit import clock
from identity.codes import CodeRequest, CodeSession, CodeVerdict
from utility_systems import answers
from utility_systems.ports import AccountFacts, DerFacts, MeterFacts, UtilityUnavailable
from utility_systems.rest import RestAdapter

NEEDED = ("meters", "holders", "accounts")
OPTIONAL = ("ders", "certificates", "numbers")
_NUMBERS = frozenset({"sanctionedLoadKw", "sanctionedExportKw", "ratedKw", "energyKwh", "capacityKw"})
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FLAG_COLUMNS = frozenset({"intervalCapable", "netMeter", "bidirectional"})

Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class _Export:
    """All files as they were read together: records in the API's names, by id."""

    stamp: tuple[tuple[str, int], ...]
    as_of: datetime
    meters: Mapping[str, Row]
    accounts: Mapping[str, Row]
    ders: Mapping[str, Row]
    umids_of_account: Mapping[str, tuple[str, ...]]
    accounts_of_subject: Mapping[str, tuple[str, ...]]


class FilesAdapter:
    """One utility from its folder; `others` answers what files cannot (codes, notices). Thread-safe."""

    def __init__(
        self,
        utility_id: str,
        time_zone: ZoneInfo,
        folder: Path,
        *,
        stale_after: timedelta = timedelta(hours=36),
        others: RestAdapter | None = None,
    ) -> None:
        self.utility_id, self.time_zone = utility_id, time_zone
        self._folder, self._stale_after, self._others = folder, stale_after, others
        self._lock = threading.Lock()
        self._read: _Export | None = None

    def meters(self, umids: Sequence[str]) -> tuple[MeterFacts, ...]:
        """The meters of the export among those asked for. Raises UtilityUnavailable."""
        export = self._export()
        return self._meters(export, [umid for umid in dict.fromkeys(umids) if umid in export.meters])

    def meters_of(self, utility_customer_id: str) -> tuple[MeterFacts, ...]:
        export = self._export()
        return self._meters(export, export.umids_of_account.get(utility_customer_id, ()))

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]:
        export = self._export()
        rows = [export.ders[each] for each in dict.fromkeys(der_ids) if each in export.ders]
        found = self._facts(lambda: answers.read_ders({"ders": rows}, asked=list(der_ids), now=export.as_of))
        return tuple(replace(each, is_stale=self._is_stale(export)) for each in found)

    def ders_at(self, umids: Sequence[str]) -> tuple[DerFacts, ...]:
        export, wanted = self._export(), set(umids)
        return self.ders([der_id for der_id, row in export.ders.items() if row.get("umid") in wanted])

    def account(self, utility_customer_id: str) -> AccountFacts | None:
        row = self._export().accounts.get(utility_customer_id)
        if row is None:
            return None
        return self._facts(lambda: answers.read_account({**row, "valid": True}, utility_customer_id))

    def accounts_of(self, subject_did: str) -> tuple[str, ...]:
        return self._export().accounts_of_subject.get(subject_did, ())

    def request_code(self, asked: CodeRequest) -> CodeSession:
        return self._over_http("codes").request_code(asked)

    def verify_code(self, nguid: str, code: str) -> CodeVerdict:
        return self._over_http("codes").verify_code(nguid, code)

    def notify(
        self,
        utility_customer_id: str,
        *,
        template: str,
        locale: str = "",
        parameters: Mapping[str, str] | None = None,
        subject: str = "",
        text: str = "",
    ) -> None:
        self._over_http("notices").notify(
            utility_customer_id, template=template, locale=locale, parameters=parameters, subject=subject, text=text
        )

    def match_customer(self, *, account: str, mobile: str) -> str:
        """By the exports where no mobile number is asked about: they have none."""
        if mobile:
            return self._over_http("cis").match_customer(account=account, mobile=mobile)
        export = self._export()
        numbers = [row.get("meterNumber") for row in export.meters.values()]
        found = int(account in export.accounts) or numbers.count(account)
        return "MATCH" if found == 1 else "SEVERAL" if found else "NO_MATCH"

    def write_to_customer(
        self,
        utility_customer_id: str,
        *,
        template: str,
        locale: str = "",
        parameters: Mapping[str, str] | None = None,
        subject: str = "",
        text: str = "",
        notice_id: str = "",
    ) -> None:
        self._over_http("notices").write_to_customer(
            utility_customer_id,
            template=template,
            locale=locale,
            parameters=parameters,
            subject=subject,
            text=text,
            notice_id=notice_id,
        )

    def contact_changed_at(self, utility_customer_id: str) -> datetime | None:
        """By the column `contactChangedAt` of the accounts, where the export has it."""
        row = self._export().accounts.get(utility_customer_id)
        return self._facts(lambda: answers.read_contact_change(row)) if row is not None else None

    def _meters(self, export: _Export, umids: Sequence[str]) -> tuple[MeterFacts, ...]:
        rows = [{**export.meters[umid], "utilityId": self.utility_id} for umid in umids]
        found = self._facts(
            lambda: answers.read_meters({"meters": rows}, utility_id=self.utility_id, asked=umids, now=export.as_of)
        )
        return tuple(replace(each, is_stale=self._is_stale(export)) for each in found)

    def _is_stale(self, export: _Export) -> bool:
        return clock.now() - export.as_of > self._stale_after

    def _facts(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except answers.UnusableAnswer as problem:
            raise UtilityUnavailable(self.utility_id, "files", reason=f"unusable record ({problem.field})") from problem

    def _over_http(self, system: str) -> RestAdapter:
        if self._others is None:
            raise UtilityUnavailable(self.utility_id, system, reason="not configured")
        return self._others

    def _export(self) -> _Export:
        """The files as they are now, read again where one changed. Raises UtilityUnavailable."""
        try:
            stamp = _stamp(self._folder)
            with self._lock:
                if self._read is None or self._read.stamp != stamp:
                    self._read = _read_all(self._folder, stamp)
                return self._read
        except (OSError, csv.Error, UnicodeDecodeError, _BadFile) as problem:
            raise UtilityUnavailable(self.utility_id, "files", reason=_words(problem)) from problem


class _BadFile(Exception):
    """A file is not what was agreed; the text names the file and the column."""


def _words(problem: Exception) -> str:
    return str(problem) if isinstance(problem, _BadFile) else f"the export cannot be read ({type(problem).__name__})"


def _stamp(folder: Path) -> tuple[tuple[str, int], ...]:
    files = [(name, folder / f"{name}.csv") for name in (*NEEDED, *OPTIONAL)]
    return tuple((name, path.stat().st_mtime_ns) for name, path in files if name in NEEDED or path.exists())


def _read_all(folder: Path, stamp: tuple[tuple[str, int], ...]) -> _Export:
    there = {name for name, _ in stamp}
    rows = {name: _rows(folder / f"{name}.csv") if name in there else [] for name in (*NEEDED, *OPTIONAL)}
    accounts = {row["utilityCustomerId"]: row for row in rows["accounts"]}
    holders, numbers, certificates = (
        _by("umid", rows["holders"]),
        _by("umid", rows["numbers"]),
        _by("derId", rows["certificates"]),
    )
    meters = {
        row["umid"]: {
            **row,
            "holders": holders[row["umid"]],
            "earlierNumbers": numbers[row["umid"]],
            "accountStanding": _standing(holders[row["umid"]], accounts),
        }
        for row in rows["meters"]
    }
    of_account: dict[str, dict[str, None]] = defaultdict(dict)
    of_subject: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows["holders"]:
        if not row.get("until"):
            of_account[row.get("utilityCustomerId") or ""][row["umid"]] = None
            of_subject[row.get("subject") or ""][row.get("utilityCustomerId") or ""] = None
    return _Export(
        stamp=stamp,
        as_of=datetime.fromtimestamp(min(changed for _, changed in stamp) / 1e9, UTC),
        meters=meters,
        accounts=accounts,
        ders={row["derId"]: {**row, "certificates": certificates[row["derId"]]} for row in rows["ders"]},
        umids_of_account={account: tuple(umids) for account, umids in of_account.items() if account},
        accounts_of_subject={subject: tuple(each for each in ids if each) for subject, ids in of_subject.items()},
    )


def _standing(holders: Sequence[Row], accounts: Mapping[str, Row]) -> str:
    """The standing of the account that holds the meter now; UNKNOWN where no account is named."""
    held = (accounts.get(str(row.get("utilityCustomerId"))) for row in holders if not row.get("until"))
    return next((str(account["standing"]) for account in held if account and account.get("standing")), "UNKNOWN")


def _by(column: str, rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found


_KEYS = {"ders": "derId", "certificates": "derId", "accounts": "utilityCustomerId"}


def _rows(path: Path) -> list[Row]:
    """The rows of a file with typed values; empty cells are absent. Raises _BadFile, OSError, csv.Error."""
    key = _KEYS.get(path.stem, "umid")
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=";" if first.count(";") > first.count(",") else ",")
        if key not in (reader.fieldnames or ()):
            raise _BadFile(f"{path.name} has no column {key}")
        return [_typed(row) for row in reader if row.get(key)]


def _typed(row: Mapping[str | None, Any]) -> Row:
    return {
        column: _value(column, value.strip())
        for column, value in row.items()
        if column is not None and isinstance(value, str) and value.strip()
    }


def _value(column: str, text: str) -> Any:
    """A number or flag where the column is one; what cannot be read stays text, and the record says so when asked."""
    if column in _FLAG_COLUMNS:
        return _FLAGS.get(text.lower(), text)
    if column in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            return text
    return text
