"""The credentials application: make, show, check and revoke verifiable credentials."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "credentials"
    label = "credentials"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from credentials import checks  # noqa: F401  registers the system checks
