"""“Get help with this”: a code for fifteen minutes, by which somebody who helps may take a draft over."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from identity.models import User
from portals import help_codes
from portals.utility.pages import JourneyPage, see


class Help(JourneyPage):
    """Make a code, see whether somebody has taken it, take the draft back (issue 5 point 13).

    The code stands on the answer to the POST and nowhere else: a reload asks for a new one.
    """

    template_name = "portal/help/code.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.page()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        assert isinstance(request.user, User)
        if "end" in request.POST:
            help_codes.end(self.application, user=request.user, now=self.now)
            return see(request.path)
        try:
            row, code = help_codes.make(self.application, user=request.user, now=self.now)
        except help_codes.NotADraft:
            return see(request.path)
        return self.page(code=code, row=row)

    def context(self) -> dict[str, Any]:
        return {
            **super().context(),
            "row": help_codes.current(self.application, self.now),
            "is_open": self.application.state in help_codes.OPEN,
            "minutes": int(help_codes.LIVES.total_seconds() // 60),
        }

    def back(self) -> str:
        return self.address("application")
