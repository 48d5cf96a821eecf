"""Signing in at the utilities' own providers, over HTTP, as a browser does it; and what attackers try with it."""

from urllib.parse import parse_qs, urlsplit

from tests.identity.visiting import A, Visitor
from tests.stack import Stack


def test_somebody_signs_in_at_their_utility_and_is_known_by_issuer_and_sub(stack: Stack) -> None:
    visitor = Visitor(stack)
    before = visitor.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(before).query).items()}
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    arrived = visitor.sign_in("rajesh")
    assert (arrived.status, arrived.to) == (303, "/oidc/account"), arrived
    assert visitor.get("/oidc/account").heading == "Your account"
