"""Addresses of the agency's members (A13), and of their invitations."""

from django.urls import path

from portals.agency import views_members

_MEMBER = "agency/members/<int:member_id>"

urlpatterns = [
    path("agency/members", views_members.Members.as_view(), name="agency-members"),
    path("agency/members/invite", views_members.Invite.as_view(), name="agency-member-invite"),
    path(_MEMBER, views_members.Member.as_view(), name="agency-member"),
    path(f"{_MEMBER}/role", views_members.ChangeRole.as_view(), name="agency-member-role"),
    path(f"{_MEMBER}/off", views_members.SwitchOff.as_view(), name="agency-member-off"),
    path(f"{_MEMBER}/on", views_members.SwitchOn.as_view(), name="agency-member-on"),
    path(f"{_MEMBER}/invite", views_members.InviteAgain.as_view(), name="agency-member-invite-again"),
    path("agency/join", views_members.Join.as_view(), name="agency-join"),
]
