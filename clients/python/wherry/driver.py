"""The thread behind a blocking client: it waits for the socket and for the time, for all callers.

Whoever touches the engine does it in `with driver:`.  On the way out what was asked is sent, from the caller's own thread, and
what came of it is told, with no lock held.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Optional

from .address import parse
from .asking import ENDED, NOTHING
from .engine import Engine, run_events
from .errors import InternalError, WherryError
from .link import Link, targets
from .mailbox import Mailbox
from .request import OnDone
from .settings import Settings

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Driver:
    def __init__(self, url: Optional[str], settings: Settings):
        self.engine = Engine(parse(url), settings, time.monotonic)
        self.lock = threading.Lock()
        self._link = Link(self.engine, self._closing)
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._woken, _READ)
        self._watched: Optional[socket.socket] = None
        self._mask = 0
        self._planned = 0.0  # when the thread looks by itself
        self._jobs: Deque[Callable[[], Any]] = deque()
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._run, name="wherry", daemon=True)

    def start(self, on_first: OnDone) -> None:
        """on_first is called when the first attempt to connect has ended."""
        self.engine.on_first(on_first)
        self._thread.start()

    # --- for callers ---

    def __enter__(self) -> Engine:
        if os.getpid() != self._process:
            raise InternalError("a client can't be used across fork(): open one in the child")
        self.lock.acquire()
        return self.engine

    def __exit__(self, *unused: Any) -> None:
        try:
            self._link.flush()
            wake = self._link.writes and not self._mask & _WRITE or self.engine.next_wake() < self._planned
            events = self.engine.take_events()
        finally:
            self.lock.release()
        if wake:
            self.wake()
        run_events(events)

    def wake(self) -> None:
        try:
            self._waker.send(b"!")
        except (BlockingIOError, OSError):
            pass  # it has enough to wake up for, or is gone

    def soon(self, job: Callable[[], Any]) -> None:
        """Has the thread run it inside the engine: for signal handlers, which may interrupt whoever is there."""
        self._jobs.append(job)
        self.wake()

    @property
    def is_here(self) -> bool:
        """Whether this is the driver's own thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def join(self, timeout: float) -> None:
        self.wake()
        if not self.is_here:
            self._thread.join(timeout)

    # --- the thread ---

    def _run(self) -> None:
        try:
            while not self.engine.is_over:
                self._turn()
        except BaseException as fault:
            with self.lock:
                self.engine._end(InternalError(f"the client failed: {fault!r}"))
            raise
        finally:
            with self.lock:
                self._link.close()
                events = self.engine.take_events()
                self._selector.close()
                self._waker.close()
                self._woken.close()
            run_events(events)

    def _turn(self) -> None:
        if self.engine.wants_connection:
            self._connect()
        with self.lock:
            self._watch()
            self._planned = self.engine.next_wake()
            left = self._planned - self.engine.clock()
        ready = self._selector.select(None if left == float("inf") else max(left, 0))
        with self.lock:
            self._planned = 0.0
            for key, mask in ready:
                self._handle(key.fileobj, mask)
            self._engine_turn()
            events = self.engine.take_events()
        run_events(events)

    def _engine_turn(self) -> None:
        while self._jobs:
            self._jobs.popleft()()
        self.engine.tick()
        self._link.check()
        self._link.flush()

    def _handle(self, source: Any, mask: int) -> None:
        if source is self._woken:
            self._woken.recv(4096)
        elif source is self._watched:
            self._link.ready(bool(mask & _READ), bool(mask & _WRITE))

    def _connect(self) -> None:
        """Looks the name up with no lock held."""
        with self.lock:
            self.engine.opening()
        try:
            where = targets(self.engine.address)
        except WherryError as error:
            with self.lock:
                self._link.fail(error)
            return
        with self.lock:
            self._link.open(where)

    def _watch(self) -> None:
        """Has the selector look for what the link wants."""
        wanted, mask = self._link.socket, _READ | (_WRITE if self._link.writes else 0)
        if wanted is not self._watched and wanted is not None:
            self._selector.register(wanted, mask)
        elif wanted is not None and mask != self._mask:
            self._selector.modify(wanted, mask)
        self._watched, self._mask = wanted, mask if wanted else 0

    def _closing(self, closed: socket.socket) -> None:
        if closed is self._watched:
            self._selector.unregister(closed)
            self._watched, self._mask = None, 0


class Inbox(Mailbox):
    """A mailbox that a thread waits at."""

    def __init__(self, driver: Driver):
        self._arrived = threading.Condition(driver.lock)
        super().__init__(self._arrived.notify_all)

    def get(self, timeout: Optional[float]) -> Any:
        """The next item; NOTHING: none came in time; ENDED: none will come.  Raises what it was ended with."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.ready, timeout)
            if self.items:
                return self.items.popleft()
            if self.error:
                raise self.error
            return ENDED if self.ended else NOTHING
