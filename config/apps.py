"""The wiring as an app, so that its checks and commands are found."""

from django.apps import AppConfig


class ConfigAppConfig(AppConfig):
    name = "config"
    verbose_name = "Deployment"
