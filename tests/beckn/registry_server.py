"""A v1 registry and a DeDi directory over real HTTP, which can be slow, down, or wrong."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RegistryServer:
    """`entries` is what it knows; `asked` counts look-ups; `mode` is well, slow, down, html or list-of-nonsense."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.mode = "well"
        self.seconds = 0.3
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(sent["subscriber_id"], sent["key_id"], as_list=True)

            def do_GET(self) -> None:
                _, _, _, subscriber_id, _, key_id = self.path.split("/")
                self._answer(subscriber_id, key_id, as_list=False)

            def _answer(self, subscriber_id: str, key_id: str, *, as_list: bool) -> None:
                registry.asked.append((subscriber_id, key_id))
                if registry.mode == "slow":
                    time.sleep(registry.seconds)
                found = [each for each in registry.entries if each["subscriber_id"] == subscriber_id]
                status, body = 200, json.dumps(found)
                if not as_list:
                    status, body = (200, json.dumps({"data": found[0]})) if found else (404, "{}")
                if registry.mode == "down":
                    status, body = 503, "{}"
                if registry.mode == "html":
                    body = "<html>"
                if registry.mode == "list-of-nonsense":
                    body = json.dumps([None, 5, {"subscriber_id": subscriber_id}])
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dir"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def knows(self, peer: Any, **more: Any) -> None:
        entry = {
            "subscriber_id": peer.subscriber_id,
            "url": peer.uri,
            "type": "BAP",
            "key_id": peer.key_id,
            "signing_public_key": peer.public_key,
            "status": "SUBSCRIBED",
            **more,
        }
        self.entries = [each for each in self.entries if each["subscriber_id"] != peer.subscriber_id] + [entry]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
