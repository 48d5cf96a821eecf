"""Django's settings of the provider, made of what the utility says in SANDBOX_PROVIDER (JSON)."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

CONFIG = json.loads(os.environ["SANDBOX_PROVIDER"])
ISSUER = str(CONFIG["issuer"])
FOLDER = Path(CONFIG["folder"])
TITLE = str(CONFIG["title"])
CLOCK_OFFSET_SECONDS = float(CONFIG["clock_offset"])
_port = urlsplit(ISSUER).port or 80

SECRET_KEY = str(CONFIG["secret_key"])
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "sandbox.provider.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
    "sandbox.provider",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).resolve().parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["sandbox.provider.views.house"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "provider.sqlite3",
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE = True, "UTC"
LOGIN_URL = "/o/login/"
AUTHENTICATION_BACKENDS = ["sandbox.provider.people.Backend"]
# Cookies ignore ports: two utilities on one host must not sign each other out.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"provider{_port}", f"providercsrf{_port}"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/o/"
SESSION_SAVE_EVERY_REQUEST = False
SILENCED_SYSTEM_CHECKS = ["security", "oauth2_provider"]
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}}

OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": ISSUER,
    "OIDC_RSA_PRIVATE_KEY": str(CONFIG["signing_key"]),
    "OIDC_JWKS_MAX_AGE_SECONDS": 5,
    "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
    "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
    "OIDC_RP_INITIATED_LOGOUT_STRICT_REDIRECT_URIS": False,
    "OIDC_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OIDC_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["client_secret_basic", "client_secret_post", "none"],
    "OAUTH2_VALIDATOR_CLASS": "sandbox.provider.validator.Validator",
    "ACCESS_TOKEN_GENERATOR": "sandbox.provider.validator.access_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 900,
    "ID_TOKEN_EXPIRE_SECONDS": 900,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 86_400,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ROTATE_REFRESH_TOKEN": True,
    "REQUEST_APPROVAL_PROMPT": "auto",
    "PKCE_REQUIRED": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https", "org.example.energy"],
    "SCOPES": {
        "openid": "Who you are at this utility",
        "profile": "Your customer and meter numbers",
        "meter:read": "Your meters, for a program you choose",
        "offline_access": "Stay signed in",
        "introspection": "Ask about tokens",
    },
    "DEFAULT_SCOPES": ["openid", "profile"],
    **{
        f"COMPLIANT_BCP_RFC9700_{gate}": True
        for gate in (
            "IMPLICIT_GRANT",
            "PASSWORD_GRANT",
            "PKCE_METHOD",
            "ACCESS_TOKEN_TRANSPORT",
            "AUTHZ_RESPONSE_ISS",
        )
    },
}
