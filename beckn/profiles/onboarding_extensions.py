"""What profile A adds to the guide's messages, and how it is left out for a strict participant (decision 41)."""

from __future__ import annotations

from typing import Any

#: Every key path (below message.order) that we add to a message which has a sample in the guide (decision 41).
A_EXTENSIONS = frozenset(
    {
        "error.details.reasonCode",
        "error.details.retryAfter",
        "beckn:orderAttributes.userAuth",
        "beckn:orderAttributes.meters",
        "beckn:orderAttributes.requiredCredentials",
        "beckn:orderAttributes.requiredConsents",
        "beckn:orderAttributes.enrollmentCriteria",
        "beckn:orderAttributes.documents",
        "beckn:orderAttributes.additionalAttributes",
        "beckn:orderAttributes.nextSteps",
        "beckn:orderAttributes.stopped",
        "beckn:orderAttributes.warnings",
        "beckn:orderAttributes.rejectedMeters",
        "beckn:orderAttributes.consents",
        "beckn:orderAttributes.credential.statusListUrl",
        "beckn:orderAttributes.credential.statusListIndex",
        "beckn:orderAttributes.credential.offerUrl",
        "beckn:orderAttributes.credential.supersedes",
        "beckn:orderAttributes.consentRevocation.effectiveDate",
        "beckn:orderAttributes.unenrollment.effectiveDate",
        "beckn:orderAttributes.unenrollment.reason",
    }
)
WITH_A_SAMPLE = frozenset({"on_init", "on_confirm", "on_update"})


def without_extensions(value: Any, path: str = "") -> Any:
    """The message below `path` without the keys of `A_EXTENSIONS`."""
    if isinstance(value, list):
        return [without_extensions(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if below not in A_EXTENSIONS:
            kept[key] = without_extensions(item, below)
    return kept
