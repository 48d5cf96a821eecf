"""What "golden" means (decision 41): every key path of the guide's sample is in ours with an equal value.

Ids, times, hosts and tokens are compared by shape, times also by nearness: the stack runs at the sample's instant.
Every further key must be in the profile's one list of extensions; for a strict participant there are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SAMPLES = Path(__file__).parent / "onboarding"
#: The stack is started a little before the sample's instant and needs time for its work.
NEAR = timedelta(minutes=3)

Json = dict[str, Any]
Shape = Callable[[Any, Any], bool]


def sample(name: str) -> Json:
    """A message of the guide, unchanged."""
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))


def _matches(pattern: str) -> Shape:
    return lambda ours, _: isinstance(ours, str) and re.fullmatch(pattern, ours) is not None


def _is_near(ours: Any, theirs: Any) -> bool:
    if not isinstance(ours, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ours) is None:
        return False
    return abs(datetime.fromisoformat(ours) - datetime.fromisoformat(theirs)) < NEAR


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_HOST = r"https?://[^/]+"


def _same_path(ours: Any, theirs: Any) -> bool:
    return isinstance(ours, str) and urlsplit(ours).path == urlsplit(theirs).path


#: Compared by shape, by the last key of the path; everything else must be equal.
SHAPES: Mapping[str, Shape] = {
    "timestamp": _is_near,
    "verifiedAt": _is_near,
    "checkedAt": _is_near,
    "enrolledAt": _is_near,
    "issuedAt": _is_near,
    "loggedAt": _is_near,
    "revokedAt": _is_near,
    "cancelledAt": _is_near,
    "message_id": _matches(r"\S+"),
    "bap_uri": _matches(rf"{_HOST}(/.*)?"),
    "bpp_uri": _matches(rf"{_HOST}/beckn"),
    "logReference": _matches(f"log-{_UUID}"),
    "enrollmentId": _matches(f"enrollment-{_UUID}"),
    "conflictingEnrollmentId": _matches(f"enrollment-{_UUID}"),
    "beckn:orderNumber": _matches(r"ENR-2024-\d{6,}"),
    "consentCredentialId": _matches(rf"{_HOST}/credentials/{_UUID}"),
    "credentialUrl": _matches(rf"{_HOST}/credentials/{_UUID}\?t=[\w-]+"),
    "verificationUrl": _matches(rf"{_HOST}/verify/{_UUID}"),
    "credentialData": _matches(r"[\w-]+\.[\w-]+\.[\w-]+"),
    "statusListUrl": _same_path,
    "statusListIndex": _matches(r"\d{1,6}"),
}
#: A credential of ours has a URL for its id; one that was presented keeps the id it came with.
_OURS = _matches(rf"{_HOST}/credentials/{_UUID}")


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Every key path of the sample that is absent or different in ours."""
    key = path.rpartition(".")[2].partition("[")[0]
    if isinstance(theirs, dict):
        if not isinstance(ours, dict):
            yield f"{path}: {ours!r} is no object"
            return
        for name, value in theirs.items():
            below = f"{path}.{name}" if path else name
            if name not in ours:
                yield f"{below}: missing"
            else:
                yield from differences(ours[name], value, below)
    elif isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            yield f"{path}: {ours!r} is not a list of {len(theirs)}"
            return
        for position, (mine, value) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, value, f"{path}[{position}]")
    elif path.endswith("orderAttributes.credential.credentialId"):
        if not _OURS(ours, theirs):
            yield f"{path}: {ours!r} has not the shape of {theirs!r}"
    elif key in SHAPES:
        if not SHAPES[key](ours, theirs):
            yield f"{path}: {ours!r} has not the shape of {theirs!r}"
    elif ours != theirs:
        yield f"{path}: {ours!r} is not {theirs!r}"


def further_keys(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Key paths of ours that the sample does not have (lists without their positions)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            below = f"{path}.{name}" if path else name
            if name not in theirs:
                yield below
            else:
                yield from further_keys(value, theirs[name], below)
    elif isinstance(ours, list) and isinstance(theirs, list) and theirs:
        for position, mine in enumerate(ours):
            yield from further_keys(mine, theirs[min(position, len(theirs) - 1)], path)


def assert_golden(ours: Json, name: str, *, is_strict: bool, extensions: frozenset[str]) -> None:
    """Fail with every difference from the guide's sample `name`."""
    theirs = sample(name)
    wrong = list(differences(ours, theirs))
    extra = [path for path in further_keys(ours, theirs) if is_strict or not _is_extension(path, extensions)]
    assert not wrong and not extra, "\n".join(
        [f"{name} is not golden:", *wrong, *(f"{path}: not in the sample" for path in extra)]
    )


def _is_extension(path: str, extensions: frozenset[str]) -> bool:
    return path.removeprefix("message.order.") in extensions
