"""What operators and strangers get from the addresses that belong to no room."""

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path

from audit import clock
from audit.log import SYSTEM, Action, record
from config import urls
from credentials import bootstrap

pytestmark = pytest.mark.django_db


def breaks(request):
    raise RuntimeError("secret detail")


def suspicious(request):
    raise SuspiciousOperation("secret detail")


def with_own_policy(request):
    return HttpResponse("x", headers={"Content-Security-Policy": "default-src 'self'"})


class Broken:
    """The service's addresses and some that fail."""

    urlpatterns = [
        *urls.urlpatterns,
        path("breaks", breaks, name="healthz"),
        path("suspicious", suspicious, name="healthz"),
        path("own-policy", with_own_policy, name="healthz"),
    ]
    handler400, handler403, handler404, handler500 = (
        urls.handler400,
        urls.handler403,
        urls.handler404,
        urls.handler500,
    )


@pytest.fixture
def visitor(settings) -> Client:
    settings.ROOT_URLCONF = Broken
    return Client(raise_request_exception=False)


def test_healthz_says_only_that_the_process_is_up(visitor):
    assert visitor.get("/healthz").content == b"ok\n"


def test_readyz_names_what_is_missing_before_bootstrap_and_is_ready_after(visitor):
    before = visitor.get("/readyz")
    assert before.status_code == 503
    assert "bootstrap" in before.json()["checks"]["keys"]
    bootstrap.ensure()
    after = visitor.get("/readyz")
    assert (after.status_code, after.json()["ready"]) == (200, True)
    assert after.json()["checks"] == dict.fromkeys(("database", "broker", "keys", "lists", "lists_renewed"), "ok")


def test_a_broker_that_is_down_is_told_but_refuses_nothing(visitor, settings):
    bootstrap.ensure()
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    answer = visitor.get("/readyz").json()
    assert answer["ready"]
    assert answer["checks"]["broker"].startswith("unreachable")


def test_in_production_the_details_are_for_whoever_holds_the_operations_token(visitor, settings):
    settings.SANDBOX = False
    settings.OPERATIONS_TOKEN = "let-me-see"
    assert "checks" not in visitor.get("/readyz").json()
    assert "checks" not in visitor.get("/readyz", headers={"Authorization": "Bearer guess"}).json()
    assert "checks" in visitor.get("/readyz", headers={"Authorization": "Bearer let-me-see"}).json()
    assert visitor.get("/metrics").status_code == 404
    assert visitor.get("/metrics", headers={"Authorization": "Bearer let-me-see"}).status_code == 200


def test_without_an_operations_token_nobody_sees_details_in_production(visitor, settings):
    settings.SANDBOX = False
    settings.OPERATIONS_TOKEN = ""
    assert "checks" not in visitor.get("/readyz", headers={"Authorization": "Bearer "}).json()


def test_metrics_count_waiting_journal_lines_without_counting_the_journal(visitor):
    record(Action.MESSAGE_REFUSED, actor=SYSTEM, at=clock.now())
    with CaptureQueriesContext(connection) as queries:
        text = visitor.get("/metrics").content.decode()
    assert "journal_unlinked_events 1.0" in text
    # Of the lines themselves only the newest refusals are read, so many and no more.
    lines = [query["sql"] for query in queries if '"audit_logs"' in query["sql"]]
    assert all(" LIMIT " in sql for sql in lines), lines


def test_metrics_tell_what_waits_and_what_is_stuck(visitor):
    text = visitor.get("/metrics").content.decode()
    for line in (
        'inbox_messages{state="waiting"} 0.0',
        'outbox_messages{state="stuck"} 0.0',
        "outbox_oldest_due_seconds 0.0",
        "journal_unlinked_events",
        "status_lists_unpublished_changes 0.0",
    ):
        assert line in text


def test_a_wrong_address_is_a_problem_document_for_machines_and_a_page_for_browsers(visitor):
    machine = visitor.get("/no/such/place", headers={"Accept": "application/json"})
    assert machine.headers["Content-Type"] == "application/problem+json"
    assert machine.json()["status"] == 404
    browser = visitor.get("/no/such/place", headers={"Accept": "text/html,*/*"})
    assert browser.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/healthz", "/verify/x", "/status/enrollment-list", "/credentials/x"])
def test_a_wrong_method_is_a_problem_document_that_says_which_are_right(visitor, path: str):
    answer = visitor.delete(path)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["status"] == 405


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_an_error_of_ours_gives_a_reference_and_no_detail(visitor, accept: str):
    answer = visitor.get("/breaks", headers={"Accept": accept})
    assert answer.status_code == 500
    assert answer.headers["X-Request-Id"] in answer.content.decode()
    assert "secret detail" not in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_a_suspicious_request_is_told_nothing(visitor):
    answer = visitor.get("/suspicious")
    assert answer.status_code == 400
    assert "secret detail" not in answer.content.decode()


def test_an_unknown_host_name_is_refused(visitor):
    assert visitor.get("/readyz", headers={"Host": "evil.example"}).status_code == 400


def test_every_answer_binds_the_browser(visitor):
    headers = visitor.get("/healthz").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"


def test_a_view_may_set_its_own_policy(visitor):
    assert visitor.get("/own-policy").headers["Content-Security-Policy"] == "default-src 'self'"


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_these_addresses_only_tell(visitor, address: str):
    assert visitor.post(address).status_code == 405
