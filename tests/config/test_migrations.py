"""The migrations say what the models say; that they run from empty, every database test shows."""

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_no_model_has_a_change_without_its_migration():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
