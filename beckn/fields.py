"""A JSON column that keeps a message as it was written."""

from typing import Any

import orjson
from django.db import models
from psycopg.types.json import Json


class MessageField(models.JSONField):
    """JSON in PostgreSQL's `json` type, which keeps the order of keys and the writing of numbers, as `jsonb` does not.

    Answers are read by people beside the guide's samples, and a number that arrived as 10.0 should leave as 10.0.
    No look-ups into the value: what is searched for has a column of its own.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else Json(value, dumps=orjson.dumps)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return orjson.loads(value) if isinstance(value, (str, bytes)) else value
