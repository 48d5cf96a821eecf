"""A reviewer gets a file as an attachment that runs nothing, never before it is clean, and it is written down."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Event
from enrollment.models import Document
from identity.models import User
from identity.staff import Role
from tests.enrollment.conftest import bare_world, running_utility, utility, world  # noqa: F401 - fixtures
from tests.enrollment.test_documents import PDF, solar_world, uploaded  # noqa: F401 - fixtures
from tests.enrollment.world import World
from tests.staff import desk


@pytest.fixture
def reviewer(solar_world: World) -> Client:  # noqa: F811
    uploaded(solar_world)
    return desk(Role.CASE_WORKER)


def ask(client: Client, **said: str) -> Any:
    return client.post(reverse("admin:enrollment_document_file", args=[Document.objects.get().pk]), said)


def test_a_file_leaves_as_an_attachment_in_a_sandbox_and_the_journal_says_who_saw_it(
    reviewer: Client, settings: Any
) -> None:
    settings.DOCUMENT_SCANNER = "sh -c 'cat >/dev/null'"
    answer = ask(reviewer)
    assert answer.status_code == 200 and answer.content == PDF
    assert answer["Content-Disposition"].startswith('attachment; filename="document-')
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff" and "no-store" in answer["Cache-Control"]
    assert Event.objects.get(action="pii.read").actor_id == str(User.objects.get().pk)


def test_without_a_scanner_whoever_asks_says_that_they_know(reviewer: Client) -> None:
    page = reviewer.get(reverse("admin:enrollment_document_change", args=[Document.objects.get().pk]))
    assert "no scanner has looked at this file" in page.content.decode()
    refused = ask(reviewer)
    assert refused.status_code == 409 and b"No scanner has looked" in refused.content
    assert not Event.objects.filter(action="pii.read").exists()
    assert ask(reviewer, unscanned="yes").content == PDF


def test_an_infected_file_is_given_to_nobody(reviewer: Client, settings: Any) -> None:
    settings.DOCUMENT_SCANNER = "sh -c 'cat >/dev/null; exit 1'"
    assert ask(reviewer, unscanned="yes").status_code == 410
    assert b"no longer kept" in ask(reviewer, unscanned="yes").content


def test_looking_at_the_list_is_not_reading_the_file_and_a_link_reads_nothing(
    solar_world: World,  # noqa: F811
) -> None:
    uploaded(solar_world)
    client = desk(Role.VIEWER)
    assert client.get(reverse("admin:enrollment_document_changelist")).status_code == 200
    assert ask(client, unscanned="yes").status_code == 403
    address = reverse("admin:enrollment_document_file", args=[Document.objects.get().pk])
    assert desk(Role.CASE_WORKER).get(address).status_code == 405
    assert Client().post(address).status_code == 403
