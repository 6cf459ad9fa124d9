"""What a client is told when it is made."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any, Callable, Optional


@dataclasses.dataclass(frozen=True)
class Settings:
    """Times are seconds, sizes bytes.

    namespace        to work in, on every connection; None: the broker's first
    name             told to the broker, for those who look at it
    timeout          for each call, on top of what it asks the broker to wait (wait_ms, timeout_ms); None: for ever
    connect_timeout  for connecting, greeting and the first exchange together
    reconnect        False: never connect again; whatever comes after the connection was lost ends with Stale
    backoff          the first wait between attempts to connect, less a random part up to half; doubled up to backoff_max
    max_pending      bytes of requests that are not answered yet; more is LimitReached
    max_frame        the longest frame taken from the broker
    frame_bytes      requests travel together in frames of so many bytes at most
    tls_ca_file      PEM: whom to trust; None: the system's.  tls_unverified: anybody, for tests.  tls: a context of your own
    on_change        called with (True, None) when there is a new connection, (False, error) when it was lost
    on_note          called with (method, params) for what the broker says that no subscription or watch takes
    """

    namespace: Optional[str] = None
    name: Optional[str] = None
    timeout: Optional[float] = 60.0
    connect_timeout: float = 5.0
    reconnect: bool = True
    backoff: float = 0.05
    backoff_max: float = 5.0
    max_pending: int = 256 << 20
    max_frame: int = 1 << 30
    frame_bytes: int = 256 << 10
    tls_ca_file: Optional[str] = None
    tls_unverified: bool = False
    tls: Optional[ssl.SSLContext] = None
    on_change: Optional[Callable[[bool, Optional[Exception]], Any]] = None
    on_note: Optional[Callable[[str, Any], Any]] = None
