"""JSON-LD documents made by chance, good and bad, to hold two implementations against each other."""

from __future__ import annotations

from random import Random
from typing import Any

CONTEXT: dict[str, Any] = {
    "text": "https://a.example/text",
    "ref": {"@id": "https://a.example/ref", "@type": "@id"},
    "list": {"@id": "https://a.example/list", "@container": "@list"},
    "set": {"@id": "https://a.example/set", "@container": "@set"},
    "json": {"@id": "https://a.example/json", "@type": "@json"},
    "double": {"@id": "https://a.example/double", "@type": "http://www.w3.org/2001/XMLSchema#double"},
    "when": {"@id": "https://a.example/when", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
    "said": {"@id": "https://a.example/said", "@container": "@language"},
    "graph": {"@id": "https://a.example/graph", "@container": "@graph"},
    "back": {"@reverse": "https://a.example/back"},
    "word": {"@id": "https://a.example/word", "@type": "@vocab"},
    "nest": "@nest",
    "T": {"@id": "https://a.example/T", "@context": {"scoped": "https://a.example/scoped"}},
}
_TEXTS = ["a", "Zoë ₹", "line\nbreak", 'tab\t"q" \\', "", "\u2028x", "😀", "did:x:1", "_:b1", "x y", "en", "\u00a0 "]
_NUMBERS = [1.0, 1.5, -2.25, 0, 7, -3, 0.1, 1e-7, 5e-324, -0.0, 1e21, 1e22, 2**53, 2**53 - 1, 10**15, 1e15]
_IDS = ["urn:a:1", "urn:a:2", "did:x:3", "_:b1", "_:c14n0", "relative", "", "https://a.example/x y"]
_VALUES: list[dict[str, Any]] = [
    {},
    {"@language": "en"},
    {"@language": "EN-us"},
    {"@language": "x y"},
    {"@language": "ar", "@direction": "rtl"},
    {"@direction": "ltr"},
    {"@type": "https://a.example/type"},
    {"@type": "http://www.w3.org/2001/XMLSchema#integer"},
    {"@type": "@json"},
]


class Documents:
    """The same documents for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def one(self) -> dict[str, Any]:
        document = {"type": "VerifiableCredential", **self._node(0)}
        return {"@context": ["https://www.w3.org/ns/credentials/v2", CONTEXT], **document}

    def _scalar(self) -> Any:
        pick = self._random.choice
        return pick([pick(_TEXTS), pick(_TEXTS), pick(_NUMBERS), self._random.randint(-5, 5), True, False])

    def _json(self, depth: int = 0) -> Any:
        kind = self._random.randint(0, 3 if depth < 3 else 1)
        if kind < 2:
            return self._scalar() if kind else None
        items = [self._json(depth + 1) for _ in range(self._random.randint(0, 3))]
        return items if kind == 2 else dict(zip(("b", "ü", "1"), items, strict=False))

    def _value(self, depth: int) -> Any:
        chance = self._random.random()
        if chance < 0.45 or depth > 3:
            return self._scalar()
        if chance < 0.6:
            return {"@value": self._scalar(), **self._random.choice(_VALUES)}
        if chance < 0.75:
            items = [self._value(depth + 1) for _ in range(self._random.randint(0, 3))]
            return items if chance < 0.69 else {"@list": items}
        return self._node(depth + 1)

    def _node(self, depth: int) -> dict[str, Any]:
        pick, node = self._random.choice, {}
        if self._random.random() < 0.4:
            node["id"] = pick(_IDS[:5]) if self._random.random() < 0.9 else pick(_IDS)
        if self._random.random() < 0.4:
            node["type"] = pick(["T", ["T", "VerifiableCredential"], "https://a.example/U", "Undefined", []])
        for _ in range(self._random.randint(0, 4)):
            name = pick([*CONTEXT, "name", "scoped"]) if self._random.random() < 0.97 else "undefined"
            if name != "T":
                node[name] = self._of(name, depth)
        return node

    def _of(self, name: str, depth: int) -> Any:
        pick = self._random.choice
        if name == "json":
            return self._json()
        if name == "said":
            return {"en": pick(_TEXTS), "de": [pick(_TEXTS)]}
        if name == "word":
            return pick(["T", "urn:a:1", "undefined"])
        if name == "nest":
            return {"text": self._scalar()}
        if name in ("back", "graph") or (name == "ref" and pick([True, False])):
            return self._node(depth + 1) if depth < 3 else {"id": "urn:a:5", "text": "x"}
        return pick(["urn:a:1", "_:b1", ["urn:a:1", "urn:a:2"]]) if name == "ref" else self._value(depth)
