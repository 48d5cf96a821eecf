"""A person's copy of what is kept of them: a ZIP with one file for machines and one to read. Pure but for the words."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.utils import translation
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, get_language_bidi
from django.utils.translation import gettext as _

from identity.keeping import Section

#: Members of a ZIP carry a day; the same rows give the same bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_STYLE = (
    "body{font-family:sans-serif;line-height:1.5;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;border-top:1px solid #888;padding-top:.5rem}"
    "dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}dl dl,li dl{border-top:0;padding:0}"
    "@media(max-width:40rem){dl{grid-template-columns:1fr}}"
)


def pack(sections: Sequence[Section], reference: str, now: datetime) -> bytes:
    """Return the ZIP: `my-data.json` and `my-data.html`, the latter in the language that is active."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in (("my-data.json", _json(sections, reference, now)), ("my-data.html", _html(sections, now))):
            file.writestr(zipfile.ZipInfo(name, _EPOCH), text.encode(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _json(sections: Sequence[Section], reference: str, now: datetime) -> str:
    with translation.override("en"):
        told = {
            "reference": reference,
            "madeAt": now.astimezone(UTC).isoformat(),
            "sections": [{"title": str(each.title), "rows": list(each.rows)} for each in sections],
        }
        return json.dumps(told, indent=2, ensure_ascii=False, default=_plain)


def _html(sections: Iterable[Section], now: datetime) -> str:
    parts = [_section(each) for each in sections]
    return format_html(
        '<!doctype html><html lang="{}" dir="{}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>{}</title><style>{}</style></head>'
        "<body><h1>{}</h1><p>{}</p>{}</body></html>",
        get_language() or "en",
        "rtl" if get_language_bidi() else "ltr",
        _("What we keep about you"),
        SafeString(_STYLE),
        _("What we keep about you"),
        _("As it stood on %(day)s at %(time)s UTC. The other file in this folder has the same for machines.")
        % {"day": f"{now:%Y-%m-%d}", "time": f"{now:%H:%M}"},
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _section(section: Section) -> SafeString:
    if not section.rows:
        return format_html("<h2>{}</h2><p>{}</p>", section.title, _("Nothing."))
    rows = format_html_join("", "{}", ((_value(row),) for row in section.rows))
    return format_html('<h2>{}</h2><div lang="en" dir="ltr">{}</div>', section.title, rows)


def _value(value: Any) -> SafeString | str:
    if isinstance(value, Mapping):
        pairs = ((name, _value(each)) for name, each in value.items() if each not in (None, "", [], {}))
        return format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", pairs))
    if isinstance(value, (list, tuple)):
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((_value(each),) for each in value)))
    return _plain(value) if not isinstance(value, str) else value


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return value.isoformat() if isinstance(value, date) else str(value)
