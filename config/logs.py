"""Structured logs that cannot tell a secret: one JSON object a line, masked on the way out.

Every record of every library passes `mask`; what must not appear is the token of a credential link (decision 50),
upload tokens, Authorization and cookies, JWTs, and the contents of fields that hold personal data.
"""

import logging.config
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from audit.masking import MASK, mask_text

_SECRET_NAMES = re.compile(
    r"(?i)^(authorization|proxy-authorization|x-gateway-authorization|cookie|set-cookie|password|secret|client_secret|"
    r"token|access_?token|id_?token|user_?auth|otp|code|seed|private_?key|name|full_?name|e?mail|phone|mobile|"
    r"account_?number|credential_?data|presentation_?data|body|sealed)$"
)


def mask_value(value: Any) -> Any:
    """Mask inside a structure; a value under a secret's name is dropped whole."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {
            key: MASK if isinstance(key, str) and _SECRET_NAMES.match(key) else mask_value(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set)):
        return [mask_value(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return mask_text(str(value))


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor: the last one before the line is written."""
    kept = {"event", "level", "logger", "timestamp"}
    for key in list(event):
        if key not in kept and _SECRET_NAMES.match(key):
            event[key] = MASK
        else:
            event[key] = mask_value(event[key])
    return event


_BEFORE: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(wanted: Mapping[str, str]) -> None:
    """Set up logging for a process; `wanted` has `level` and `format` (json or console)."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if wanted["format"] == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_BEFORE, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "lines": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": _BEFORE,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        mask,
                        renderer,
                    ],
                }
            },
            "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines"}},
            "root": {"handlers": ["lines"], "level": wanted["level"]},
            "loggers": {
                "django.request": {"level": "ERROR"},  # 4xx are answers, and our own request line tells them
                "django.security.DisallowedHost": {"level": "CRITICAL"},
                "celery": {"level": "WARNING" if wanted["level"] == "INFO" else wanted["level"]},
                "urllib3": {"level": "WARNING"},
                "kombu": {"level": "WARNING"},
                "psycopg.pool": {"level": "ERROR"},  # one warning a failed attempt; the attempt itself is told
            },
        }
    )
