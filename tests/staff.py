"""Staff at the console, in process: a browser in which somebody with certain roles is signed in."""

from __future__ import annotations

import itertools

from django.test import Client

from audit import clock
from identity.models import StaffMember, User
from identity.staff import Role

_numbers = itertools.count(1)


class Desk(Client):
    """A browser at the console. `member` is whose it is."""

    member: StaffMember


def member(*roles: Role) -> StaffMember:
    """Somebody with these roles who has an account."""
    name = f"staff-{next(_numbers)}"
    user = User.objects.create(username=name, issuer="https://staff.example", sub=name, is_staff=True)
    return StaffMember.objects.create(user=user, roles=[role.value for role in roles], added_at=clock.now())


def desk(*roles: Role) -> Desk:
    """A browser in which a new member of staff with these roles is signed in."""
    found = Desk()
    found.member = member(*roles)
    assert found.member.user is not None
    found.force_login(found.member.user)
    return found
