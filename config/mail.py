"""Where mail goes, from one address."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Server:
    host: str = "localhost"
    port: int = 25
    user: str = ""
    password: str = ""
    is_tls: bool = False
    is_starttls: bool = False


def server(url: str) -> Server:
    """smtp://user:password@host:port (STARTTLS) or smtps://…; the machine's own where the address is empty."""
    if not url:
        return Server()
    parts = urlsplit(url)
    is_tls = parts.scheme == "smtps"
    return Server(
        parts.hostname or "localhost",
        parts.port or (465 if is_tls else 587),
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        is_tls,
        not is_tls,
    )
