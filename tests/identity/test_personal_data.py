"""Every model says what personal data it holds, and what it names is encrypted."""

import re

import pytest
from django.apps import apps

from identity.encryption import EncryptedField, SealedField

ROOMS = ("audit", "identity", "utility_systems", "credentials", "enrollment", "beckn", "config", "sandbox", "console")
MODELS = [model for model in apps.get_models() if model._meta.app_config.name.split(".")[0] in ROOMS]
LINE = re.compile(r"pii: (?:(none)(?: \(.+\))?|([a-z_]+(?:, [a-z_]+)*))$")
# The content of a credential is read by everyone it is shown to and names no person, only a DID and meters
# (spec/credentials.md 1): a pseudonym, kept readable so that its signature stays checkable.
PSEUDONYMOUS = {
    "credentials.issuedcredential": {"subject_did", "claims"},
    "credentials.signedform": {"body"},
}
# Columns whose names promise personal data; a model that has one in clear has to be looked at.
TELLING = re.compile(
    r"^(name|full_name|e?mail|phone|mobile|address|customer_number|utility_customer_id|date_of_birth)$"
)
# An organisation's, a program's, a process's or a counter's own name.
PUBLIC = {"identity.agency", "enrollment.programversion", "beckn.heartbeat", "enrollment.figurecursor"}


def stated(model):
    last = (model.__doc__ or "").strip().splitlines()[-1].strip()
    found = LINE.search(last)
    assert found, f"{model._meta.label}: the docstring ends with {last!r}, not with `pii: none` or `pii: field, field`"
    return set(found[2].split(", ")) if found[2] else set()


def encrypted(model):
    return {field.name for field in model._meta.local_fields if isinstance(field, (EncryptedField, SealedField))}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_model_says_what_personal_data_it_holds_and_that_is_encrypted(model):
    assert stated(model) - PSEUDONYMOUS.get(model._meta.label_lower, set()) <= encrypted(model)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_column_with_a_telling_name_is_encrypted(model):
    telling = {field.name for field in model._meta.local_fields if TELLING.match(field.name)}
    assert model._meta.label_lower in PUBLIC or telling <= encrypted(model)


def test_models_of_our_rooms_were_looked_at():
    assert {"audit", "identity"} <= {model._meta.app_label for model in MODELS}
