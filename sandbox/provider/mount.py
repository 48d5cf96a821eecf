"""The provider as a WSGI application that starts with its first request: stacks that never sign in pay nothing."""

import json
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.provider import directory
from sandbox.provider.directory import Account, Directory


class Provider:
    """`clients`: [{client_id, client_secret?, name, redirect_uris[], post_logout?[], back_channel?}]; without a secret
    a client is public. `folder` keeps the database and the keys. One per process: Django is."""

    def __init__(
        self,
        *,
        issuer: str,
        title: str,
        folder: Path,
        clients: Sequence[Mapping[str, Any]],
        find: Callable[[str], Account | None],
        send_code: Callable[[Account, str], None],
        clock_offset: float = 0.0,
    ) -> None:
        self.issuer, self._title, self._folder, self._clients = issuer, title, folder, clients
        self._directory, self._offset = Directory(find, send_code), clock_offset
        self._lock = threading.Lock()
        self._site: Callable[..., Iterable[bytes]] | None = None
        self._is_rotated = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._started()(environ, start_response)

    def rotate(self, rotated: bool) -> None:
        """Sign with another key than before, and publish only that one; or go back."""
        self._is_rotated = rotated
        if self._site is not None:
            self._use_key()

    def subject_of(self, token: str) -> str:
        """Whose access token this is, by the DID in it; "" for one that is not ours, is over or was revoked."""
        self._started()
        from oauth2_provider.models import get_access_token_model

        row = get_access_token_model().objects.filter(token=token).first()
        if row is None or not row.is_valid():
            return ""
        claims = jwt.decode(token, options={"verify_signature": False})  # it is a row of ours, letter for letter
        return str(claims.get("did", ""))

    def _started(self) -> Callable[..., Iterable[bytes]]:
        with self._lock:
            if self._site is None:
                self._site = self._start()
            return self._site

    def _start(self) -> Callable[..., Iterable[bytes]]:
        self._folder.mkdir(parents=True, exist_ok=True)
        config = {
            "issuer": self.issuer,
            "title": self._title,
            "folder": str(self._folder),
            "secret_key": self._kept("provider-secret", lambda: secrets.token_urlsafe(48)),
            "signing_key": self._kept("provider-key.pem", _new_key),
            "clock_offset": self._offset,
            "clients": list(self._clients),
        }
        os.environ["SANDBOX_PROVIDER"] = json.dumps(config)
        os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.provider.settings"
        import django
        from django.core.management import call_command
        from django.core.wsgi import get_wsgi_application

        directory.known = self._directory
        django.setup()
        call_command("migrate", run_syncdb=True, verbosity=0)
        self._register()
        self._use_key()
        return get_wsgi_application()

    def _register(self) -> None:
        from oauth2_provider.models import get_application_model

        application = get_application_model()
        for client in self._clients:
            secret = client.get("client_secret", "")
            application.objects.update_or_create(
                client_id=client["client_id"],
                defaults={
                    "name": client.get("name", client["client_id"]),
                    "client_type": application.CLIENT_CONFIDENTIAL if secret else application.CLIENT_PUBLIC,
                    "authorization_grant_type": application.GRANT_AUTHORIZATION_CODE,
                    "client_secret": secret,
                    "hash_client_secret": False,  # it stands in a file beside this one
                    "redirect_uris": " ".join(client["redirect_uris"]),
                    "post_logout_redirect_uris": " ".join(client.get("post_logout", ())),
                    "algorithm": application.RS256_ALGORITHM,
                },
            )

    def _use_key(self) -> None:
        from oauth2_provider.settings import oauth2_settings

        name = "provider-key-rotated.pem" if self._is_rotated else "provider-key.pem"
        oauth2_settings.OIDC_RSA_PRIVATE_KEY = self._kept(name, _new_key)

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self._folder / name
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(make())
        return path.read_text()


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()
