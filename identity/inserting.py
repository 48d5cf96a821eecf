"""Insert a row unless it is there: one statement where Django needs an INSERT and a SELECT."""

from functools import lru_cache

from django.db import connection, models


def insert_if_new(row: models.Model, *, unique: tuple[str, ...]) -> bool:
    """Insert the row and set its primary key; False where one with the same `unique` columns is there already.

    Of two transactions that insert the same at once, the second waits for the first and then gets False.
    `save()` signals are not sent.
    """
    meta = row._meta
    fields = [field for field in meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(_statement(type(row), unique), values)
        found = cursor.fetchone()
    if found is None:
        return False
    row.pk = found[0]
    row._state.adding = False
    return True


@lru_cache(maxsize=32)
def _statement(model: type[models.Model], unique: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    # A placeholder may need its type, as in "%s::varchar(40)[]".
    places = ", ".join(
        field.get_placeholder(None, None, connection) if hasattr(field, "get_placeholder") else "%s" for field in fields
    )
    conflict = ", ".join(quote(str(field.column)) for field in fields if field.name in unique)
    table, key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    return f"INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({conflict}) DO NOTHING RETURNING {key}"  # noqa: S608 - our own names
