"""What the console asks is planned each time; what others ask is planned once."""

from __future__ import annotations

import pytest
from django.db import connection

from identity.staff import Role
from tests.staff import desk

pytestmark = pytest.mark.django_db


def kept_plans_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s", [f'%"{table}"%'])
        return [statement for (statement,) in cursor.fetchall()]


def test_no_plan_is_kept_of_a_list_that_is_asked_for_again_and_again() -> None:
    staff = desk(Role.VIEWER)
    before = kept_plans_of("beckn_inbox")
    for _ in range(6):
        assert staff.get("/admin/inbox/?state=WAITING").status_code == 200
    assert kept_plans_of("beckn_inbox") == before


def test_afterwards_plans_are_kept_again() -> None:
    from beckn.models import Outbox

    desk(Role.VIEWER).get("/admin/outbox/")
    for _ in range(6):
        Outbox.objects.filter(message_id="m-1").first()
    assert kept_plans_of("beckn_outbox")
