from django.apps import AppConfig


class UtilitySystemsConfig(AppConfig):
    name = "utility_systems"
    default_auto_field = "django.db.models.BigAutoField"
