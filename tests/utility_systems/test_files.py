"""A utility that has only files: the same facts as over HTTP, read again when they change, marked when they are old."""

import csv
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from config.env import Utility as Configured
from sandbox.utility.people import People
from tests.sandbox.running import RunningUtility
from tests.utility_systems.test_rest import adapter
from utility_systems import registry
from utility_systems.files import FilesAdapter
from utility_systems.ports import UtilityUnavailable

UTILITY = "utility-example-001"
FLAGS = {True: "yes", False: "no", None: ""}


def export(folder: Path, people: People, *, delimiter: str = ",") -> Path:
    """The sandbox's people as a utility without interfaces would hand them over."""
    folder.mkdir(parents=True, exist_ok=True)
    meters, ders = people.meters(), people.ders()
    accounts = [people.account(h["utilityCustomerId"]) for meter in meters for h in meter["holders"]]
    tables = {
        "meters": [{k: v for k, v in meter.items() if not isinstance(v, list)} for meter in meters],
        "holders": [{"umid": meter["umid"], **holder} for meter in meters for holder in meter["holders"]],
        "numbers": [{"umid": m["umid"], **each} for m in meters for each in m.get("earlierNumbers", [])],
        "accounts": [
            {"utilityCustomerId": each.id, "standing": each.standing, "connectionType": each.connection_type}
            for each in {each.id: each for each in accounts if each}.values()
        ],
        "ders": [{k: v for k, v in der.items() if k != "certificates"} for der in ders],
        "certificates": [{"derId": der["derId"], **each} for der in ders for each in der["certificates"]],
    }
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row)) or ["umid"]
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, delimiter=delimiter)
            writer.writeheader()
            writer.writerows(
                [{k: FLAGS.get(v, v) if isinstance(v, bool | None) else v for k, v in row.items()} for row in rows]
            )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return export(tmp_path / "export", People(UTILITY))


def at(folder: Path, **more) -> FilesAdapter:
    return FilesAdapter(UTILITY, ZoneInfo("Asia/Kolkata"), folder, **more)


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_the_files_say_what_the_interfaces_say(a_utility: RunningUtility, tmp_path: Path, delimiter: str):
    files, http = at(export(tmp_path, People(UTILITY), delimiter=delimiter)), adapter(a_utility.url, a_utility.token)
    umids, der_ids = [m["umid"] for m in People(UTILITY).meters()], [d["derId"] for d in People(UTILITY).ders()]

    def timeless(found):
        return [replace(each, as_of=None) for each in found]

    assert timeless(files.meters([*umids, "umid-nix"])) == timeless(http.meters([*umids, "umid-nix"]))
    assert timeless(files.ders([*der_ids, "der-nix"])) == timeless(http.ders([*der_ids, "der-nix"]))
    assert files.account("CUST-123456") == http.account("CUST-123456")
    assert files.account("CUST-0") is http.account("CUST-0") is None
    assert files.accounts_of("did:example:user-12345") == http.accounts_of("did:example:user-12345")
    assert timeless(files.meters_of("CUST-101000")) == timeless(http.meters_of("CUST-101000"))


def test_a_new_export_counts_at_once(folder: Path):
    files = at(folder)
    assert files.meters(["umid-001"])[0].sanctioned_load_kw == 5
    path = folder / "meters.csv"
    text = path.read_text().splitlines()
    columns = text[0].split(",")
    rows = [line.split(",") for line in text[1:]]
    for row in rows:
        if row[columns.index("umid")] == "umid-001":
            row[columns.index("sanctionedLoadKw")] = "8"
    draft = folder / "meters.new"
    draft.write_text("\n".join([text[0], *(",".join(row) for row in rows)]) + "\n")
    os.utime(draft, ns=(path.stat().st_mtime_ns + 1, path.stat().st_mtime_ns + 1))
    draft.rename(path)
    assert files.meters(["umid-001"])[0].sanctioned_load_kw == 8


def test_old_files_are_marked_and_say_of_when_they_are(folder: Path):
    (fresh,) = at(folder).meters(["umid-001"])
    assert not fresh.is_stale
    long_ago = fresh.as_of.timestamp() - 3 * 86_400
    os.utime(folder / "holders.csv", (long_ago, long_ago))
    (old,) = at(folder).meters(["umid-001"])
    assert old.is_stale and old.as_of < fresh.as_of - timedelta(days=2)
    assert at(folder).ders(["der-solar-001"])[0].is_stale
    assert not at(folder, stale_after=timedelta(days=7)).meters(["umid-001"])[0].is_stale


@pytest.mark.parametrize("harm", ["gone", "empty", "no column", "binary", "folder gone"])
def test_an_export_that_cannot_be_read_is_an_outage_and_not_an_unknown_meter(folder: Path, harm: str):
    path = folder / "meters.csv"
    if harm == "gone":
        path.unlink()
    elif harm == "folder gone":
        shutil.rmtree(folder)
    else:
        path.write_bytes({"empty": b"", "no column": b"name,load\nx,5\n", "binary": b"\xff\xfe\x00umid"}[harm])
    with pytest.raises(UtilityUnavailable) as unavailable:
        at(folder).meters(["umid-001"])
    assert str(folder) not in str(unavailable.value)


def test_one_record_that_cannot_be_read_takes_nothing_from_the_others(folder: Path):
    path = folder / "meters.csv"
    path.write_text(path.read_text().replace("umid-003,", "umid-003,", 1))
    with path.open("a") as file:
        file.write("umid-999," + "," * 3 + "\n")
    files = at(folder)
    assert files.meters(["umid-001"])
    with pytest.raises(UtilityUnavailable, match="unusable record"):
        files.meters(["umid-999"])


def test_codes_and_notices_need_a_system_over_http(folder: Path):
    with pytest.raises(UtilityUnavailable):
        at(folder).notify("CUST-123456", template="x")


def test_a_deployment_names_the_folder_and_may_add_an_address(folder: Path, settings, a_utility: RunningUtility):
    files = {"folder": str(folder)}
    settings.UTILITIES = [
        Configured(id="by-files", time_zone="Asia/Kolkata", files=files),
        Configured(id="by-both", time_zone="Asia/Kolkata", files=files, url=a_utility.url, token=a_utility.token),
    ]
    assert registry.adapter_for("by-files").account("CUST-123456")
    registry.adapter_for("by-both").notify("CUST-123456", template="credential_ready")
    assert registry.systems_of("by-files") == ()
