from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "identity"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "people and agencies"

    def ready(self) -> None:
        from identity import checks, encryption  # noqa: F401 - the checks register themselves

        encryption.check_keys()  # wrong keys are found at the start, not at the first write
