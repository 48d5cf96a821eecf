"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern, path

from console.enrollments import acts, bulk, lists, one, results

_ONE = "enrollments/<int:pk>/"
_MANY = "bulk-acts/<uuid:pk>/"

pages: list[URLPattern] = [
    path("enrollments/", lists.EnrollmentList.as_view(), name="enrollments"),
    path("enrollments/many/", bulk.AskMany.as_view(), name="bulk-ask"),
    path(_ONE, one.EnrollmentPage.as_view(), name="enrollment"),
    path(f"{_ONE}end/", acts.End.as_view(), name="enrollment-end"),
    path(f"{_ONE}stay/", acts.Stay.as_view(), name="enrollment-stay"),
    path(f"{_ONE}suspend/", acts.Suspend.as_view(), name="enrollment-suspend"),
    path(f"{_ONE}resume/", acts.Resume.as_view(), name="enrollment-resume"),
    path(f"{_ONE}release/", acts.Release.as_view(), name="enrollment-release"),
    path(f"{_ONE}consents/<int:consent>/revoke/", acts.RevokeConsent.as_view(), name="consent-revoke"),
    path("staff-acts/<uuid:pk>/", results.StaffActPage.as_view(), name="staff-act"),
    path("bulk-acts/", bulk.BulkActs.as_view(), name="bulk-acts"),
    path(_MANY, bulk.BulkActPage.as_view(), name="bulk-act"),
    path(f"{_MANY}approve/", bulk.Approve.as_view(), name="bulk-act-approve"),
    path(f"{_MANY}refuse/", bulk.Refuse.as_view(), name="bulk-act-refuse"),
    path(f"{_MANY}take-back/", bulk.TakeBack.as_view(), name="bulk-act-take-back"),
]
