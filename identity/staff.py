"""Who works at the console, and in which roles. What a role may do there says `console.rights`.

Source: issue of the console (1, 8), screens C14.
"""

from __future__ import annotations

from enum import StrEnum

from identity.models import StaffMember, User


class Role(StrEnum):
    """The roles of staff; somebody may have several, and nobody gives themselves one."""

    VIEWER = "VIEWER"
    CASE_WORKER = "CASE_WORKER"
    APPROVER = "APPROVER"
    PROGRAM_EDITOR = "PROGRAM_EDITOR"
    SECURITY_OFFICER = "SECURITY_OFFICER"
    AUDITOR = "AUDITOR"


def member_of(user: User) -> StaffMember | None:
    """Return the member of staff that an account belongs to, None where it has none or was switched off."""
    return StaffMember.objects.filter(user=user, switched_off_at=None).first() if user.pk else None


def roles_of(user: User) -> frozenset[Role]:
    """Return the roles of an account now; a role that this version does not know counts for nothing."""
    member = member_of(user) if user.is_staff and user.is_active else None
    return frozenset(Role(each) for each in member.roles if each in set(Role)) if member is not None else frozenset()
