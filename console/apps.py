from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class ConsoleAdminConfig(SimpleAdminConfig):
    """Django's admin with our own site; what it shows is registered by this room alone."""

    default = False  # named in INSTALLED_APPS; the room itself is ConsoleConfig
    default_site = "console.site.ConsoleSite"


class ConsoleConfig(AppConfig):
    default = True
    name = "console"
    verbose_name = "console"

    def ready(self) -> None:
        from console import (  # noqa: F401 - they register their pages
            agencies,
            credentials,
            keys,
            lists,
            notices,
            rechecks,
            utilities,
        )
