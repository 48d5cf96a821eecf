"""The addresses of this room, below /admin/; `console.site` guards and hangs them."""

from django.urls import URLPattern, path

from console.journal.checking import CheckPage, ChecksPage
from console.journal.exporting import ExportPage, ExportsPage
from console.journal.searching import JournalPage, LinePage
from console.journal.stories import StoryPage

pages: list[URLPattern] = [
    path("journal/", JournalPage.as_view(), name="journal"),
    path("journal/lines/<uuid:public_id>/", LinePage.as_view(), name="journal-line"),
    path("journal/story/", StoryPage.as_view(), name="journal-story"),
    path("journal/checks/", ChecksPage.as_view(), name="journal-checks"),
    path("journal/checks/<int:pk>/", CheckPage.as_view(), name="journal-check"),
    path("journal/exports/", ExportsPage.as_view(), name="journal-exports"),
    path("journal/exports/<uuid:pk>/", ExportPage.as_view(), name="journal-export"),
]
