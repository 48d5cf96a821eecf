"""An agency with its people, a program, and files as its agents make them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from audit import clock
from beckn import participants
from identity.models import Membership
from portals.imports import running, uploading, working
from portals.models import BulkImport, CatalogProgram
from tests.agencies import a_member
from tests.factories import UTILITY_A
from tests.sandbox.running import RunningUtility, utility

HEADER = "reference,utility,account_number,mobile,program,language"
PROGRAM = "flex"


@pytest.fixture
def program(db: None) -> CatalogProgram:
    return a_program()


def a_program(slug: str = PROGRAM, **item: Any) -> CatalogProgram:
    owner = participants.add(
        subscriber_id="owner.imports.example",
        url="https://owner.imports.example/beckn",
        key_id="k",
        public_key="A" * 43 + "=",
        type="BPP",
        now=clock.now(),
    )
    return CatalogProgram.objects.create(
        bpp=owner if not isinstance(owner, tuple) else owner[0],
        provider_id="p-1",
        program_id=f"program-{slug}",
        slug=slug,
        item={"beckn:id": f"program-{slug}", **item},
        fetched_at=clock.now(),
    )


@pytest.fixture
def agent(program: CatalogProgram) -> Membership:
    return a_member("op-1")


def line(number: int, *, reference: str = "", account: str = "", program: str = PROGRAM, language: str = "") -> str:
    return f"{reference or f'A-{number:06}'},{UTILITY_A},{account or f'ACC-{number:06}'},,{program},{language}"


def a_file(rows: Iterable[str], header: str = HEADER) -> io.BytesIO:
    return io.BytesIO("\r\n".join([header, *rows]).encode())


def upload(member: Membership, rows: Iterable[str], header: str = HEADER) -> BulkImport:
    return uploading.take(member, a_file(rows, header), name="list.csv", key=uuid4(), now=clock.now())


def worked(found: BulkImport) -> BulkImport:
    """The worker has done all there is to do."""
    while working.work(seconds=60):
        pass
    return BulkImport.objects.get(pk=found.pk)


def imported(member: Membership, rows: Iterable[str]) -> BulkImport:
    """Uploaded, checked, and imported for real."""
    found = worked(upload(member, rows))
    running.start(found, member, clock.now())
    return worked(found)


@pytest.fixture(scope="session")
def utility_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUtility]:
    with utility(tmp_path_factory.mktemp("utility")) as running:
        yield running


@pytest.fixture
def a_utility(utility_process: RunningUtility) -> Iterator[RunningUtility]:
    yield utility_process
    utility_process.fault("none")
