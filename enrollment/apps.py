from django.apps import AppConfig


class EnrollmentConfig(AppConfig):
    name = "enrollment"
    verbose_name = "Programs and enrolments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import enrollment.checks  # noqa: F401  (registers the system checks)
