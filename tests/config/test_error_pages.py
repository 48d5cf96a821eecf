"""What went wrong, as a page for people and as problem JSON for everybody else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.http import HttpResponse, HttpResponseForbidden, HttpResponseNotAllowed, JsonResponse
from django.template import TemplateSyntaxError
from django.test import Client, RequestFactory

from config import errors

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def told(response: HttpResponse, accept: str = BROWSER) -> HttpResponse:
    """What the caller gets of a response."""
    request = RequestFactory().get("/somewhere", headers={"accept": accept})
    return errors.ErrorPages(lambda _: response)(request)


def problem(status: int, **said: str) -> HttpResponse:
    return errors.problem(status, said.pop("title", "What the room said."), **said)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 413, 415, 418, 429, 500, 502, 503])
def test_every_problem_is_a_page_that_says_what_to_do_next(status: int) -> None:
    page = told(problem(status))
    text = page.content.decode()
    assert page.status_code == status and page["Content-Type"] == "text/html; charset=utf-8"
    assert text.count("<h1") == 1 and "What the room said." in text and text.count("<p") >= 2
    assert page["Content-Length"] == str(len(page.content))


@pytest.mark.parametrize("accept", ["application/json", "*/*", "", "application/json, text/html;q=0.9", "text/plain"])
def test_machines_keep_their_json(accept: str) -> None:
    answer = told(problem(404), accept)
    assert answer["Content-Type"] == errors.PROBLEM


def test_headers_stay_and_the_time_to_wait_is_told_in_minutes() -> None:
    busy = problem(429)
    busy.headers["Retry-After"] = "61"
    page = told(busy)
    assert page["Retry-After"] == "61" and "Wait 2 minutes" in page.content.decode()
    soon = problem(503)
    soon.headers["Retry-After"] = "2"
    assert "Try again in 1 minute." in told(soon).content.decode()


@pytest.mark.parametrize("bare", [HttpResponseForbidden("For staff."), HttpResponseNotAllowed(["GET"])])
def test_the_bare_refusals_of_django_become_pages_too(bare: HttpResponse) -> None:
    page = told(bare)
    assert page.content.startswith(b"<!doctype html>") and "<h1" in page.content.decode()


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
@pytest.mark.parametrize("bare", [HttpResponseForbidden, lambda: HttpResponseNotAllowed(["GET"])])
def test_machines_get_problem_details_of_them(bare: Callable[[], HttpResponse], accept: str) -> None:
    answer = told(bare(), accept)
    assert answer["Content-Type"] == errors.PROBLEM
    said = json.loads(answer.content)
    assert said["status"] == answer.status_code and said["title"] and said["type"] == "about:blank"
    assert answer["Content-Length"] == str(len(answer.content))
    assert answer.get("Allow", "") == bare().get("Allow", "")


def test_a_page_that_somebody_made_is_left_alone() -> None:
    made = HttpResponse("<!doctype html><title>mine</title>", status=404)
    assert told(made).content == b"<!doctype html><title>mine</title>"


def test_an_answer_in_json_of_a_room_is_left_alone() -> None:
    assert told(JsonResponse({"checks": {}}, status=503))["Content-Type"] == "application/json"


def test_what_a_room_says_cannot_become_markup() -> None:
    assert "<b>" not in told(problem(400, title="<b>x</b>")).content.decode()


def test_the_detail_is_shown_rather_than_the_title() -> None:
    text = told(problem(400, title="Short.", detail="The whole sentence.")).content.decode()
    assert "The whole sentence." in text and "Short." not in text


def test_an_error_page_that_fails_leaves_the_plain_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise TemplateSyntaxError("broken")

    monkeypatch.setattr(errors, "render_to_string", broken)
    answer = told(problem(500, reference="abc"))
    assert answer["Content-Type"] == errors.PROBLEM and b"abc" in answer.content


def test_a_page_open_for_too_long_is_told_so(client: Client, settings: object) -> None:
    request = RequestFactory().post("/somewhere", headers={"accept": BROWSER})
    page = errors.ErrorPages(errors.out_of_date)(request).content.decode()
    assert "This page is out of date" in page and "<style" not in page


def test_the_telephone_is_named_where_there_is_one(settings) -> None:
    settings.HELP_PHONE, settings.HELP_HOURS = "+44 20 7946-0000", "Mon–Fri 9–17"
    page = told(problem(503)).content.decode()
    assert 'href="tel:+442079460000"' in page and "Mon–Fri 9–17" in page
    settings.HELP_PHONE = ""
    assert "tel:" not in told(problem(503)).content.decode()
