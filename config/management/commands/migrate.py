"""Django's `migrate`, which would ask the rooms' rows whether they are fit for production before their tables exist."""

from typing import Any

from django.core.management.commands import migrate


class Command(migrate.Command):
    def check(self, *args: Any, **options: Any) -> None:
        """Check the code; `config.start` asks the database when a process starts."""
        super().check(*args, **{**options, "databases": None})
