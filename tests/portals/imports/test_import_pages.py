"""The pages of imports (issue 6 point 7): what people see, and what is not theirs."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from audit import clock
from audit.models import Event
from identity.models import Membership
from portals.imports import inviting
from portals.models import AssistedCase, BulkImport, ImportRow, Invitation
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.imports.conftest import HEADER, imported, line, upload, worked

pytestmark = pytest.mark.django_db


def send(client: Client, content: bytes, **more: Any) -> Any:
    file = SimpleUploadedFile("list.csv", content, content_type="text/csv")
    return client.post("/agency/imports", {"file": file, "key": str(uuid4()), **more})


def a_text(*rows: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *rows]).encode()


def downloaded(client: Client, found: BulkImport, query: str = "") -> list[list[str]]:
    answer = client.get(f"/agency/imports/{found.pk}/result.csv{query}")
    assert answer.status_code == 200 and answer["Cache-Control"].startswith("private, no-store")
    text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(text)))


def test_an_agent_sends_a_file_sees_what_is_wrong_and_imports_the_rest(agent: Membership):
    client = signed_in_agent(agent)
    assert "No file has been sent yet" in client.get("/agency/imports").content.decode()
    sent = send(client, a_text(line(1), line(2, program="moon"), line(3)))
    assert sent.status_code == 303
    found, address = BulkImport.objects.get(), sent["Location"]
    page = client.get(address).content.decode()
    assert "0 of 3 rows checked" in page and 'value="0"' in page
    told = client.get(address, headers={"accept": "application/json"}).json()
    assert told == {"waiting": True, "text": "0 of 3 rows checked.", "done": 0, "next": address}

    worked(found)
    page = client.get(address).content.decode()
    assert "some rows are not taken" in page and "UNKNOWN_PROGRAM" in page and "Import for real" in page
    assert client.get(f"{address}/start").status_code == 303 and BulkImport.objects.get().state == "CHECKED"
    assert client.post(f"{address}/start").status_code == 303
    worked(found)
    page = client.get(address).content.decode()
    assert "2 customers can be invited" in page and "manager of your agency has to release" in page
    rows = downloaded(client, found)
    assert rows[0][:6] == ["line", "reference", "state", "code", "column", "value"]
    assert [row[:6] for row in rows[1:]] == [
        ["2", "A-000001", "NEW", "", "", ""],
        ["3", "A-000002", "MALFORMED", "UNKNOWN_PROGRAM", "program", "moon"],
        ["4", "A-000003", "NEW", "", "", ""],
    ]
    assert rows[2][6].startswith("We know no program of this id.")
    assert [row[0] for row in downloaded(client, found, "?rows=wrong")] == ["line", "3"]
    assert Event.objects.filter(action="export", object_id=str(found.pk)).count() == 2


def test_a_wrong_header_is_explained_and_nothing_is_kept(agent: Membership):
    client = signed_in_agent(agent)
    answer = send(client, a_text(line(1), header="reference,utility,account_number,programme,<b>"))
    text = answer.content.decode()
    assert answer.status_code == 422 and "The column “program” is missing." in text
    assert "“programme” is not one of ours" in text and "“&lt;b&gt;” is not one of ours" in text
    assert "Nothing of the file was taken." in text and not BulkImport.objects.exists()
    assert send(client, b"").status_code == 422  # an empty file is none
    assert client.post("/agency/imports", {"key": "x"}).status_code == 422


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfreference;utility;account_number;program\r\nA-1;utility-example-001;ACC-1;flex\r\n;;;\r\n",
        b"program\tutility\taccount_number\treference\nflex\tutility-example-001\tACC-1\tA-1",
    ],
)
def test_what_spreadsheets_write_is_taken(agent: Membership, content: bytes):
    send(signed_in_agent(agent), content)
    assert worked(BulkImport.objects.get()).well_formed == 1
    assert ImportRow.objects.get().told == {"account": "ACC-1"}


def test_what_a_spreadsheet_would_execute_is_text_in_the_result(agent: Membership):
    client = signed_in_agent(agent)
    hostile = "=HYPERLINK(1)"
    send(client, a_text(line(1, program=hostile), f'"{hostile}",u,ACC-1,,flex,'))
    found = worked(BulkImport.objects.get())
    assert [row[5] for row in downloaded(client, found)[1:]] == [f"'{hostile}", f"'{hostile}"]


def test_an_agent_releases_nothing_and_a_manager_sees_how_many_and_when(agent: Membership, settings: Any):
    found = imported(agent, [line(1), line(2)])
    client, address = signed_in_agent(agent), f"/agency/imports/{found.pk}/release"
    for role in ("AGENT", "REVIEWER"):
        other = signed_in_agent(a_member(role, role=role, agency=agent.agency))
        assert other.get(address).status_code == 404 and other.post(address).status_code == 404
    assert client.post(address).status_code == 404 and not Invitation.objects.exists()
    manager = signed_in_agent(a_member("op-4", role="MANAGER", agency=agent.agency))
    page = manager.get(address).content.decode()
    assert "Release 2 invitations" in page and agent.agency.name in page and "500" in page
    assert manager.get(address).status_code == 200 and not Invitation.objects.exists(), "looking releases nothing"
    assert manager.post(address).status_code == 303
    assert Invitation.objects.filter(state="WAITING").count() == 2
    assert Event.objects.get(action="import.released").details["operator"] == "op-4"
    again = manager.post(address)
    assert again.status_code == 422 and "nobody to invite" in again.content.decode()
    assert "2 waiting for their day" in manager.get(f"/agency/imports/{found.pk}").content.decode()
    assert inviting.stop(found, clock.now()) == 2


def test_another_agencys_import_is_not_there_by_any_address(agent: Membership):
    found = imported(agent, [line(1)])
    waiting = worked(upload(agent, [line(2)]))
    theirs = a_member("op-9", role="MANAGER", agency=an_agency("ea-002"))
    client = signed_in_agent(theirs)
    for each in (found, waiting):
        for rest in ("", "/cancel", "/release", "/result.csv"):
            assert client.get(f"/agency/imports/{each.pk}{rest}").status_code == 404, rest
        for rest in ("/start", "/cancel", "/release"):
            assert client.post(f"/agency/imports/{each.pk}{rest}").status_code == 404, rest
    assert str(found.pk) not in client.get("/agency/imports").content.decode()
    assert BulkImport.objects.get(pk=waiting.pk).state == "CHECKED" and AssistedCase.objects.count() == 1


def test_only_one_import_at_a_time_and_the_second_is_told_so(agent: Membership):
    client = signed_in_agent(agent)
    assert send(client, a_text(line(1))).status_code == 303
    answer = send(client, a_text(line(2)))
    assert answer.status_code == 422 and "Another import of your agency is at work" in answer.content.decode()
    first = BulkImport.objects.get()
    assert client.post(f"/agency/imports/{first.pk}/cancel").status_code == 303
    assert "The import is cancelled" in client.get(f"/agency/imports/{first.pk}").content.decode()
    assert client.post(f"/agency/imports/{first.pk}/start").status_code == 409
    assert send(client, a_text(line(2))).status_code == 303


def test_a_form_sent_twice_is_one_import_and_a_file_sent_again_says_so(agent: Membership):
    client, key = signed_in_agent(agent), str(uuid4())
    sent = [send(client, a_text(line(1)), key=key)["Location"] for _ in range(2)]
    assert sent[0] == sent[1] and BulkImport.objects.count() == 1
    found = worked(BulkImport.objects.get())
    client.post(f"{sent[0]}/start")
    worked(found)
    again = send(client, a_text(line(1)))["Location"]
    assert "very same file was imported before" in client.get(again).content.decode()


def test_the_template_is_a_header_that_is_taken(agent: Membership):
    client = signed_in_agent(agent)
    header = client.get("/agency/imports/template.csv").content.decode().removeprefix("\ufeff").strip()
    assert header == HEADER
    assert send(client, a_text(line(1), header=header)).status_code == 303


def test_a_page_in_progress_and_its_result_are_read_with_few_queries(
    agent: Membership, django_assert_max_num_queries: Any
):
    found = imported(agent, [line(number) for number in range(2_500)])
    client = signed_in_agent(agent)
    with django_assert_max_num_queries(40):
        assert client.get(f"/agency/imports/{found.pk}").status_code == 200
    with django_assert_max_num_queries(30):
        assert len(downloaded(client, found)) == 2_501


def test_cases_that_wait_for_their_customers_do_not_fill_the_desk_and_are_found_by_reference(agent: Membership):
    imported(agent, [line(1), line(2)])
    client = signed_in_agent(agent)
    assert "A-000001" not in client.get("/agency/").content.decode()
    assert "A-000001" in client.get("/agency/?reference=A-000001").content.decode()
