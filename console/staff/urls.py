"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern, path

from console.staff import pages as ours

pages: list[URLPattern] = [
    path("staff/", ours.Everybody.as_view(), name="staff"),
    path("staff/invite/", ours.Invite.as_view(), name="staff-invite"),
    path("staff/alarms/", ours.Alarms.as_view(), name="alarms"),
    path("staff/<uuid:pk>/", ours.Member.as_view(), name="staff-member"),
    path("staff/<uuid:pk>/roles/", ours.Roles.as_view(), name="staff-roles"),
    path("staff/<uuid:pk>/switch-off/", ours.SwitchOff.as_view(), name="staff-switch-off"),
    path("staff/<uuid:pk>/switch-on/", ours.SwitchOn.as_view(), name="staff-switch-on"),
    path("staff/<uuid:pk>/invite-again/", ours.InviteAgain.as_view(), name="staff-invite-again"),
]
