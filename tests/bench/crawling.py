"""Every page of the console that a GET can show, found by following its links and filling in its filters.

A page is known by its URL name and by which filters are set: of each such kind a few addresses are enough.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from django.urls import Resolver404, resolve

START = "/admin/"
OF_A_NAME, OF_A_KIND, OPTIONS = 14, 2, 3
#: Ends the crawl, or is no page.
LEFT_ALONE = {"logout", "login", "password_change", "password_change_done", "app_list"}
#: What a person would type into a search field, by its name: things that are there, and one that is not.
TYPED: dict[str, tuple[str, ...]] = {}


class _Page(HTMLParser):
    """The links and GET forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, dict[str, list[str]]]] = []
        self._fields: dict[str, list[str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag == "form" and told.get("method", "get").lower() == "get":
            self._fields = {}
            self.forms.append((told.get("action", ""), self._fields))
        elif self._fields is not None and tag == "input" and told.get("name"):
            if told.get("type", "text") in ("text", "search"):
                self._fields[told["name"]] = list(TYPED.get(told["name"], ()))
        elif self._fields is not None and tag == "select" and told.get("name"):
            self._select = told["name"]
            self._fields[self._select] = []
        elif self._fields is not None and tag == "option" and self._select and told.get("value"):
            self._fields[self._select].append(told["value"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._fields = None
        elif tag == "select":
            self._select = ""


def crawl(get: Callable[[str], tuple[int, str]], begin: tuple[str, ...] = (START,)) -> Iterator[tuple[str, str]]:
    """Yield (URL name, address) of every kind of page; `get` answers status and text, and is asked once for each."""
    waiting, seen = deque(begin), set(begin)
    of_name: Counter[str] = Counter()
    of_kind: Counter[Any] = Counter()
    while waiting:
        address = waiting.popleft()
        name = _name(address)
        kind = (name, frozenset(key for key, _ in parse_qsl(urlsplit(address).query)))
        if not name or of_name[name] >= OF_A_NAME or of_kind[kind] >= OF_A_KIND:
            continue
        of_name[name] += 1
        of_kind[kind] += 1
        status, text = get(address)
        yield name, address
        if status != 200 or "<html" not in text[:2000]:
            continue
        page = _Page()
        page.feed(text)
        found = [urljoin(address, each) for each in page.links]
        for action, fields in page.forms:
            found += _filled(urljoin(address, action), fields)
        for each in found:
            each = each.partition("#")[0]
            if each.startswith(START) and each not in seen:
                seen.add(each)
                waiting.append(each)


def _filled(action: str, fields: dict[str, list[str]]) -> list[str]:
    """The form with each of its filters set alone, and with the first two together."""
    path = action.partition("?")[0]
    alone = [{name: value} for name, values in fields.items() for value in values[:OPTIONS]]
    given = [(name, values[0]) for name, values in fields.items() if values]
    together = [dict(given[:2])] if len(given) > 1 else []
    return [f"{path}?{urlencode(each)}" for each in (*alone, *together)]


def _name(address: str) -> str:
    try:
        match = resolve(urlsplit(address).path)
    except Resolver404:
        return ""
    name = match.url_name or ""
    return "" if match.namespace != "admin" or name in LEFT_ALONE else name
