"""How forms of the product are drawn: `{{ form }}` and `{{ form.field.as_field_group }}` in the house's look.

Only what surrounds a control is ours; widgets keep Django's templates, so that the console's stay as they are.
"""

from typing import Any

from django.forms.renderers import DjangoTemplates
from django.template.loader import get_template


class Renderer(DjangoTemplates):
    """Named in settings.FORM_RENDERER."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"

    def get_template(self, template_name: str) -> Any:
        """The project's templates for what is ours (they translate), Django's own for widgets."""
        return (
            get_template(template_name)
            if template_name.startswith("components/")
            else super().get_template(template_name)
        )
