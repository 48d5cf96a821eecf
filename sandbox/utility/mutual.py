"""Mutual TLS for a utility's systems: a second way into the same process, for callers with a certificate only."""

import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

PATH = "/systems/"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext) -> None:
        super().__init__(address, _Handler)
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake belongs into the caller's thread: one who is slow with it must hold up nobody.
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who has no certificate of ours is not answered; that is no error of the utility."""

    def server_bind(self) -> None:
        """Without the look-up of a name that the base class makes."""
        super(WSGIServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def serve(application: Callable[..., Any], port: int, *, folder: Path) -> None:
    """Serve what lies below /systems/ to callers certified by the authority in `folder`, in threads of this process."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "utility.crt", folder / "utility.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "authority.pem")

    def only_systems(environ: dict[str, Any], start_response: Any) -> Any:
        if not environ.get("PATH_INFO", "").startswith(PATH):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Only /systems/ is here.\n"]
        environ["sandbox.mutual_tls"] = True
        return application(environ, start_response)

    server = _Server(("127.0.0.1", port), context)
    server.set_app(only_systems)
    threading.Thread(target=server.serve_forever, daemon=True).start()
