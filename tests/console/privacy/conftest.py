"""The world of an enrolled person, as the provider has it."""

from tests.enrollment.conftest import bare_world, running_utility, utility, world

__all__ = ["bare_world", "running_utility", "utility", "world"]
