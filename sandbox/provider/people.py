"""The people of the directory as Django's users, who have no password and whose name is the opaque `sub`."""

import hashlib
import hmac
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from sandbox.provider import directory
from sandbox.provider.directory import Account


def account_of(user: Any) -> Account | None:
    """The person behind one of Django's users; None for one who is no customer any more."""
    assert directory.known is not None
    return directory.known.find(user.first_name) if user.is_authenticated else None


def sub_of(account: Account) -> str:
    """Opaque and this provider's own: no DID and no customer number can be read from it."""
    key = settings.SECRET_KEY.encode()
    return hmac.new(key, f"sub\x00{account.subject}".encode(), hashlib.sha256).hexdigest()[:24]


class Backend(BaseBackend):
    """The password is the directory's; Django's own user has none."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> Any:
        assert directory.known is not None
        account = directory.known.find((username or "").strip().lower())
        expected = account.password if account else ""
        if account is None or not hmac.compare_digest(expected.encode(), (password or "").encode()):
            return None
        name = {"first_name": account.login}
        return get_user_model()._default_manager.get_or_create(username=sub_of(account), defaults=name)[0]

    def get_user(self, user_id: int) -> Any:
        return get_user_model()._default_manager.filter(pk=user_id).first()
