"""Django's settings, made of what `config.env` has read. Nothing here is decided per deployment."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.conf import global_settings

from config import documents, env, mail, production

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = env.load()
production.refuse(ENV)

DEPLOYMENT = ENV.DEPLOYMENT
SANDBOX = DEPLOYMENT == "sandbox"
DEBUG = False
SECRET_KEY = ENV.SECRET_KEY
PUBLIC_URL = ENV.PUBLIC_URL
VAR_DIR = Path(ENV.VAR_DIR) if ENV.VAR_DIR else BASE_DIR / "var"

_public = urlsplit(PUBLIC_URL)
# The machine's own health check asks by this name; no address is ever made of the Host header.
CONSOLE_URL = ENV.CONSOLE_URL or PUBLIC_URL
_console = urlsplit(CONSOLE_URL)
ALLOWED_HOSTS = [str(_public.hostname), str(_console.hostname), *ENV.ALLOWED_HOSTS, "127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = list(dict.fromkeys([PUBLIC_URL, CONSOLE_URL]))

INSTALLED_APPS = [
    "console",  # before the admin, whose templates it overlays
    "console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "config",
    "audit",
    "identity",
    "utility_systems",
    "credentials",
    "enrollment",
    "beckn",
    "portals",
    *(["sandbox"] if SANDBOX else []),
]
AUTH_USER_MODEL = "identity.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "config.middleware.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.SecurityHeaders",
    "config.middleware.SafePages",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "identity.console_sessions.TwoKinds",
    "config.middleware.Locale",
    "config.errors.ErrorPages",
    "config.middleware.NoNulls",
    "config.middleware.ConsoleHost",
    "console.planning.PlannedEachTime",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portals.agency.devices.NamedDevices",
    "portals.agency.held.Held",
    "identity.access.AccessTable",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
LOGIN_URL = "admin:login"
# Staff by the local account of the console, everybody else through a provider.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "identity.oidc.backend.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.pages.house",
            ]
        },
    }
]


def _database(url: str, pool: int, prepare: bool) -> dict[str, object]:
    """Read postgresql://user:password@host:port/name?option=value; a host starting with / is a socket folder."""
    parts = urlsplit(url)
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = options.pop("host", None) or unquote(parts.hostname or "")
    if pool:
        options["pool"] = {"min_size": 1, "max_size": pool, "timeout": 5, "max_lifetime": 1800, "max_idle": 120}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "ATOMIC_REQUESTS": False,
        # Bound by the server: what is asked often is planned once a connection, half of PostgreSQL's work here.
        "OPTIONS": {
            "connect_timeout": 5,
            "application_name": "energy-credentials",
            "server_side_binding": prepare,
            "prepare_threshold": 3 if prepare else None,
            **options,
        },
    }


# A worker has its tasks' threads, and the sweep's for messages in (as many) and out (twice as many).
_threads = max(4 * ENV.WORKER_THREADS, ENV.WEB_THREADS) + 2
_pool = _threads if ENV.DATABASE_POOL is None else ENV.DATABASE_POOL
DATABASES = {"default": _database(ENV.DATABASE_URL, _pool, ENV.DATABASE_PREPARE)}

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["config.formats"]
# Those that pages are written in: a screen reader speaks as the page says.
LANGUAGES = [("en", "English"), ("hi", "Hindi"), ("ur", "Urdu")]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "build" / "locale"]  # made of locale/ by `make look`
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "build" / "static"
STATICFILES_DIRS = [folder for folder in (BASE_DIR / "static", BASE_DIR / "build" / "look") if folder.is_dir()]
FORM_RENDERER = "config.forms.Renderer"
WHITENOISE_USE_FINDERS = True  # the few files of ours are served from where they lie: no step to forget
WHITENOISE_AUTOREFRESH = False

# Browser side: nothing from elsewhere, nothing inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HTTPS = PUBLIC_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = False  # the load balancer redirects; /healthz is asked over plain HTTP inside
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False  # not ours to promise for sibling hosts
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Cookies ignore ports: two demos on one host must not sign each other out.
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else f"session{_public.port or 80}"
# The console's sessions are another kind, under another name and in another table (`identity.console_sessions`).
CONSOLE_SESSION_COOKIE_NAME = "__Host-console" if HTTPS else f"console{_console.port or 80}"
CONSOLE_IDLE = timedelta(minutes=ENV.CONSOLE_SESSION_MINUTES)
CONSOLE_LASTS = timedelta(hours=ENV.CONSOLE_SESSION_HOURS)
BREAK_GLASS = SANDBOX if ENV.BREAK_GLASS is None else ENV.BREAK_GLASS
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else f"csrf{_public.port or 80}"
CSRF_FAILURE_VIEW = "config.errors.out_of_date"
X_FRAME_OPTIONS = "DENY"
# Beckn bodies may have 1 MiB; one byte more lets the view see that it is too long.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576 + 1
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# What the rooms ask for by name.
CLOCK_OFFSET = ENV.CLOCK_OFFSET
FIELD_KEYS = list(ENV.FIELD_KEYS)
INDEX_KEY = ENV.INDEX_KEY
ISSUER_DID = ENV.ISSUER_DID or "did:web:" + _public.netloc.replace(":", "%3A")
ISSUER_KEY_PROVIDERS = list(ENV.ISSUER_KEY_PROVIDERS)
ISSUER_NAME = ENV.ISSUER_NAME
ISSUER_LICENSE_NUMBER = ENV.ISSUER_LICENSE_NUMBER
BECKN_IDENTITIES = list(ENV.BECKN_IDENTITIES)
BECKN_MODE = ENV.BECKN_MODE
BECKN_ADAPTER_URL = ENV.BECKN_ADAPTER_URL
BECKN_ADAPTER_SECRET = ENV.BECKN_ADAPTER_SECRET
BECKN_ADAPTER_SOURCES = list(ENV.BECKN_ADAPTER_SOURCES)
BECKN_SIGNATURE_LIFETIME_SECONDS = ENV.BECKN_SIGNATURE_LIFETIME_SECONDS
BECKN_SIGNATURE_AHEAD_SECONDS = ENV.BECKN_SIGNATURE_AHEAD_SECONDS
BECKN_RATES = dict(ENV.BECKN_RATES)
VERIFY_RATES = dict(ENV.VERIFY_RATES)
BECKN_REQUIRE_SIGNATURE = ENV.BECKN_REQUIRE_SIGNATURE
BECKN_TTL_POLICY = ENV.BECKN_TTL_POLICY
BECKN_REGISTRY = ENV.BECKN_REGISTRY
DISCOVERY_URL = ENV.DISCOVERY_URL.rstrip("/")
DISCOVERY_ID = ENV.DISCOVERY_ID
BECKN_PARTICIPANTS_FILE = ENV.BECKN_PARTICIPANTS_FILE
OIDC_PROVIDERS = list(ENV.OIDC_PROVIDERS)
UTILITIES = list(ENV.UTILITIES)
PORTAL_UTILITIES = list(ENV.PORTAL_UTILITIES)
NOTICE_GATEWAY = ENV.NOTICE_GATEWAY
DEFAULT_FROM_EMAIL = ENV.NOTICE_FROM or "webmaster@localhost"
_MAIL = mail.server(ENV.SMTP_URL)
EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _MAIL.host, _MAIL.port, 10
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_SSL, EMAIL_USE_TLS = _MAIL.is_tls, _MAIL.is_starttls
if SANDBOX and not ENV.SMTP_URL:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"  # read them in var/<PORT>/mail/
    EMAIL_FILE_PATH = VAR_DIR / "mail"
PORTAL_TRUSTED_OWNERS = list(ENV.PORTAL_TRUSTED_OWNERS)
PORTAL_CATALOGUE_SECONDS = ENV.PORTAL_CATALOGUE_SECONDS
DER_MAKERS = list(ENV.DER_MAKERS)
ALLOWED_OUTBOUND = [*ENV.ALLOWED_OUTBOUND, *(["127.0.0.1"] if SANDBOX else [])]
PROXY_NETWORKS = list(ENV.PROXY_NETWORKS)
STATUS_LIST_TTL_SECONDS = ENV.STATUS_LIST_TTL_SECONDS
STATUS_LIST_MAX_AGE_SECONDS = ENV.STATUS_LIST_MAX_AGE_SECONDS
STATUS_LIST_VALIDITY_SECONDS = ENV.STATUS_LIST_VALIDITY_SECONDS
STATUS_LIST_MINIMUM_FREE = ENV.STATUS_LIST_MINIMUM_FREE
DOCUMENTS_DIR = Path(ENV.DOCUMENTS_DIR) if ENV.DOCUMENTS_DIR else VAR_DIR / "documents"
STORAGES = {**global_settings.STORAGES, "documents": documents.storage(ENV.DOCUMENTS_STORAGE)}
DOCUMENT_SCANNER = ENV.DOCUMENT_SCANNER
DOCUMENT_MAX_BYTES = 10 << 20
RETENTION_DOCUMENTS_DAYS = ENV.RETENTION_DOCUMENTS_DAYS
RETENTION_DRAFTS_DAYS = ENV.RETENTION_DRAFTS_DAYS
RETENTION_IMPORTS_DAYS = ENV.RETENTION_IMPORTS_DAYS
RETENTION_INBOX_DAYS = ENV.RETENTION_INBOX_DAYS
RETENTION_OUTBOX_DAYS = ENV.RETENTION_OUTBOX_DAYS
RETENTION_PRESENTED_DAYS = ENV.RETENTION_PRESENTED_DAYS
RETENTION_SEALED_HOURS = ENV.RETENTION_SEALED_HOURS
RETENTION_PEOPLE_DAYS = ENV.RETENTION_PEOPLE_DAYS
RETENTION_HOUR = ENV.RETENTION_HOUR
PEOPLE_ANSWER_DAYS = ENV.PEOPLE_ANSWER_DAYS
# What each room keeps of people (`identity.keeping.Room`), the topmost first: what stands on something goes before it.
RETENTION_ROOMS = [
    "portals.retention.ROOM",
    "beckn.retention.ROOM",
    "enrollment.retention.ROOM",
    "credentials.retention.ROOM",
    "identity.retention.ROOM",
]
IMPORT_MAX_BYTES = 24 << 20  # 100,000 rows of 250 bytes
IMPORT_CHUNK_ROWS = ENV.IMPORT_CHUNK_ROWS
# When agencies are suspended by themselves, and what is raised for a look (`portals.agency`).
AGENCY_THRESHOLD_DAYS = ENV.AGENCY_THRESHOLD_DAYS
AGENCY_NOT_ME_OF_AN_AGENT = ENV.AGENCY_NOT_ME_OF_AN_AGENT
AGENCY_NOT_ME_SHARE = ENV.AGENCY_NOT_ME_SHARE
AGENCY_REJECTED_SHARE = ENV.AGENCY_REJECTED_SHARE
AGENCY_LEAST_EVIDENCE = ENV.AGENCY_LEAST_EVIDENCE
AGENCY_LEAST_CASES = ENV.AGENCY_LEAST_CASES
SIGNALS_HOLD = ENV.SIGNALS_HOLD
SIGNAL_CONTACT_DAYS = ENV.SIGNAL_CONTACT_DAYS
DEVICE_CUSTOMERS_PER_DAY = ENV.DEVICE_CUSTOMERS_PER_DAY
SIGNAL_CODE_SECONDS = ENV.SIGNAL_CODE_SECONDS
SIGNAL_NIGHT_CASES = ENV.SIGNAL_NIGHT_CASES
SIGNAL_NIGHT_FROM = ENV.SIGNAL_NIGHT_FROM
SIGNAL_NIGHT_UNTIL = ENV.SIGNAL_NIGHT_UNTIL
AUDIT_SIGNER = "identity.journal_keys.SoftwareSigner"
AUDIT_KEEPER = "files.journal.EXPORTS"
AUDIT_ALARM = "identity.journal_faults.found"
HELP_PHONE = ENV.HELP_PHONE
HELP_HOURS = ENV.HELP_HOURS
OPERATOR_TOKENS = tuple(ENV.OPERATOR_TOKENS)
OPERATIONS_TOKEN = ENV.OPERATIONS_TOKEN
TESTS_WRAP_IN_TRANSACTIONS = ENV.TESTS_WRAP_IN_TRANSACTIONS

# The work beside the requests: `config.celery`, `config.sweeper`.
CELERY_BROKER_URL = ENV.CELERY_BROKER_URL
RUN_WORKER_IN_WEB = ENV.RUN_WORKER_IN_WEB
WORKER_THREADS = ENV.WORKER_THREADS
WEB_THREADS = ENV.WEB_THREADS
BODY_SECONDS = ENV.BODY_SECONDS
LEASE_SECONDS = ENV.LEASE_SECONDS
SWEEP_SECONDS = ENV.SWEEP_SECONDS
SWEEPS = [
    "beckn.tasks.sweep_inbox",
    "beckn.tasks.sweep_outbox",
    "beckn.announcing.sweep",
    "audit.tasks.sweep",
    "credentials.tasks.sweep",
    "enrollment.tasks.sweep",
    "enrollment.tasks.sweep_utilities",
    "utility_systems.calls.sweep",
    "portals.tasks.sweep",
    "identity.letters.sweep",
]
# Work that would keep others waiting in the same process: swept only by a worker that consumes its queue.
SWEEPS_OF_QUEUES = {"imports": ["portals.tasks.sweep_imports"]}
# What a bulk act does with rows of the rooms above the credentials (`credentials.bulk.Doer`).
BULK_DOERS = {
    "END": "enrollment.bulk.end",
    "PAUSE": "enrollment.bulk.pause",
    "GO_ON": "enrollment.bulk.go_on",
    "TELL": "enrollment.bulk.tell",
}
# A utility's one-time codes, for who signs in by them (`identity.codes.CodeService`).
CODE_SERVICE = "utility_systems.registry.adapter_for"
CODE_SERVICE_DOWN = "utility_systems.ports.UtilityUnavailable"
# Its customers' registered contacts: who is there, and writing to them (`identity.contacts.ContactService`).
CONTACT_SERVICE = "utility_systems.registry.contacts_of"
# What follows an agency's suspension, each called with (Agency, at) in its transaction: short, the rest is swept for.
AGENCY_SUSPENDED_LISTENERS: list[str] = ["enrollment.rechecking.agency_suspended"]
NEWS_HAS_ROOM = "beckn.outgoing.has_room"
# Who takes what a provider answers to our portals (`portals.callbacks.take`).
BECKN_CALLBACK_TAKER = "portals.callbacks.take"
BEAT_SECONDS = ENV.BEAT_SECONDS
BEAT = [
    "enrollment.tasks.turn_the_clock",
    "enrollment.tasks.watch_certificates",
    "enrollment.tasks.hear_utilities",
    "enrollment.tasks.keep_figures",
    "beckn.tasks.purge",
    "audit.tasks.seal_days",
    "audit.tasks.upkeep",
    "credentials.tasks.upkeep",
    "identity.tasks.let_go",
    "identity.tasks.remind",
    "portals.tasks.upkeep",
    "portals.tasks.watch_agencies",
]

LOGGING_CONFIG = "config.logs.configure"
LOGGING = {"level": ENV.LOG_LEVEL, "format": ENV.LOG_FORMAT}
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W005", "security.W021"]
