"""A deployment that is not completely described does not start, and says in one message what is wrong."""

import json

import pytest

from config.env import Misconfigured, load
from tests.config.settings_of import named_key, sandbox_values


def problems(values: dict[str, str]) -> str:
    with pytest.raises(Misconfigured) as stopped:
        load(values, file="")
    return str(stopped.value)


def test_what_the_demo_generates_is_a_complete_deployment():
    assert load(sandbox_values(), file="").DEPLOYMENT == "sandbox"


def test_an_empty_environment_names_every_missing_variable_at_once_and_what_it_should_look_like():
    text = problems({})
    for name in ("DEPLOYMENT", "SECRET_KEY", "DATABASE_URL", "FIELD_KEYS", "INDEX_KEY", "BECKN_IDENTITIES"):
        assert f"{name}: is missing" in text
    assert "postgresql://user:password@host:5432/name" in text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEPLOYMENT", "staging", "`sandbox` or `production`"),
        ("SECRET_KEY", "short", "at least 32 characters"),
        ("PUBLIC_URL", "credentials.example.org", "scheme and host only"),
        ("PUBLIC_URL", "https://credentials.example.org/path", "scheme and host only"),
        ("DATABASE_URL", "sqlite:///db.sqlite3", "postgresql://"),
        ("CELERY_BROKER_URL", "filesystem://", "redis://host:6379/0"),
        ("FIELD_KEYS", "no-colon", "name:base64 of 32 bytes"),
        ("FIELD_KEYS", "k1:AAAA", "has 3 bytes, 32 are needed"),
        ("INDEX_KEY", "k1:!!", "is not base64"),
        ("CLOCK_OFFSET", "yesterday", "seconds"),
        ("ISSUER_DID", "did:key:z6Mk", "did:web:host"),
        ("BECKN_IDENTITIES", "[{]", "is not JSON (line 1, column 3"),
        ("BECKN_IDENTITIES", "@/no/such/file", "cannot be read"),
        ("BECKN_IDENTITIES", "[]", "subscriber_id"),
        ("BECKN_MODE", "sideways", "`direct` or `adapter`"),
        ("BECKN_MODE", "adapter", "BECKN_ADAPTER_URL"),
        ("BECKN_TTL_POLICY", "maybe", "`off`, `log` or `nack`"),
        ("BECKN_REQUIRE_SIGNATURE", "perhaps", "BECKN_REQUIRE_SIGNATURE"),
        ("UTILITIES", '[{"id": "u", "url": "http://u", "time_zone": "Mars/Olympus"}]', "0.time_zone: is not an IANA"),
        ("UTILITIES", '[{"id": "u", "url": "http://u", "time_zone": "UTC", "tokn": "x"}]', "0.tokn"),
        ("OIDC_PROVIDERS", '[{"issuer": "idp"}]', "0.issuer: wants an http(s) address"),
        ("OIDC_PROVIDERS", '[{"issuer": "https://i", "slug": "North Grid"}]', "0.slug"),
        ("OIDC_PROVIDERS", '[{"issuer": "https://i", "slug": "n", "utilities": ["u"]}]', "n needs name and client_id"),
        (
            "OIDC_PROVIDERS",
            '[{"issuer": "https://i", "slug": "n", "name": "N", "client_id": "c"}]',
            "utilities of n wants the ids",
        ),
        (
            "OIDC_PROVIDERS",
            '[{"issuer":"https://i","slug":"p","name":"P","client_id":"c","kind":"NATIONAL","utilities":["u"]}]',
            "utilities of p wants none",
        ),
        (
            "OIDC_PROVIDERS",
            '[{"issuer":"https://i","slug":"p","name":"P","client_id":"c","kind":"AGENCY"}]',
            "p needs minimum_acr",
        ),
        (
            "OIDC_PROVIDERS",
            '[{"issuer":"https://i","slug":"s","name":"S","client_id":"c","kind":"STAFF"}]',
            "s needs minimum_acr: staff sign in with two steps",
        ),
        ("CONSOLE_URL", "https://console.example.org/admin", "scheme and host only"),
        ("CONSOLE_SESSION_MINUTES", "0", "1 to 480"),
        ("BREAK_GLASS", "perhaps", "BREAK_GLASS"),
        ("OIDC_PROVIDERS", '[{"issuer": "https://i"}, {"issuer": "https://i/"}]', "issuer is the same for two"),
        ("RETENTION_SEALED_HOURS", "48", "1 to 24"),
        ("LEASE_SECONDS", "0", "1 to 600"),
        ("BECKN_RATES", '{"source": [0, 2]}', "greater than 0"),
        ("BECKN_ADAPTER_SOURCES", "adapter.local", "BECKN_ADAPTER_SOURCES"),
        ("ALLOWED_OUTBOUND", "10.0.0.0/8 what/is/this", "is not a host"),
        ("PROXY_NETWORKS", "10.0.0.0/33", "PROXY_NETWORKS"),
        ("BECKN_RATES", '{"participant": [0, 5]}', "greater than 0"),
        ("BECKN_SIGNATURE_LIFETIME_SECONDS", "86400", "up to 3600"),
        ("OPERATOR_TOKENS", "anna:plain-text", "sha256 in hex"),
    ],
)
def test_a_malformed_variable_is_named_with_what_it_should_look_like(name: str, value: str, said: str):
    text = problems(sandbox_values(**{name: value}))
    assert name in text
    assert said in text


def test_the_message_never_shows_a_value():
    secret = "hunter2hunter2hunter2"
    text = problems(sandbox_values(FIELD_KEYS=secret, DATABASE_URL=f"mysql://u:{secret}@h/d", INDEX_KEY=f"a:{secret}"))
    assert secret not in text


def test_the_index_key_must_not_be_one_of_the_field_keys():
    key = named_key("one")
    assert "another key" in problems(sandbox_values(FIELD_KEYS=key, INDEX_KEY="two:" + key.partition(":")[2]))


def test_a_structured_variable_may_be_mounted_as_a_file(tmp_path):
    file = tmp_path / "utilities.json"
    file.write_text(json.dumps([{"id": "u", "url": "http://u.example/", "time_zone": "Asia/Kolkata"}]))
    utility = load(sandbox_values(UTILITIES=f"@{file}"), file="").UTILITIES[0]
    assert (utility.id, utility.url) == ("u", "http://u.example")


def test_the_environment_wins_over_the_deployments_file(tmp_path):
    file = tmp_path / "settings.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in sandbox_values().items()))
    env = load({"PUBLIC_URL": "http://127.0.0.1:9999"}, file=str(file))
    assert env.PUBLIC_URL == "http://127.0.0.1:9999"
    assert env.SECRET_KEY.startswith("sandbox-")


def test_several_field_keys_are_read_in_their_order():
    keys = [named_key("new"), named_key("old")]
    assert list(load(sandbox_values(FIELD_KEYS=" ".join(keys)), file="").FIELD_KEYS) == keys


def test_a_worker_in_the_web_process_and_an_outside_broker_exclude_each_other():
    text = problems(sandbox_values(RUN_WORKER_IN_WEB="true", CELERY_BROKER_URL="redis://127.0.0.1/0"))
    assert "RUN_WORKER_IN_WEB" in text
