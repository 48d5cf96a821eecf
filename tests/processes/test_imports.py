"""An agency's file through real processes: its worker killed, its memory, and an invitation until the customer's Yes.

Source: issue 6 point 7.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.bap import eventually
from tests.customers import Block
from tests.identity.visiting import AGENCIES, A, Visitor
from tests.importing import FLEX, line, press, upload
from tests.signing_in import _Form
from tests.stack import Stack

pytestmark = pytest.mark.processes

MANY = 1_000


@pytest.fixture(scope="module")
def busy(stack_of_this_module: Callable[..., Stack]) -> Stack:
    """A worker for the messages, and one for the files that a test may kill; its chunks are small."""
    paced = {"LEASE_SECONDS": "2", "IMPORT_CHUNK_ROWS": "20"}
    stack = stack_of_this_module(workers=1, imports_workers=1, broker="none", environment=paced)
    stack.manage("catalogue", "refresh")
    eventually(lambda: stack.sql("SELECT count(*) > 0 FROM portal_programs WHERE slug = %s", FLEX) == [(True,)])
    return stack


@pytest.fixture(scope="module")
def agent(busy: Stack) -> Visitor:
    visitor = Visitor(busy)
    visitor.sign_in_agent("op-1", next="/agency/imports")
    return visitor


def how(stack: Stack, address: str) -> dict[str, int | str]:
    names = ("state", "well_formed", "malformed", "new", "rows")
    (row,) = stack.sql(f"SELECT {', '.join(names)} FROM agency_imports WHERE id = %s", address.rpartition("/")[2])
    return dict(zip(names, row, strict=True))


def killed_at_40_percent(stack: Stack, address: str, column: str) -> int:
    """SIGKILL the worker when 40 % are done; nobody else goes on with it. Then start it again."""
    eventually(lambda: int(how(stack, address)[column]) >= MANY * 0.4, pause=0.005, seconds=60)
    stack.kill("imports-1")
    at_the_kill = int(how(stack, address)[column])
    assert MANY * 0.4 <= at_the_kill < MANY and at_the_kill % 20 == 0, "a chunk is done wholly or not at all"
    time.sleep(0.5)
    assert how(stack, address)[column] == at_the_kill, "the messages' worker leaves files alone"
    stack.restart("imports-1")
    return at_the_kill


def test_a_worker_killed_at_40_percent_of_the_check_and_of_the_import_goes_on_and_doubles_nothing(
    busy: Stack, agent: Visitor
):
    begun = time.monotonic()
    address = upload(agent, (line(number) for number in range(MANY)))
    killed_at_40_percent(busy, address, "well_formed")
    eventually(lambda: how(busy, address)["state"] == "CHECKED", seconds=60)
    assert how(busy, address)["well_formed"] == MANY

    assert press(agent, address, "/start").status == 303
    at_the_kill = killed_at_40_percent(busy, address, "new")
    ((cases,),) = busy.sql("SELECT count(*) FROM agency_cases")
    assert cases == at_the_kill, "rows and counter are one"
    eventually(lambda: how(busy, address)["state"] == "IMPORTED", seconds=60)
    assert how(busy, address)["new"] == MANY
    assert busy.sql("SELECT count(*), count(DISTINCT reference) FROM agency_cases") == [(MANY, MANY)]
    assert busy.sql("SELECT count(*), count(DISTINCT case_id) FROM agency_import_rows") == [(MANY, MANY)]
    lines = "SELECT count(*), count(DISTINCT object_id) FROM audit_logs WHERE action = 'assisted.opened'"
    assert busy.sql(lines) == [(MANY, MANY)]
    assert f">{MANY}<" in agent.get(address).text.replace(",", "")
    assert busy.usage()["imports-1"][1] < 300, "MB"
    print(f"a file of {MANY} rows with two kills: {time.monotonic() - begun:.1f} s", end=" ")


def test_an_invited_customer_reads_who_asks_after_their_own_sign_in_and_says_yes(busy: Stack, agent: Visitor):
    person = next(Block.IMPORTS.customers())
    number = int(person.rpartition("-")[2])
    address = upload(agent, iter([line(number, "B")]))
    eventually(lambda: how(busy, address)["state"] == "CHECKED")
    press(agent, address, "/start")
    eventually(lambda: how(busy, address)["state"] == "IMPORTED")
    manager = Visitor(busy)
    manager.sign_in_agent("manager", next=address)
    assert press(agent, address, "/release").status == 404
    assert "Release 1 invitation" in manager.get(f"{address}/release").text
    assert press(manager, f"{address}/release", "").status == 303
    eventually(lambda: busy.sql("SELECT state FROM agency_invitations") == [("SENT",)])
    link = invitation(busy)

    customer = Visitor(busy)
    page = customer.get(link)
    assert page.status == 200 and person not in page.text and "Sandbox Enrolment Agency" in page.text
    held = customer.post(link).to
    assert Visitor(busy).get(link).status == 410, "it opens once"
    assert "May this agency help you" not in customer.get(held).text
    assert customer.at(A).provider.metadata  # it starts with its first request, which may take a while
    form = {name: value for name, value in _Form(customer.get(held).text).values.items() if name != "provider"}
    sent = customer._open(f"{held}/sign-in", {**form, "provider": slug_of(customer, held)})
    arrived = customer.get(customer.at(A).sign_in(sent.to, person)).to
    page = customer.get(held if customer.get(arrived).to else arrived)
    assert "May this agency help you" in page.text and "Anita" in page.text
    values = _Form(page.text).values
    answer = {"csrfmiddlewaretoken": values["csrfmiddlewaretoken"], "digest": values["digest"], "answer": "yes"}
    assert customer._open(f"{held}/answer", answer).status == 303
    case = "SELECT state, application_id IS NOT NULL FROM agency_cases WHERE reference LIKE 'B-%%'"
    assert busy.sql(case) == [("OPEN", True)]
    assert customer.get(link).status == 410, "and is used up"
    result = agent.get(f"{address}/result.csv")
    assert result.text.splitlines()[1].endswith(",SENT,AGREED")


def invitation(stack: Stack) -> str:
    request = urllib.request.Request(f"{stack.utility_url()}/outbox", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        messages = json.loads(answer.read())["messages"]
    (mine,) = [each for each in messages if each["template"] == "agency-invitation"]
    assert mine["parameters"]["link"] in mine["text"] and AGENCIES not in mine["to"]
    return str(mine["parameters"]["link"])


def slug_of(customer: Visitor, address: str) -> str:
    return _Form(customer.get(address).text).values["provider"]
