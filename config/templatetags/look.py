"""What the form templates ask about a field."""

from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.forms.widgets import Input

register = template.Library()

_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxInput, "govuk-checkboxes__input"),
    (forms.Textarea, "govuk-textarea"),
    (forms.Select, "govuk-select"),
    (forms.FileInput, "govuk-file-upload"),
    (forms.widgets.Input, "govuk-input"),
)


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
