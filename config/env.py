"""Every variable a deployment decides, typed once.

Values come from the environment; what it does not say is looked up in the file named by `SETTINGS_FILE`
(a demo's generated settings). Whatever is missing or malformed is reported together, each with its name and what it
should look like, and the process does not start. Source: contract.md, "Settings every deployment decides".
"""

import base64
import binascii
import functools
import ipaddress
import json
import os
import re
from collections.abc import Set
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from outbound.guard import read_entry


class Misconfigured(SystemExit):
    """The process must not start; the text names every variable that is wrong."""


def _json(text: object) -> object:
    """Read JSON written in a variable, or in the file that an `@path` names (secrets are often mounted as files)."""
    if not isinstance(text, str):
        return text
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except OSError as problem:
            raise ValueError(f"the file {text[1:]} cannot be read ({problem.strerror})") from None
    try:
        return json.loads(text or "[]")
    except json.JSONDecodeError as problem:
        raise ValueError(f"is not JSON (line {problem.lineno}, column {problem.colno}: {problem.msg})") from None


def _words(text: object) -> object:
    """Split a list written with commas or spaces."""
    return text.replace(",", " ").split() if isinstance(text, str) else text


def _secret_bytes(text: str, size: int = 32) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if len(raw) != size:
        raise ValueError(f"has {len(raw)} bytes, {size} are needed")
    return raw


def _named_key(text: str) -> str:
    kid, colon, key = text.partition(":")
    if not (kid and colon):
        raise ValueError("wants `name:base64 of 32 bytes`")
    _secret_bytes(key)
    return text


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest or any(mark in rest for mark in "/?# @"):
        raise ValueError("wants scheme and host only, like https://credentials.example.org")
    return url


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")) or " " in url:
        raise ValueError("wants an http(s) address")
    return url.rstrip("/")


@functools.cache
def _zones() -> Set[str]:
    """All there are; finding them opens hundreds of files."""
    return available_timezones()


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("is not an IANA time zone such as Asia/Kolkata")
    return name


def _outbound_entry(text: str) -> str:
    read_entry(text)
    return text


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


def _rates(text: object) -> object:
    """Read {"participant": [tokens a second, most kept], …}."""
    return _json(text) if text else {}


def _seed(text: str) -> str:
    """Accept a 32-byte seed or the 64-byte libsodium form (wire.md 2), both base64."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if size not in (32, 64):
        raise ValueError(f"has {size} bytes, 32 (seed) or 64 (libsodium) are needed")
    return text


def _aes_key(text: str) -> str:
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if size != 32:
        raise ValueError(f"has {size} bytes, 32 are needed")
    return text


def _public_key(text: str) -> str:
    _secret_bytes(text)
    return text


def _token_digest(text: str) -> str:
    if not re.fullmatch(r"[^:\s]+:[0-9a-f]{64}", text):
        raise ValueError("wants `name:sha256 in hex`")
    return text


TokenDigest = Annotated[str, AfterValidator(_token_digest)]
NamedKey = Annotated[str, AfterValidator(_named_key)]
Origin = Annotated[str, AfterValidator(_origin)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
OutboundEntry = Annotated[str, AfterValidator(_outbound_entry)]
NetworkText = Annotated[str, AfterValidator(_network)]
ZoneName = Annotated[str, AfterValidator(_zone)]


class Part(BaseModel):
    """A structured value inside a variable; unknown keys are mistakes, not comments."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BecknKey(Part):
    """One signing key of ours: `seed` and `public_key` base64, valid from/until as instants with a zone."""

    key_id: str = Field(min_length=1)
    seed: Annotated[str, AfterValidator(_seed)] = Field(repr=False)
    public_key: Annotated[str, AfterValidator(_public_key)]
    valid_from: datetime | None = None
    valid_until: datetime | None = None


class BecknIdentity(Part):
    """One of our names on the network (decision 47); several keys overlap while one is being replaced."""

    subscriber_id: str = Field(min_length=1)
    role: Literal["owner", "portal", "agency"]
    uri: WebAddress
    keys: tuple[BecknKey, ...] = Field(min_length=1)


class OidcClient(Part):
    """A client of a provider whose ID tokens we accept from one participant (decision 46)."""

    client_id: str
    participant_id: str


class OidcProvider(Part):
    """An identity provider: the utilities it speaks for, what its tokens must say, and how we are its client.

    `slug` names it in our addresses, `name` on our pages. `kind` NATIONAL: it knows people and no accounts, so a
    utility has to prove what is theirs. AGENCY: people of enrolment agencies sign in there, with the strength that
    `minimum_acr` names, and are nobody's customers by it. STAFF: the console's people, in the same way. `acr_levels`,
    the weakest first, order names that are no numbers.
    """

    issuer: WebAddress
    slug: str = Field(default="", pattern=r"^[a-z0-9-]*$", max_length=64)
    name: str = Field(default="", max_length=100)
    kind: Literal["UTILITY", "NATIONAL", "AGENCY", "STAFF"] = "UTILITY"
    utilities: tuple[str, ...] = ()
    client_id: str = ""
    client_secret: str = Field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile")
    audiences: tuple[str, ...] = ()
    clients: tuple[OidcClient, ...] = ()
    minimum_acr: str = ""
    acr_levels: tuple[str, ...] = ()
    jwks_url: str = ""


class OAuth2(Part):
    """Client credentials at a utility's token service."""

    token_url: WebAddress
    client_id: str
    client_secret: str = Field(repr=False)
    scope: str = ""


class ClientCertificate(Part):
    """Mutual TLS: paths of PEM files. Without `ca` the machine's own authorities count for the utility's side."""

    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)
    ca: str = ""


class FieldEncryption(Part):
    """Fields that travel encrypted with AES-256-GCM; `key` is base64 of 32 bytes."""

    key: Annotated[str, AfterValidator(_aes_key)] = Field(repr=False)
    fields: tuple[str, ...] = Field(min_length=1)


class UtilitySystem(Part):
    """One system of a utility where it has an address, access or names of its own (`utility_systems.mapping`)."""

    url: WebAddress
    token: str = Field(default="", repr=False)
    oauth2: OAuth2 | None = None
    tls: ClientCertificate | None = None
    mapping: dict[str, dict[str, Any]] = Field(default_factory=dict)
    encryption: FieldEncryption | None = None
    connect_timeout: float = Field(default=0.0, ge=0, le=30)
    read_timeout: float = Field(default=0.0, ge=0, le=60)
    retries: int = Field(default=1, ge=0, le=3)


class UtilityFiles(Part):
    """A folder of CSV exports (`utility_systems.files`), and after how many hours they are stale."""

    folder: str = Field(min_length=1)
    stale_after_hours: float = Field(default=36.0, gt=0, le=24 * 31)


SystemName = Literal["cis", "mdm", "der", "billing", "codes", "notices", "changes"]


class Utility(Part):
    """A utility's systems: where they are and how long we wait (seconds). `systems` names those apart.

    With `files` meters, accounts and devices come from exports, and `url` may be left out.
    """

    id: str = Field(min_length=1)
    name: str = ""
    files: UtilityFiles | None = None
    systems: dict[SystemName, UtilitySystem] = Field(default_factory=dict)
    time_zone: ZoneName
    url: Annotated[str, AfterValidator(lambda url: _web_address(url) if url else "")] = ""
    token: str = Field(default="", repr=False)
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    read_timeout: float = Field(default=5.0, gt=0, le=60)
    billing_url: Annotated[str, AfterValidator(lambda url: _web_address(url) if url else "")] = ""
    changes_url: Annotated[str, AfterValidator(lambda url: _web_address(url) if url else "")] = ""
    changes_secret: str = Field(default="", repr=False)

    @model_validator(mode="after")
    def _is_somewhere(self) -> "Utility":
        if not self.url and self.files is None:
            raise ValueError("wants a url, or files")
        return self


class PortalUtility(Part):
    """How the customer portal shows a utility: names and numbers people know, and its own API for its customers.

    `logo` is the path of a file below the static files; `customer_api` "" where the utility offers its customers none;
    `languages` are those its help line speaks (BCP 47), `grievance` whom a consent receipt names for complaints.
    """

    id: str = Field(min_length=1)
    name: str = Field(min_length=1, max_length=100)
    logo: str = Field(default="", pattern=r"^([A-Za-z0-9_-]+/)*[A-Za-z0-9_.-]*$")
    phone: str = Field(default="", max_length=40)
    hours: str = Field(default="", max_length=100)
    languages: tuple[str, ...] = ("en",)
    time_zone: ZoneName
    customer_api: Annotated[str, AfterValidator(lambda url: _web_address(url) if url else "")] = ""
    grievance: str = Field(default="", max_length=200)


class DerMaker(Part):
    """A maker of devices that tells whose account a device is in: where it is and how long we wait (seconds)."""

    id: str = Field(min_length=1)
    url: WebAddress
    token: str = Field(default="", repr=False)
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    read_timeout: float = Field(default=5.0, gt=0, le=60)


class DocumentsBucket(Part):
    """Object storage that speaks S3. Without `endpoint` it is Amazon's, without keys the machine's own role counts."""

    bucket: str = Field(min_length=3, max_length=63)
    endpoint: Annotated[str, AfterValidator(lambda url: _web_address(url) if url else "")] = ""
    region: str = ""
    access_key: str = Field(default="", repr=False)
    secret_key: str = Field(default="", repr=False)
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9/_-]*$")
    path_style: bool = False


class Env(BaseModel):
    """The deployment's decisions. Each description is what the operator reads when the value is wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    DEPLOYMENT: Literal["sandbox", "production"] = Field(description="`sandbox` or `production`")
    SECRET_KEY: str = Field(min_length=32, repr=False, description="random text of at least 32 characters")
    PUBLIC_URL: Origin = Field(
        default="http://127.0.0.1:8000", description="our address as others see it, https://credentials.example.org"
    )
    CONSOLE_URL: Annotated[str, AfterValidator(lambda url: _origin(url) if url else "")] = Field(
        default="",
        description="the console's own address, https://console.example.org, with nothing else (default: PUBLIC_URL)",
    )
    CONSOLE_SESSION_MINUTES: int = Field(
        default=30, ge=1, le=480, description="minutes without a page after which staff sign in again, 1 to 480"
    )
    CONSOLE_SESSION_HOURS: int = Field(
        default=8, ge=1, le=24, description="hours after which staff sign in again in any case, 1 to 24"
    )
    BREAK_GLASS: bool | None = Field(
        default=None,
        description="true: local accounts of the console may sign in, for emergencies (default: in a sandbox only)",
    )
    ALLOWED_HOSTS: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=(), description="further host names we answer to, separated by spaces"
    )
    DATABASE_URL: str = Field(
        repr=False,
        pattern=r"^postgres(ql)?://\S+$",
        description="postgresql://user:password@host:5432/name (PostgreSQL 15 or newer)",
    )
    DATABASE_POOL: int | None = Field(
        default=None,
        ge=0,
        le=200,
        description="connections a process keeps at most, 0 for none; default: by its threads",
    )
    DATABASE_PREPARE: bool = Field(
        default=True,
        description="prepare statements; false behind a pooler in transaction mode that does not know them",
    )
    CELERY_BROKER_URL: str = Field(
        default="memory://",
        repr=False,
        pattern=r"^(memory|redis|rediss|amqp|amqps)://",
        description="redis://host:6379/0, amqp://user:password@host/vhost, or memory:// for none outside the process",
    )
    RUN_WORKER_IN_WEB: bool = Field(default=False, description="true only for the one-process demo")

    FIELD_KEYS: Annotated[tuple[NamedKey, ...], BeforeValidator(_words)] = Field(
        min_length=1, repr=False, description="`name:base64 of 32 bytes`, newest first, separated by spaces"
    )
    INDEX_KEY: NamedKey = Field(
        repr=False, description="`name:base64 of 32 bytes`, another key than the field keys (blind index)"
    )
    CLOCK_OFFSET: float = Field(default=0.0, description="seconds added to the clock, sandbox only")
    ISSUER_DID: str = Field(
        default="", pattern=r"^(did:web:[A-Za-z0-9.%:_-]+)?$", description="did:web:host (default: made of PUBLIC_URL)"
    )
    ISSUER_KEY_PROVIDERS: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=("software",),
        min_length=1,
        description="`software`, or dotted paths of key providers (KMS, HSM), by spaces; the first makes new keys",
    )
    ISSUER_NAME: str = Field(default="", max_length=200, description="the issuer's name as people know it")
    ISSUER_LICENSE_NUMBER: str = Field(
        default="", max_length=100, description="the issuer's licence number, for programs with the DEG profile"
    )

    BECKN_IDENTITIES: Annotated[tuple[BecknIdentity, ...], BeforeValidator(_json)] = Field(
        min_length=1,
        repr=False,
        description='JSON: [{"subscriber_id", "role": "owner|portal|agency", "uri", "keys": [{"key_id", "seed", '
        '"public_key", "valid_from"?, "valid_until"?}]}], or @file',
    )
    BECKN_MODE: Literal["direct", "adapter"] = Field(default="direct", description="`direct` or `adapter`")
    BECKN_ADAPTER_URL: str = Field(default="", description="address of the adapter, needed with BECKN_MODE=adapter")
    BECKN_ADAPTER_SECRET: str = Field(
        default="", repr=False, description="what the adapter sends to show that it is ours (adapter mode)"
    )
    BECKN_ADAPTER_SOURCES: Annotated[tuple[NetworkText, ...], BeforeValidator(_words)] = Field(
        default=(), description="networks the adapter calls from, separated by spaces (default: this machine)"
    )
    BECKN_SIGNATURE_LIFETIME_SECONDS: int = Field(
        default=3600, ge=1, le=3600, description="whole seconds a signature may live, up to 3600"
    )
    BECKN_SIGNATURE_AHEAD_SECONDS: int = Field(
        default=5, ge=0, le=60, description="whole seconds a sender's clock may be ahead, up to 60"
    )
    VERIFY_RATES: Annotated[dict[str, tuple[PositiveFloat, PositiveFloat]], BeforeValidator(_rates)] = Field(
        default_factory=dict,
        description='JSON: {"verify": [checks a second of one address, most at once], "verify-posted": [...], '
        '"verify-asking": [...], "verify-work": [...]}, or @file',
    )
    BECKN_RATES: Annotated[dict[str, tuple[PositiveFloat, PositiveFloat]], BeforeValidator(_rates)] = Field(
        default_factory=dict,
        description='JSON: {"participant": [messages a second, most at once], "source": [...]}, or @file',
    )
    BECKN_REQUIRE_SIGNATURE: bool = Field(default=True, description="true; false only in the sandbox")
    BECKN_TTL_POLICY: Literal["off", "log", "nack"] = Field(default="nack", description="`off`, `log` or `nack`")
    BECKN_REGISTRY: str = Field(default="", description="address of the registry, empty for none")
    DISCOVERY_URL: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="address of the discovery service that is told of our programs ({it}/publish), empty for none",
    )
    DISCOVERY_ID: str = Field(default="discovery", max_length=255, description="its subscriber id")
    BECKN_PARTICIPANTS_FILE: str = Field(default="", description="path of a JSON file with participants")

    OIDC_PROVIDERS: Annotated[tuple[OidcProvider, ...], BeforeValidator(_json)] = Field(
        default=(),
        repr=False,
        description='JSON: [{"issuer", "slug"?, "name"?, "kind"? UTILITY|NATIONAL|AGENCY|STAFF, "utilities", '
        '"client_id", "client_secret", "scopes"?, "audiences", "clients"?, "minimum_acr", "acr_levels"?}], or @file',
    )
    UTILITIES: Annotated[tuple[Utility, ...], BeforeValidator(_json)] = Field(
        default=(),
        repr=False,
        description='JSON: [{"id", "time_zone", "url", "token", "connect_timeout"?, "read_timeout"?}], or @file',
    )
    PORTAL_TRUSTED_OWNERS: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=(),
        description="program owners beside our own that may see a customer's sign-in: subscriber ids, with spaces",
    )
    PORTAL_CATALOGUE_SECONDS: float = Field(
        default=600.0, ge=5, le=86_400, description="how old the portal's copy of the programs may be"
    )
    NOTICE_GATEWAY: str = Field(
        default="utility",
        pattern=r"^(utility|email|[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+)$",
        description="who carries notices to customers: utility, email, or a dotted path to a class of your own",
    )
    NOTICE_FROM: str = Field(default="", max_length=200, description="the sender of e-mail notices: Name <a@b.example>")
    SMTP_URL: str = Field(
        default="",
        repr=False,
        pattern=r"^(smtps?://\S+)?$",
        description="smtp://user:password@host:587 (STARTTLS) or smtps://…:465, for e-mail notices",
    )
    PORTAL_UTILITIES: Annotated[tuple[PortalUtility, ...], BeforeValidator(_json)] = Field(
        default=(),
        description='JSON: [{"id", "name", "time_zone", "logo"?, "phone"?, "hours"?, "languages"?, "customer_api"?, '
        '"grievance"?}], or @file',
    )
    DER_MAKERS: Annotated[tuple[DerMaker, ...], BeforeValidator(_json)] = Field(
        default=(),
        repr=False,
        description='JSON: [{"id", "url", "token", "connect_timeout"?, "read_timeout"?}], or @file',
    )
    ALLOWED_OUTBOUND: Annotated[tuple[OutboundEntry, ...], BeforeValidator(_words)] = Field(
        default=(),
        description="private places we may call: host, host:port, address or network, separated by spaces; "
        "http://host:port for one that speaks no TLS",
    )

    STATUS_LIST_TTL_SECONDS: int = Field(
        default=60, ge=1, le=300, description="seconds a verifier may keep a status list it has fetched, 1 to 300"
    )
    STATUS_LIST_MAX_AGE_SECONDS: int = Field(
        default=30, ge=1, le=60, description="seconds an HTTP cache may keep a status list, 1 to 60"
    )
    STATUS_LIST_VALIDITY_SECONDS: int = Field(
        default=21_600,
        ge=600,
        le=604_800,
        description="seconds a signed status list holds; it is signed again when half of them are over, 600 to 604800",
    )
    STATUS_LIST_MINIMUM_FREE: int = Field(
        default=131_072,
        ge=1_000,
        le=10_000_000,
        description="free places of a kind below which the next status list is made, 1000 to 10000000",
    )

    DOCUMENTS_DIR: str = Field(default="", description="folder of uploaded files (default: documents in VAR_DIR)")
    DOCUMENTS_STORAGE: Annotated[DocumentsBucket | None, BeforeValidator(_json)] = Field(
        default=None,
        repr=False,
        description='JSON: {"bucket", "endpoint"?, "region"?, "access_key"?, "secret_key"?, "prefix"?, "path_style"?}, '
        "or @file: object storage for uploaded files; empty: DOCUMENTS_DIR",
    )
    DOCUMENT_SCANNER: str = Field(
        default="",
        description="clamd://host:3310, clamd:///path/of/its/socket, or a command that reads a file from its input "
        "and ends with 0 for clean, 1 for infected; empty: none",
    )
    RETENTION_DOCUMENTS_DAYS: int = Field(default=400, ge=30, description="whole days, at least 30")
    RETENTION_DRAFTS_DAYS: int = Field(
        default=90, ge=1, description="whole days a journey of the portal that nobody goes on with is kept, at least 1"
    )
    RETENTION_IMPORTS_DAYS: int = Field(
        default=30, ge=1, description="whole days an agency's import is kept after its end, at least 1"
    )
    RETENTION_INBOX_DAYS: int = Field(default=90, ge=2, description="whole days, at least 2")
    RETENTION_OUTBOX_DAYS: int = Field(default=90, ge=2, description="whole days, at least 2")
    RETENTION_PRESENTED_DAYS: int = Field(default=30, ge=1, description="whole days, at least 1")
    RETENTION_SEALED_HOURS: int = Field(default=24, ge=1, le=24, description="whole hours, 1 to 24 (decision 27)")
    RETENTION_PEOPLE_DAYS: int = Field(
        default=1096,
        ge=30,
        description="whole days after its end for which what was agreed with somebody keeps their name, at least 30",
    )
    RETENTION_HOUR: int = Field(default=1, ge=0, le=23, description="hour (UTC) of the night's deleting, 0 to 23")
    PEOPLE_ANSWER_DAYS: int = Field(
        default=30, ge=1, le=90, description="days in which a person's request about their data is answered, 1 to 90"
    )

    AGENCY_THRESHOLD_DAYS: int = Field(
        default=30, ge=1, le=365, description="whole days over which agencies' thresholds count, 1 to 365"
    )
    AGENCY_NOT_ME_OF_AN_AGENT: int = Field(
        default=3, ge=0, description="customers who say it was not them, by which an agent is suspended; 0: never"
    )
    AGENCY_NOT_ME_SHARE: float = Field(
        default=0.05, ge=0, le=1, description="share of cases disowned that suspends the agency, 0 to 1; 0: never"
    )
    AGENCY_REJECTED_SHARE: float = Field(
        default=0.5, ge=0, le=1, description="share of evidence refused that suspends agent or agency, 0 to 1; 0: never"
    )
    AGENCY_LEAST_EVIDENCE: int = Field(
        default=10, ge=1, description="decided pieces of evidence of an agent before their share counts, at least 1"
    )
    AGENCY_LEAST_CASES: int = Field(
        default=50, ge=1, description="cases, or pieces of evidence, of an agency before its shares count, at least 1"
    )
    SIGNALS_HOLD: bool = Field(
        default=False, description="true: a case with an open signal is confirmed only after a reviewer has looked"
    )
    SIGNAL_CONTACT_DAYS: int = Field(
        default=30, ge=0, le=365, description="days a registered contact is new and raises a signal; 0: never"
    )
    DEVICE_CUSTOMERS_PER_DAY: int = Field(
        default=20, ge=0, description="customers proved in one browser a day before a signal is raised; 0: never"
    )
    SIGNAL_CODE_SECONDS: float = Field(
        default=5.0, ge=0, le=60, description="a code typed faster than so many seconds raises a signal; 0: never"
    )
    SIGNAL_NIGHT_CASES: int = Field(
        default=5, ge=0, description="customers proved by one agent in a night that raise a signal; 0: never"
    )
    SIGNAL_NIGHT_FROM: int = Field(
        default=22, ge=0, le=23, description="hour at which the night begins, utility's zone"
    )
    SIGNAL_NIGHT_UNTIL: int = Field(default=5, ge=0, le=23, description="hour at which the night ends, utility's zone")

    WEB_THREADS: int = Field(default=4, ge=1, le=64, description="threads of a web process")
    BODY_SECONDS: float = Field(
        default=20.0, ge=1, le=120, description="seconds a request's body may take to arrive, 1 to 120"
    )
    WORKER_THREADS: int = Field(default=4, ge=1, le=64, description="threads of a worker process")
    IMPORT_CHUNK_ROWS: int = Field(
        default=500, ge=10, le=2000, description="rows of an agency's file that are one transaction, 10 to 2000"
    )
    LEASE_SECONDS: float = Field(
        default=30.0,
        ge=1,
        le=600,
        description="seconds until another worker takes a dead one's message, 1 to 600; longer than utilities need",
    )
    SWEEP_SECONDS: float = Field(default=1.0, gt=0, le=5, description="pause between two looks for due rows, up to 5")
    BEAT_SECONDS: float = Field(default=30.0, ge=0.2, le=300, description="pause between two looks at the calendar")
    PROXY_NETWORKS: Annotated[tuple[NetworkText, ...], BeforeValidator(_words)] = Field(
        default=(), description="networks of our own proxies, whose X-Forwarded-For is believed"
    )
    HELP_PHONE: str = Field(default="", max_length=40, description="the telephone number that every page names")
    HELP_HOURS: str = Field(default="", max_length=100, description="when somebody answers it: Mon–Fri 09:00–17:00")
    OPERATOR_TOKENS: Annotated[tuple[TokenDigest, ...], BeforeValidator(_words)] = Field(
        default=(), repr=False, description="`name:sha256 in hex` of each operator's token, separated by spaces"
    )
    OPERATIONS_TOKEN: str = Field(
        default="", repr=False, description="Bearer token for /metrics and the details of /readyz in production"
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="DEBUG … ERROR")
    LOG_FORMAT: Literal["json", "console"] = Field(default="json", description="`json` or `console`")
    VAR_DIR: str = Field(default="", description="folder of this deployment's files (demo: var/<PORT>)")
    TESTS_WRAP_IN_TRANSACTIONS: bool = Field(default=False, repr=False, description="set by the test run only")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Env":
        problems = []
        if self.BECKN_MODE == "adapter" and not self.BECKN_ADAPTER_URL.startswith(("http://", "https://")):
            problems.append("BECKN_ADAPTER_URL: BECKN_MODE=adapter needs the adapter's http(s) address")
        if self.CLOCK_OFFSET and self.DEPLOYMENT != "sandbox":
            problems.append("CLOCK_OFFSET: only a sandbox may live at another time; leave it out")
        if any(self.INDEX_KEY.partition(":")[2] == key.partition(":")[2] for key in self.FIELD_KEYS):
            problems.append("INDEX_KEY: must be another key than those of FIELD_KEYS")
        problems += _wrong_providers(self.OIDC_PROVIDERS)
        ids = [identity.subscriber_id for identity in self.BECKN_IDENTITIES]
        if len(set(ids)) != len(ids):
            problems.append("BECKN_IDENTITIES: a subscriber_id stands there twice")
        if not any(identity.role == "owner" for identity in self.BECKN_IDENTITIES):
            problems.append("BECKN_IDENTITIES: none has the role owner")
        if self.CELERY_BROKER_URL != "memory://" and self.RUN_WORKER_IN_WEB:
            problems.append("RUN_WORKER_IN_WEB: only with CELERY_BROKER_URL=memory://; else start worker processes")
        if problems:
            raise ValueError("\n".join(problems))
        return self


def _wrong_providers(providers: tuple[OidcProvider, ...]) -> list[str]:
    """Say what keeps people from signing in: a `slug` makes a provider one that they can choose."""
    problems = []
    for each in (each for each in providers if each.slug):
        if not (each.client_id and each.name):
            problems.append(f"OIDC_PROVIDERS: {each.slug} needs name and client_id for people to sign in there")
        if (each.kind == "UTILITY") != bool(each.utilities):
            wants = "the ids of those it speaks for" if each.kind == "UTILITY" else "none: it knows no accounts"
            problems.append(f"OIDC_PROVIDERS: utilities of {each.slug} wants {wants}")
        if each.kind in ("AGENCY", "STAFF") and not each.minimum_acr:
            who = "an agency's people" if each.kind == "AGENCY" else "staff"
            problems.append(f"OIDC_PROVIDERS: {each.slug} needs minimum_acr: {who} sign in with two steps")
    for what in ("issuer", "slug"):
        named = [getattr(each, what) for each in providers if getattr(each, what)]
        if len(set(named)) != len(named):
            problems.append(f"OIDC_PROVIDERS: {what} is the same for two")
    return problems


def load(environ: dict[str, str] | None = None, file: str | None = None) -> Env:
    """Read and check all variables.

    Raises Misconfigured, whose text lists every problem at once and never shows a value.
    """
    values: dict[str, str] = {}
    path = file if file is not None else os.environ.get("SETTINGS_FILE", "")
    if path and Path(path).is_file():
        values.update(_read_file(Path(path)))
    values.update(os.environ if environ is None else environ)
    known = {name: value for name, value in values.items() if name in Env.model_fields and value != ""}
    try:
        return Env.model_validate(known)
    except ValidationError as error:
        raise Misconfigured(_explain(error)) from None


def _read_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines; values are taken as they are, without quoting rules."""
    lines = (line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in lines}


def _explain(error: ValidationError) -> str:
    wrong: dict[str, str] = {}
    general: list[str] = []
    for item in error.errors(include_input=False, include_url=False):
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:
            general += message.splitlines()
            continue
        name, inner = str(item["loc"][0]), ".".join(str(part) for part in item["loc"][1:])
        field = Env.model_fields.get(name)
        wanted = field.description if field else ""
        what = "is missing" if item["type"] == "missing" and not inner else f"{inner + ': ' if inner else ''}{message}"
        wrong[name] = (wrong[name] + f"\n      {what}") if name in wrong else f"  {name}: {what}\n      wants {wanted}"
    lines = [*wrong.values(), *(f"  {line}" for line in general)]
    return "The settings of this deployment are not complete:\n" + "\n".join(lines)
