"""The third way in: a national identity, which is nobody's account until a utility says whose it is."""

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client as Visitor

from config.env import OidcProvider
from identity.models import OidcSession, User
from sandbox import generated, supervisor
from sandbox.postgres import free_port
from tests.identity.test_sign_in_attacks import everything_kept
from tests.signing_in import Provider

ROOT = Path(__file__).resolve().parents[2]
PERSON = "chandra"


@pytest.fixture
def national(tmp_path, settings):
    """The sandbox's provider as a process of its own, known to this deployment."""
    port = free_port()
    described = generated.national_provider(port)
    settings.OIDC_PROVIDERS = [OidcProvider.model_validate(described)]
    values = generated.settings_for(8000, folder=tmp_path, utility_ports={}, national_port=port)
    values["OIDC_PROVIDERS"] = f"[{OidcProvider.model_validate(described).model_dump_json()}]"
    values["PUBLIC_URL"] = django_settings.PUBLIC_URL
    generated.write(tmp_path / "settings.env", values)
    command = [sys.executable, "-m", "sandbox.national", "--port", str(port), "--var", str(tmp_path)]
    child = supervisor.start("national", command, environment={"PATH": "/usr/bin:/bin"}, folder=ROOT, logs=tmp_path)
    try:
        supervisor.wait_until_answers(child, f"http://127.0.0.1:{port}/healthz")
        provider = Provider(f"http://127.0.0.1:{port}", tmp_path / "national")
        assert provider.metadata  # it starts with its first request, which may take a while
        yield provider
    finally:
        child.kill()


@pytest.mark.django_db
def test_a_national_number_that_the_provider_really_sends_is_found_nowhere(national, caplog, monkeypatch):
    sent = []
    from identity.oidc import backend

    read = backend.jwts.read
    monkeypatch.setattr(backend.jwts, "read", lambda token, **more: (sent.append(token), read(token, **more))[1])
    visitor = Visitor()
    leaving = visitor.post("/oidc/sign-in", {"provider": "national"})
    back = urlsplit(national.browser().sign_in(leaving["Location"], PERSON))
    arrived = visitor.get(f"{back.path}?{back.query}")
    assert arrived["Location"] == "/oidc/account", arrived
    number = _number_in(sent[0])
    assert re.fullmatch(r"\d{4} \d{4} \d{4}", number), "the provider sends one"
    [row] = OidcSession.objects.all()
    assert User.objects.get(pk=row.user_id).subject is None
    page = visitor.get("/oidc/account").content.decode()
    assert "link your utility" in page
    assert row.tokens["id"] == "" and row.tokens["access"] == "", "the tokens it came in are not kept either"
    for needle in (number, number.replace(" ", ""), "national_id_number"):
        for place in (everything_kept(), str(row.claims), str(dict(visitor.session)), caplog.text, page):
            assert needle not in place


def _number_in(token: str) -> str:
    from tests.signing_in import claims

    return str(claims(token)["national_id_number"])
