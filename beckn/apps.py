from importlib.util import find_spec

from django.apps import AppConfig


class BecknConfig(AppConfig):
    name = "beckn"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "network"

    def ready(self) -> None:
        if find_spec("beckn.checks"):
            import beckn.checks

        if find_spec("beckn.listeners"):
            import beckn.listeners  # noqa: F401  (connects enrollment_changed)
