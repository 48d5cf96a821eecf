"""What the form templates ask about a field."""

from typing import Any

from django import forms, template
from django.conf import settings
from django.forms.boundfield import BoundField

from audit import clock

register = template.Library()

_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxInput, "govuk-checkboxes__input"),
    (forms.Textarea, "govuk-textarea"),
    (forms.Select, "govuk-select"),
    (forms.FileInput, "govuk-file-upload"),
    (forms.widgets.Input, "govuk-input"),
)


@register.simple_tag(takes_context=True)
def session_seconds(context: template.Context) -> int:
    """Seconds until whoever is signed in is signed out; 0 where nobody is. An error page may have no request."""
    request = context.get("request")
    session = getattr(request, "session", None)
    if request is None or session is None or settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return 0
    ends_at = session.get("ends_at")
    return max(1, int(ends_at - clock.now().timestamp())) if isinstance(ends_at, int) else 0


@register.filter
def kind(field: BoundField) -> str:
    """`radios`, `checkboxes` (several), `checkbox` (one), or `input` for everything that is one control."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxSelectMultiple):
        return "checkboxes"
    if isinstance(widget, forms.RadioSelect):
        return "radios"
    return "checkbox" if isinstance(widget, forms.CheckboxInput) else "input"


@register.filter
def first_input(field: BoundField) -> str:
    """The id of the first control of a question: where a line of the error summary leads."""
    first = field.auto_id or field.name
    return f"{first}_0" if kind(field) in ("radios", "checkboxes") else str(first)


@register.simple_tag
def control(field: BoundField) -> Any:
    """The control itself, in the look of its kind."""
    named = next((name for widget, name in _CLASSES if isinstance(field.field.widget, widget)), "")
    own = field.field.widget.attrs.get("class", "")
    wrong = f"{named}--error" if field.errors and named in ("govuk-input", "govuk-textarea", "govuk-select") else ""
    return field.as_widget(attrs={"class": " ".join(each for each in (named, own, wrong) if each)})
