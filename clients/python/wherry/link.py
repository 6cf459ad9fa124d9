"""A socket that is never waited for, between the engine and whoever waits."""

from __future__ import annotations

import os
import socket
from typing import Any, Callable, List, Optional, Tuple

from .address import Address
from .engine import Engine
from .errors import Stale, TryAgain, WherryError

_PIECE = 256 << 10
Target = Tuple[int, Any]  # address family, socket address


def known_targets(where: Address) -> List[Target]:
    """Where to connect, if no name has to be looked up."""
    if where.ipc:
        return [(socket.AF_UNIX, where.path)]
    try:
        return _look_up(where, socket.AI_NUMERICHOST)
    except OSError:
        return []


def targets(where: Address) -> List[Target]:
    """Where to connect, one after another.  A name may take as long as the system's resolver does."""
    try:
        return known_targets(where) or _look_up(where, 0)
    except OSError as wrong:
        raise TryAgain(f"{where.host} is not found: {wrong}") from wrong


def _look_up(where: Address, flags: int) -> List[Target]:
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


class Link:
    """`socket` is to be read from, and written to if `writes`; ready() is told when that is possible.  closing is called
    with a socket before it is closed.  Everything that goes wrong ends in the engine's lost()."""

    def __init__(self, engine: Engine, closing: Callable[[socket.socket], Any]):
        self._engine, self._closing = engine, closing
        self._socket: Optional[socket.socket] = None
        self._targets: List[Target] = []
        self._connecting = False

    @property
    def socket(self) -> Optional[socket.socket]:
        return self._socket

    @property
    def writes(self) -> bool:
        return self._connecting or bool(self._engine.outgoing())

    # --- connecting ---

    def open(self, where: List[Target]) -> None:
        """Begins to connect to the first of them that answers."""
        self._targets = list(where)
        self._try_next(TryAgain("there is no address"))

    def _try_next(self, error: WherryError) -> None:
        self._close_socket()
        while self._targets:
            family, address = self._targets.pop(0)
            try:
                self._begin(family, address)
                return
            except OSError as wrong:
                self._close_socket()
                error = self._no_answer(wrong)
        self.fail(error)

    def _begin(self, family: int, address: Any) -> None:
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._connecting = True
        try:
            self._socket.connect(address)
        except BlockingIOError:
            if family == socket.AF_UNIX:
                raise  # its backlog is full: nothing is under way
            return
        self._connected()

    def _no_answer(self, wrong: OSError) -> TryAgain:
        where = self._engine.address
        place = where.path if where.ipc else f"{where.host}:{where.port}"
        return TryAgain(f"{place}: {wrong.strerror or wrong}")

    def _connected(self) -> None:
        assert self._socket is not None
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._try_next(self._no_answer(OSError(code, os.strerror(code))))
            return
        if not self._engine.address.ipc:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connecting = False
        self._engine.connected()
        self.flush()

    # --- bytes ---

    def ready(self, read: bool, write: bool) -> None:
        """The socket can be read from, or written to."""
        if self._connecting:
            if write:
                self._connected()
            return
        if read:
            self._receive()
        if self._socket is not None:
            self.flush()

    def _receive(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as wrong:
            self.fail(Stale(f"the connection was lost: {wrong.strerror or wrong}"))
            return
        if data:
            self._engine.received(data)
        else:
            self.fail(Stale("the broker closed the connection"))
        self.check()

    def flush(self) -> None:
        """Sends what there is, as far as the socket takes it."""
        try:
            while self._socket is not None and not self._connecting and (out := self._engine.outgoing()):
                self._engine.sent(self._socket.send(out))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as wrong:
            self._drain()
            self.fail(Stale(f"the connection was lost: {wrong.strerror or wrong}"))
        self.check()

    def _drain(self) -> None:
        """What the broker said before it closed is still there, and may be answers."""
        assert self._socket is not None
        try:
            while data := self._socket.recv(_PIECE):
                self._engine.received(data)
        except OSError:
            pass

    # --- the end of it ---

    def check(self) -> None:
        """Closes a connection that the engine has given up."""
        if self._engine.broken is not None:
            self.fail(self._engine.broken)

    def fail(self, error: WherryError) -> None:
        self.close()
        self._engine.lost(error)

    def close(self) -> None:
        self._targets.clear()
        self._close_socket()

    def _close_socket(self) -> None:
        self._connecting = False
        closed, self._socket = self._socket, None
        if closed is not None:
            self._closing(closed)
            closed.close()
