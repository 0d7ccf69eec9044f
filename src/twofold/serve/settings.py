"""What a server may do and for whom: where it listens, who may ask, how much, how long. Checked before it starts."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from twofold.errors import ConfigError

__all__ = ["Settings", "is_loopback"]


@dataclass(frozen=True)
class Settings:
    """Bytes and seconds.

    waiting           answers that may wait for a place at one model, beyond the `slots` that run
    body              of a request: how large it may be, and how long it may take to come
    idle_seconds      that a connection may have no request on its way
    answer_seconds    that one request may take
    unread_seconds    that a client may leave an answer unread
    closing_seconds   that answers are finished for, once the server is told to end
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    slots: int = 16
    waiting: int = 64
    body_bytes: int = 8 << 20
    idle_seconds: float = 15
    body_seconds: float = 30
    answer_seconds: float = 600
    unread_seconds: float = 30
    closing_seconds: float = 30

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port={self.port} is not between 0 and 65535")
        if self.slots < 1 or self.waiting < 0:
            raise ConfigError(f"slots={self.slots}, waiting={self.waiting}: a server needs at least one slot")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise ConfigError("the API key must be of printable ASCII characters, at least one")
        for origin in self.allowed_origins:
            if origin != "null" and not origin.startswith(("http://", "https://")):
                raise ConfigError(f"the origin {origin!r} should look like https://example.org, without a path")
        if self.api_key is None and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host} can be reached from other machines, and anyone there could use the model; "
                "set a key with --api-key (or TWOFOLD_API_KEY), or listen on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address or name. Raises ConfigError for a name that means nothing."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"the host {host!r} is no address of this machine; try 127.0.0.1 ({error})") from error
    return all(ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback for *_, address in found)
