"""The documents our credentials refer to, served from our own origin: the JSON-LD context and the JSON Schemas.

They are files beside this module; `BASE` in them stands for `settings.PUBLIC_URL`. A published version never changes:
a new one gets a new name.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from credentials import addresses

FOLDER = Path(__file__).resolve().parent
CONTEXT = "energy-credentials-v1"
DEG_CONTEXT = "energy-credentials-deg-v1"
SCHEMAS = ("ProgramEnrollmentCredential-v1", "EnergyConsentCredential-v1", "UtilityProgramEnrollmentCredential-v1")


def context() -> dict[str, Any]:
    """Our JSON-LD context."""
    return _read(f"{CONTEXT}.jsonld", addresses.base())


def deg_context() -> dict[str, Any]:
    """Our JSON-LD context of the DEG profile."""
    return _read(f"{DEG_CONTEXT}.jsonld", addresses.base())


def contexts() -> dict[str, dict[str, Any]]:
    """Our JSON-LD contexts by the address they are served at."""
    return {addresses.context(): context(), addresses.deg_context(): deg_context()}


def as_served(document: Mapping[str, Any]) -> str:
    """The text of a document as its address answers with it; digests of it are over these bytes."""
    return json.dumps(document, ensure_ascii=False, indent=1)


def schema(name: str) -> dict[str, Any] | None:
    """The JSON Schema of that name (`ProgramEnrollmentCredential-v1`), None if there is none."""
    return _read(f"{name}.json", addresses.base()) if name in SCHEMAS else None


def schema_problem(credential: Mapping[str, Any]) -> str:
    """Return what is wrong with a credential of ours by its schema, "" if nothing. Values are not repeated."""
    name = f"{credential['type'][-1]}-v1"
    error = next(_validator(name, addresses.base()).iter_errors(credential), None)
    if error is None:
        return ""
    where, rule = ("/".join(map(str, path)) for path in (error.instance_path, error.schema_path))
    return f"{where or 'the credential'} breaks {rule}"


@lru_cache(maxsize=16)
def _read(file: str, base: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / file).read_text().replace("BASE", base))
    return document


@lru_cache(maxsize=16)
def _validator(name: str, base: str) -> Any:
    return jsonschema_rs.validator_for(_read(f"{name}.json", base), validate_formats=True)
