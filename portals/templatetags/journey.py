"""Addresses in templates that two actors share (`portals.actors`)."""

from __future__ import annotations

from typing import Any

from django import template

from portals import actors

register = template.Library()


@register.simple_tag(takes_context=True)
def address(context: template.Context, name: str, *args: Any) -> str:
    """The address of a page for whoever looks: `{% address 'meters' application.pk %}`; "" where they have none."""
    actor: actors.Actor | None = context.get("actor")
    return actor.address(name, *args) if actor is not None else actors.in_the_portal(name, *args)
