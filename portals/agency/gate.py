"""The gate of the agencies' portal: who comes in, and as what. The access table has asked before; this asks again.

`self.member` is whoever acts. What is for another role is answered like something that is not there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.cache import never_cache

from audit import clock
from identity import agents
from identity.models import Membership

Role = Membership.Role


class AgentMixin:
    """For a View: somebody of an agency who may act now. Sets `member` and `now`."""

    roles: tuple[str, ...] = (Role.AGENT, Role.REVIEWER, Role.MANAGER)
    member: Membership
    now: datetime

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return never_cache(super().as_view(**initkwargs))  # type: ignore[misc]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.now = clock.now()
        member = agents.of(request)
        if member is None:
            return HttpResponseRedirect(sign_in_address(request.path), status=303)
        if agents.blocked(member, self.now) is not None:
            return HttpResponseRedirect(reverse("agency-blocked"), status=303)
        if member.role not in self.roles:
            raise Http404
        self.member = member
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return answer


class ManagerMixin(AgentMixin):
    """For managers only."""

    roles = (Role.MANAGER,)


class ReviewerMixin(AgentMixin):
    """For who may look at evidence: reviewers, and managers where an agency is small."""

    roles = (Role.REVIEWER, Role.MANAGER)


def sign_in_address(next_path: str) -> str:
    return f"{reverse('agency-sign-in')}?{urlencode({'next': next_path})}"
