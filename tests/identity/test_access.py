"""Every address is in the access table, and the table is enforced."""

import hashlib

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from identity.access import TABLE, AccessTable, Who, operator_required, who_may

TOKEN = "an operator's long random token"


def names(patterns, prefix=""):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            yield f"{prefix}{pattern.name}" if pattern.name else str(pattern.pattern)


def test_every_address_is_in_the_table():
    missing = {name for name in names(get_resolver("config.urls").url_patterns) if who_may(name) is None}
    assert missing == set()


def test_the_table_holds_no_address_that_is_gone():
    assert set(TABLE) - set(names(get_resolver("config.urls").url_patterns)) == set()


class Match:
    def __init__(self, view_name):
        self.view_name = view_name


def ask(name, **headers):
    request = RequestFactory().get("/", headers=headers)
    request.resolver_match = Match(name)
    refused = AccessTable(lambda request: HttpResponse("in")).process_view(request, None, (), {})
    return refused.status_code if refused else "goes on"


@pytest.fixture
def operator_tokens(settings):
    settings.OPERATOR_TOKENS = ("issuer:" + hashlib.sha256(TOKEN.encode()).hexdigest(),)


def test_an_address_that_is_in_no_table_is_answered_to_nobody():
    assert ask("forgotten") == 403
    assert ask("healthz") == "goes on"


def test_an_operators_address_wants_an_operators_token(operator_tokens, monkeypatch):
    monkeypatch.setitem(TABLE, "issue", Who.OPERATOR)
    assert ask("issue") == 401
    assert ask("issue", authorization="Bearer something else") == 401
    assert ask("issue", authorization=f"Basic {TOKEN}") == 401
    assert ask("issue", authorization=f"Bearer {TOKEN}") == "goes on"


def test_an_address_for_staff_sends_everybody_else_to_the_sign_in(monkeypatch):
    monkeypatch.setitem(TABLE, "desk", Who.STAFF)
    assert ask("desk") == 302


def test_a_view_knows_which_operator_asks(operator_tokens):
    view = operator_required(lambda request: HttpResponse(request.operator))
    told = view(RequestFactory().get("/", headers={"authorization": f"Bearer {TOKEN}"}))
    assert told.content == b"issuer"
    refused = view(RequestFactory().get("/"))
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")


def test_without_configured_tokens_nobody_is_an_operator(settings):
    settings.OPERATOR_TOKENS = ()
    assert (
        operator_required(HttpResponse)(RequestFactory().get("/", headers={"authorization": "Bearer x"})).status_code
        == 401
    )
