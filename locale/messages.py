"""The words of the pages in every language: `python locale/messages.py collect | compile | check`.

`collect` reads what templates and forms say into locale/<language>/LC_MESSAGES/django.po and keeps what is translated
already; a text that has changed starts empty, for nothing is guessed. `compile` writes build/locale, from which Django
reads, where it is older than its source. `check` says what CI wants to know: nothing to collect, nothing empty, the
same placeholders on both sides. Babel does the work, so that no machine needs GNU gettext; Django's own parser turns
templates into what Babel reads.
"""

from __future__ import annotations

import fcntl
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
COMPILED = ROOT / "build" / "locale"
LANGUAGES = ("hi", "ur")
# The console, the agencies' desks and the VC API speak English only; what is below is what customers read and hear.
PYTHON = ("config", "portals", "identity/mandates.py")
DESKS = ("templates/agency", "portals/agency", "portals/models/cases.py", "portals/models/imports.py")
DESKS += ("portals/models/signals.py", "portals/models/papers.py", "portals/imports", "portals/retention.py")
FOR_CUSTOMERS = ("views_proof.py", "views_handovers.py", "views_in_hand.py", "suspension.py", "inviting.py")
# Months that Django's Hindi has with spelling mistakes; ours go before its own.
DJANGO_WRITES_WRONG = ("September", "November", "December")
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%%|(?<!%)%[sd]")


def main(argv: list[str]) -> int:
    act = argv[0] if argv else ""
    if act == "collect":
        collect()
    elif act == "compile":
        compile_all()
    elif act == "check":
        problems = list(check())
        sys.stderr.write("".join(f"{each}\n" for each in problems))
        return 1 if problems else 0
    else:
        sys.stderr.write("collect, compile or check?\n")
        return 2
    return 0


def collect() -> None:
    """Bring every language's file up to date."""
    template = wanted()
    for language in LANGUAGES:
        source(language).parent.mkdir(parents=True, exist_ok=True)
        source(language).write_bytes(updated(language, template))


def compile_all() -> None:
    """Write what Django reads; whole or not at all, whoever reads meanwhile."""
    COMPILED.mkdir(parents=True, exist_ok=True)
    with (COMPILED / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for language in LANGUAGES:
            target = COMPILED / language / "LC_MESSAGES" / "django.mo"
            if target.is_file() and target.stat().st_mtime >= source(language).stat().st_mtime:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.with_suffix(".new").open("wb") as out:
                write_mo(out, existing(language))
            target.with_suffix(".new").replace(target)


def check() -> Iterator[str]:
    """Yield a sentence for everything that is not as it should be."""
    template = wanted()
    for language in LANGUAGES:
        if source(language).read_bytes() != updated(language, template):
            yield f"{language}: not up to date; run `make messages` and translate what is new"
        for message in existing(language):
            if message.id:
                yield from (f"{language}: {each}: {message.id!r}" for each in _wrong(message))


def wanted() -> Catalog:
    """Everything that is said to a customer, with the files that say it; no line numbers, which only make noise."""
    catalog = Catalog(fuzzy=False)
    for word in DJANGO_WRITES_WRONG:
        catalog.add(word)
    for path in _files():
        place = str(path.relative_to(ROOT))
        for _line, said, comments, context in _said(path):
            catalog.add(said, locations=[(place, None)], auto_comments=comments, context=context)  # type: ignore[list-item]
    return catalog


def existing(language: str) -> Catalog:
    if not source(language).is_file():
        return Catalog(locale=language, fuzzy=False)
    with source(language).open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str, template: Catalog) -> bytes:
    """The language's file as it has to be: today's texts, those translations that still fit."""
    old, new = existing(language), Catalog(locale=language, fuzzy=False)
    for message in sorted(template, key=lambda each: (str(each.context or ""), _first(each))):
        if not message.id:
            continue
        known = old.get(message.id, message.context)
        fits = known is not None and isinstance(known.id, str) == isinstance(message.id, str)
        new.add(
            message.id,
            known.string if known is not None and fits else None,
            locations=sorted(set(message.locations)),
            auto_comments=message.auto_comments,
            context=message.context,
        )
    out = io.BytesIO()
    write_po(out, new, width=110, omit_header=False, sort_output=False)
    # Dates and tool versions would change the file each time it is written.
    head, blank, rest = out.getvalue().decode().partition("\n\n")
    plural = next(line for line in head.splitlines() if line.startswith('"Plural-Forms'))
    lines = [
        "# What the pages say. No person has read this translation yet; the pages say so themselves.",
        'msgid ""',
        'msgstr ""',
        f'"Language: {language}\\n"',
        plural,
        '"MIME-Version: 1.0\\n"',
        '"Content-Type: text/plain; charset=utf-8\\n"',
        '"Content-Transfer-Encoding: 8bit\\n"',
    ]
    return ("\n".join(lines) + blank + rest.rstrip("\n") + "\n").encode()


def source(language: str) -> Path:
    return HERE / language / "LC_MESSAGES" / "django.po"


def _files() -> list[Path]:
    templates = (ROOT / "templates").rglob("*.html")
    rooms = ([ROOT / each] if each.endswith(".py") else (ROOT / each).rglob("*.py") for each in PYTHON)
    code = (path for room in rooms for path in room if "migrations" not in path.parts)
    return sorted(path for path in (*templates, *code) if not _is_for_a_desk(path))


def _is_for_a_desk(path: Path) -> bool:
    return path.relative_to(ROOT).as_posix().startswith(DESKS) and path.name not in FOR_CUSTOMERS


def _said(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    text = path.read_text()
    if path.suffix == ".html":
        from django.utils.translation.template import templatize

        # Everything but the calls becomes X; without its margins Babel reads it as Python.
        text = "\n".join(line.strip() for line in templatize(text, origin=str(path)).splitlines())
    elif "gettext" not in text:
        return
    yield from extract("python", io.BytesIO(text.encode()), keywords=KEYWORDS, options={"encoding": "utf-8"})


def _wrong(message: Message) -> Iterator[str]:
    told = message.string if isinstance(message.string, tuple) else (message.string,)
    asked = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
    if not all(told):
        yield "has no translation"
        return
    # "1 meter" may leave its number out, as the English does.
    fitting = [set(_names(each)) for each in asked]
    if any(set(_names(each)) not in fitting for each in told) or set(_names(told[-1])) != fitting[-1]:
        yield "has other placeholders than its translation"


def _names(text: str) -> list[str]:
    return [found.group(0) for found in PLACEHOLDER.finditer(text)]


def _first(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
