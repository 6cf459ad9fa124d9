"""Where a broker listens: tcp://HOST:PORT, tls+tcp://HOST:PORT, ipc:///PATH."""

from __future__ import annotations

import os
import urllib.parse
from typing import NamedTuple, Optional

from .errors import ArgumentError

DEFAULT_URL = "tcp://127.0.0.1:1973"


class Address(NamedTuple):
    """Where to connect: a host and a port, or a path."""

    host: str
    port: int
    path: str
    tls: bool

    @property
    def ipc(self) -> bool:
        return bool(self.path)


def parse(url: Optional[str]) -> Address:
    """The address that a URL names; without one, WHERRY_URL's, else where a broker listens by itself."""
    url = url or os.environ.get("WHERRY_URL") or DEFAULT_URL
    scheme, found, rest = url.partition("://")
    if scheme == "ipc" and rest:
        return Address("", 0, rest, False)
    if scheme in ("tcp", "tls+tcp") and found:
        return _host_and_port(url, rest, scheme == "tls+tcp")
    raise ArgumentError(f"{url!r} is no address of a broker: tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH")


def _host_and_port(url: str, rest: str, tls: bool) -> Address:
    try:
        parts = urllib.parse.urlsplit("//" + rest)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.path or parts.query or parts.username:
        raise ArgumentError(f"{url!r} is no address of a broker: it takes a host and a port")
    return Address(host, port, "", tls)
