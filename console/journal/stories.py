"""The story of one enrolment on one page, from whatever reference somebody has in hand."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Action, record
from console.enrollments import finding, names
from console.journal import telling, words
from console.pages import ConsolePage
from console.personal import masked
from console.rights import Right, may
from console.site import actor_of
from enrollment.states import EnrollmentState


class StoryPage(ConsolePage):
    """Asks for a reference (`of`), and tells what is kept about it. POST shows also what its messages say."""

    right = Right.READ_AUDIT
    acts = Right.SEE_MESSAGES
    title = _("The story of an enrolment")
    template_name = "console/journal/story.html"

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        return self._told(request.GET.get("of", ""))

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """That somebody reads the messages is written down first; the answer is the page itself."""
        return self._told(request.POST.get("of", "").replace("\x00", ""), is_opened=True)

    def _told(self, asked: str, *, is_opened: bool = False) -> HttpResponse:
        asked = asked.strip()
        found = telling.cases_of(asked) if asked else []
        if len(found) != 1:
            return self.page(asked=asked, choices=found, is_unknown=bool(asked) and not found)
        (case,) = found
        if is_opened:
            record(
                Action.MESSAGE_READ,
                actor=actor_of(self.request),
                at=self.now,
                subject=str(case.subject_id or ""),
                object_type="case",
                object_id=str(case.pk),
                details={"transactions": list(case.transaction_ids)},
            )
        story = telling.story_of(case, with_bodies=is_opened)
        enrollment = story.enrollment
        number = enrollment.order_number if enrollment is not None else case.order_id
        return self.page(
            title=gettext("The story of %(number)s") % {"number": number},
            asked=asked,
            story=story,
            state=finding.STATES.get(EnrollmentState(enrollment.state), enrollment.state) if enrollment else "",
            application=words.CASES.get(case.state, case.state),
            refused_for=names.reason(case.refusal_code) if case.refusal_code else "",
            channel=finding.CHANNELS.get(case.channel, case.channel),
            is_opened=is_opened,
            may_open=not is_opened and may(self.request, Right.SEE_MESSAGES),
            subject=masked(case.subject.did or "") if case.subject else "",
            subject_lines=words.journal(subject=str(case.subject_id)) if case.subject_id else "",
            enrollment_page=reverse("admin:enrollment", args=[enrollment.pk]) if enrollment is not None else "",
            program_page=reverse("admin:program-version", args=[case.program_version_id])
            if case.program_version_id
            else "",
        )

    def context(self) -> dict[str, Any]:
        return {"trail": [(reverse("admin:journal"), gettext("Journal"))]}
