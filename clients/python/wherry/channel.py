"""What stands between the wire and a socket: nothing, or TLS.  Bytes in, bytes out; the socket is elsewhere.

    wrap(plain)      bytes to be sent for it, now
    unwrap(data)     (the plain bytes in it, bytes to be sent because of it)
"""

from __future__ import annotations

import ssl
from typing import Optional, Tuple

from .errors import Corrupt, TryAgain

_PIECE = 1 << 16


class Plain:
    def wrap(self, plain: bytes) -> bytes:
        return plain

    def unwrap(self, data: bytes) -> Tuple[bytes, bytes]:
        return data, b""


class Tls:
    """A client's side of TLS.  What is to be sent waits until the handshake is done."""

    def __init__(self, context: ssl.SSLContext, host: str):
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._held: Optional[bytearray] = bytearray()

    def wrap(self, plain: bytes) -> bytes:
        if self._held is None:
            self._tls.write(plain)
        else:
            self._held += plain
            self._shake_hands()
        return self._outgoing.read()

    def unwrap(self, data: bytes) -> Tuple[bytes, bytes]:
        self._incoming.write(data)
        self._shake_hands()
        return self._read(), self._outgoing.read()

    def _shake_hands(self) -> None:
        if self._held is None:
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLError, ssl.CertificateError) as wrong:
            raise TryAgain(f"TLS: {wrong}") from wrong
        held, self._held = self._held, None
        if held:
            self._tls.write(held)

    def _read(self) -> bytes:
        pieces = []
        try:
            while self._held is None and (piece := self._tls.read(_PIECE)):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as wrong:
            raise Corrupt(f"TLS: {wrong}") from wrong
        return b"".join(pieces)


def tls_context(ca_file: Optional[str], unverified: bool) -> ssl.SSLContext:
    """Trusts the certificates of a file, or the system's; `unverified` trusts anybody."""
    context = ssl.create_default_context(cafile=ca_file)
    if unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
