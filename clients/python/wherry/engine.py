"""The client without its socket: what is asked goes in, bytes come out; bytes go in, answers come out.

It neither waits nor looks at a socket, knows no threads and no event loop; both clients are made of it.  Whoever drives it

    asks     next_wake() for the time by which tick() must be called, wants_connection for whether to connect
    tells    opening(), connected(), received(bytes), lost(error)
    takes    outgoing(), and tells sent(count)
    runs     run_events(take_events()), with no lock held
    closes   the connection, and tells lost(broken), when `broken` is set

A lost connection: of what was under way, a request is sent again if it had not wholly left, may be repeated, or is of a
command that only reads; every other one ends with Stale.
"""

from __future__ import annotations

import enum
import itertools
import logging
import random
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Dict, List, Optional, Protocol, Sequence, Union

from . import late
from .address import Address
from .catalog import Catalog
from .channel import Plain, Tls, tls_context
from .errors import (ArgumentError, Corrupt, LimitReached, ShuttingDown, Stale, TimedOut, TryAgain, WherryError,
                     from_broker)
from .request import OnDone, Request, State
from .settings import Settings
from .setup import OVERHEAD, Setup
from .timers import NEVER, Timers
from .wire import GREETING, ID_MOST, Frames, Notification, Response, message, objects

_log = logging.getLogger("wherry")
CUTS_MOST = 5  # lost connections while one and the same request was being sent
ENOUGH = 64 << 10  # bytes on their way to the socket before more are made


class Link(enum.Enum):
    DOWN = "waiting to connect"
    OPENING = "connecting"
    GREETING = "greeting"
    SETUP = "restoring the session"
    UP = "up"
    CLOSED = "closed for good"


class Keeper(Protocol):
    """Something that has to be told when the connection is lost and when there is a new one."""

    def lost(self) -> None: ...

    def restored(self) -> None: ...

    def stop(self, stopped: Callable[[], Any]) -> None: ...


class Engine:
    def __init__(self, address: Address, settings: Settings, clock: Callable[[], float]):
        self.address, self.settings, self.clock = address, settings, clock
        self.catalog = Catalog()
        self.setup = Setup(settings)
        self.keepers: Dict[Keeper, None] = {}  # in the order they came
        self.listeners: Dict[str, Callable[[List[Any]], bool]] = {}  # notifications by method
        self.state, self.broken = Link.DOWN, None  # type: Link, Optional[WherryError]
        self.why: WherryError = TryAgain("not connected yet")
        self.connections = self.repeated = 0
        self._context = settings.tls
        self._events: List[Callable[[], Any]] = []
        self._ids = itertools.count(1)
        self._urgent: Deque[Request] = deque()
        self._pending: Deque[Request] = deque()
        self._sent: Dict[int, Request] = {}
        self._bytes = 0  # of requests that are not done
        self._bound = NEVER  # no request's deadline is before
        self._timers = Timers()
        self._next_try, self._wait, self._give_up = clock(), 0.0, NEVER
        self._up_at, self._proven = 0.0, False
        self._out, self._queued, self._left = bytearray(), 0, 0
        self._first: Optional[OnDone] = None

    # --- the driver's side: connections ---

    @property
    def wants_connection(self) -> bool:
        return self.state is Link.DOWN and self.clock() >= self._next_try

    @property
    def is_up(self) -> bool:
        return self.state is Link.UP

    @property
    def is_over(self) -> bool:
        return self.state is Link.CLOSED

    def opening(self) -> None:
        """An attempt to connect begins."""
        self.state, self.broken, self.setup.refused = Link.OPENING, None, None
        self._give_up = self.clock() + self.settings.connect_timeout

    def connected(self) -> None:
        """The socket is connected."""
        self._out, self._queued, self._left = bytearray(), 0, 0
        self._frames = Frames(self.address.ipc, self.settings.max_frame)
        self.state = Link.GREETING
        try:
            self._channel: Union[Plain, Tls] = self._new_channel()
            self._put(self._channel.wrap(GREETING))
        except (OSError, TryAgain) as wrong:
            self.broken = wrong if isinstance(wrong, WherryError) else ArgumentError(f"TLS: {wrong}")

    def _new_channel(self) -> Union[Plain, Tls]:
        if not self.address.tls:
            return Plain()
        if self._context is None:
            self._context = tls_context(self.settings.tls_ca_file, self.settings.tls_unverified)
        return Tls(self._context, self.address.host)

    def lost(self, error: WherryError) -> None:
        """The connection, or the attempt to have one, came to nothing.  The driver has closed the socket."""
        before, self.why, self.broken = self.state, error, None
        if before is Link.CLOSED:
            return
        self.state, self._give_up = Link.DOWN, NEVER
        if before is Link.UP:
            self._next_try = self.clock() + (0 if self._was_good() else self._longer_wait())
            self._sort_out(error)
            self._tell_change(False, error)
            for keeper in list(self.keepers):
                keeper.lost()
        else:
            self._forget_setup()
            self._next_try = self.clock() + self._longer_wait()
            if self.setup.refused:
                self._fail_waiting(error)
        self._tell_first(TryAgain(error.text) if isinstance(error, Stale) else error)
        if before is Link.UP and not self.settings.reconnect:
            self._end(Stale(f"the connection was lost, and is not to be made again: {error.text}"))

    def _forget_setup(self) -> None:
        """Before a connection is up, nothing was sent but what it began with."""
        self._bytes -= sum(len(request.body) for request in self._sent.values())
        self._sent = {}

    def _was_good(self) -> bool:
        """A broker that closes every connection at once is not asked again at once."""
        good = self._proven or self.clock() - self._up_at >= self.settings.backoff_max
        self._wait = 0 if good else self._wait
        return good

    def _longer_wait(self) -> float:
        wait = min(self._wait or self.settings.backoff, self.settings.backoff_max)
        self._wait = min(2 * wait, self.settings.backoff_max)
        return wait * random.uniform(0.5, 1)

    def _sort_out(self, error: WherryError) -> None:
        sent, self._sent = list(self._sent.values()), {}
        again = [request for request in sent if self._may_repeat(request, error)]
        for request in again:
            request.state = State.WAITS
        self._pending.extendleft(reversed(again))
        self.setup.forget_order()

    def _may_repeat(self, request: Request, error: WherryError) -> bool:
        if request.end > self._left and not request.abandoned:
            request.cuts += 1
            if request.cuts < CUTS_MOST:
                return True
            self._settle(request, None, TryAgain("the connection was lost too often while it was being sent"))
        elif self.settings.reconnect and self.setup.is_of_this_namespace(request) and (
                request.repeat or self.catalog.only_reads(request.method)) and not request.abandoned:
            request.again = True
            self.repeated += 1
            return True
        else:
            kind = Corrupt if isinstance(error, Corrupt) else Stale
            self._settle(request, None, kind(f"{error.text}; whether {request.method} ran is not known"))
        return False

    def _fail_waiting(self, error: WherryError) -> None:
        """The broker will not have this client as it was: rather than run elsewhere, what waits ends."""
        waiting, self._pending, self._urgent = [*self._urgent, *self._pending], deque(), deque()
        for request in waiting:
            self._settle(request, None, error)

    # --- the driver's side: bytes ---

    def outgoing(self) -> bytearray:
        """What is to be sent next, from its beginning; empty: nothing is."""
        while self.state is Link.UP and len(self._out) < ENOUGH and (frame := self._next_frame()):
            self._send(frame)
        return self._out

    def sent(self, count: int) -> None:
        del self._out[:count]
        self._left += count

    def received(self, data: bytes) -> None:
        """Bytes from the broker.  Afterwards `broken` may be set."""
        try:
            plain, answer = self._channel.unwrap(data)
            self._put(answer)
            greeted = self._frames.greeted
            for frame in self._frames.feed(plain):
                self._take_frame(frame)
            if self._frames.greeted and not greeted:
                self._begin_setup()
        except WherryError as wrong:
            self.broken = wrong
        except Exception as fault:  # rather a lost connection than one that hangs
            self.broken = Corrupt(f"what the broker sent could not be taken: {fault!r:.200}")

    def _put(self, data: bytes) -> None:
        self._out += data
        self._queued += len(data)

    def _send(self, requests: List[Request]) -> None:
        self._put(self._channel.wrap(message(b"".join(request.body for request in requests), self.address.ipc)))
        for request in requests:
            request.state, request.end, request.mates = State.SENT, self._queued, len(requests)
            self._sent[request.id] = request

    def _next_frame(self) -> List[Request]:
        """What waits, up to frame_bytes, in the order it came."""
        frame: List[Request] = []
        room = min(self.settings.frame_bytes, self.setup.limits["frame"] - OVERHEAD)
        for waiting in (self._urgent, self._pending):
            while waiting:
                request = waiting[0]
                if request.state is State.DONE:
                    waiting.popleft()
                    continue
                room -= len(request.body)
                if frame and (room < 0 or request.alone or frame[0].alone):
                    return frame
                frame.append(waiting.popleft())
        return frame

    # --- what the broker says ---

    def _take_frame(self, frame: bytes) -> None:
        self._proven = self._proven or self.state is Link.UP
        for said in objects(frame):
            if isinstance(said, Notification):
                self._take_note(said)
            elif said.id is None:
                raise self._refused_frame(said)
            elif said.id in self._sent:
                self._take_answer(self._sent.pop(said.id), said)

    def _take_answer(self, request: Request, said: Response) -> None:
        error = None if said.error is None else from_broker(said.error)
        if error and request.may_part and request.mates > 1 and isinstance(error, LimitReached):
            request.alone, request.state = True, State.WAITS  # the answers of a frame share the broker's max_answer
            self._pending.appendleft(request)
            return
        if error is None:
            self.setup.remember(request)
        self._settle(request, said.result, error)

    def _refused_frame(self, said: Response) -> WherryError:
        """It ran nothing, but which one it was is not told; limits are kept on this side, so it should not happen."""
        error = from_broker(said.error)
        return Corrupt(f"the broker could not read a frame: {error}")

    def _take_note(self, note: Notification) -> None:
        listener = self.listeners.get(note.method)
        if not (listener and listener(note.params)) and self.settings.on_note:
            self.emit(partial(self.settings.on_note, note.method, note.params))

    # --- a new connection's first exchange ---

    def _begin_setup(self) -> None:
        self.state = Link.SETUP
        requests = self.setup.requests(self.catalog, self._setup_answered)
        for request in requests:
            request.encode(self._next_id())
            self._bytes += len(request.body)
        self._send(requests)

    def _setup_answered(self) -> None:
        if self.setup.refused:
            raise self.setup.refused
        self.state, self._give_up = Link.UP, NEVER
        self._up_at, self._proven = self.clock(), False
        self.connections += 1
        for keeper in list(self.keepers):
            keeper.restored()
        if self.connections > 1:
            self._tell_change(True, None)
        self._tell_first(None)

    # --- requests ---

    def submit(self, request: Request, urgent: bool = False) -> Request:
        """Takes a request, or raises why it can't be sent; its on_done is called once."""
        if self.state is Link.CLOSED:
            raise type(self.why)(self.why.text)
        self.catalog.check_keys(request.method, request.params)
        request.encode(self._next_id())
        self.setup.check_limits(request)
        if self._bytes + len(request.body) > self.settings.max_pending:
            raise LimitReached("max_pending is reached: too much is not answered yet")
        (self._urgent if urgent else self._pending).append(request)
        self._bytes += len(request.body)
        self._bound = min(self._bound, request.deadline)
        return request

    def ask(self, method: str, params: Sequence[Any], options: Optional[Dict[str, Any]], on_done: OnDone,
            **more: Any) -> Request:
        """A request of the client's own, which ends with its connection or its answer."""
        return self.submit(Request(method, params, options, on_done, **more))

    def _next_id(self) -> int:
        while True:
            number = next(self._ids) & ID_MOST
            if number not in self._sent:
                return number

    def _settle(self, request: Request, result: Any, error: Optional[WherryError]) -> None:
        if request.state is State.DONE:
            return
        request.state, request.result = State.DONE, result
        self._bytes -= len(request.body)
        request.on_done(result, error)

    def abandon(self, request: Request) -> None:
        """Nobody waits for it any more.  If it was not sent it never is; an answer that comes, or came, is undone."""
        if request.state is State.DONE:
            late.undo(self, request, request.result)
        elif request.state is State.WAITS:
            request.on_done = _ignore
            self._settle(request, None, None)
        else:
            self._give_up_on(request)

    def _give_up_on(self, request: Request) -> None:
        request.on_done = lambda result, error: late.undo(self, request, result)
        request.deadline, request.abandoned = NEVER, True
        if request.method == "session.use":  # where the session works is not known: rather begin anew
            self.broken = Stale("session.use was not answered in time")

    # --- time ---

    def next_wake(self) -> float:
        """When tick() is due."""
        return min(self._bound, self._give_up, self._timers.next, self._next_try if self.state is Link.DOWN else NEVER)

    def call_at(self, when: float, run: Callable[[], Any]) -> None:
        self._timers.add(when, run)

    def tick(self) -> None:
        now = self.clock()
        self._timers.run_due(now)
        if now >= self._give_up:
            self._give_up = NEVER
            self.broken = TryAgain(f"no broker answered within {self.settings.connect_timeout:g} s")
        if now >= self._bound:
            self._expire(now)

    def _expire(self, now: float) -> None:
        alive = [*self._sent.values(), *self._urgent, *self._pending]
        for request in alive:
            if request.deadline <= now and request.state is not State.DONE:
                self._time_out(request)
        self._bound = min((request.deadline for request in alive if request.state is not State.DONE), default=NEVER)

    def _time_out(self, request: Request) -> None:
        if request.state is State.SENT:
            done = request.on_done
            self._give_up_on(request)
            done(None, TimedOut(f"{request.method} was not answered in time; whether it ran is not known"))
        elif request.again:
            self._settle(request, None, Stale(f"{self.why.text}; whether {request.method} ran is not known"))
        else:
            text = "the broker takes nothing in" if self.state is Link.UP else f"no broker answers ({self.why.text})"
            self._settle(request, None, TryAgain(f"{text}: {request.method} was not sent"))

    # --- beginning, end, events ---

    def on_first(self, on_done: OnDone) -> None:
        """on_done is called when the first attempt to connect has ended."""
        self._first = on_done

    def _tell_first(self, error: Optional[WherryError]) -> None:
        first, self._first = self._first, None
        if first:
            first(error is None, error)

    def _tell_change(self, connected: bool, error: Optional[WherryError]) -> None:
        if self.settings.on_change:
            self.emit(partial(self.settings.on_change, connected, error))

    def emit(self, event: Callable[[], Any]) -> None:
        """To be run by the driver when it holds no lock."""
        self._events.append(event)

    def take_events(self) -> List[Callable[[], Any]]:
        """To be handed to run_events()."""
        events, self._events = self._events, []
        return events

    def say_goodbye(self, gone: Callable[[], Any]) -> None:
        """Ends the session in order, and then everything: what is reserved goes back, a will is not published."""
        keepers = list(self.keepers)
        left = len(keepers)

        def stopped() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self._leave(gone)

        for keeper in keepers:
            keeper.stop(stopped)
        if not keepers:
            self._leave(gone)

    def _leave(self, gone: Callable[[], Any]) -> None:
        def answered(result: Any, error: Optional[WherryError]) -> None:
            self.close()
            gone()

        if self.state is Link.UP:
            self.ask("session.close", [], None, answered)
        else:
            gone()

    def close(self) -> None:
        """For good: whatever is under way ends with ShuttingDown."""
        self._end(ShuttingDown("the client was closed"))

    def _end(self, error: WherryError) -> None:
        if self.state is Link.CLOSED:
            return
        if self.state is not Link.UP:
            self._forget_setup()
        self.state, self.why, self._give_up = Link.CLOSED, error, NEVER
        alive, self._sent = [*self._sent.values(), *self._urgent, *self._pending], {}
        self._urgent.clear()
        self._pending.clear()
        for request in alive:
            self._settle(request, None, error)
        for keeper in list(self.keepers):
            keeper.lost()
        self._tell_first(error)


def run_events(events: List[Callable[[], Any]]) -> None:
    for event in events:
        try:
            event()
        except Exception:
            _log.exception("a callback failed")


def _ignore(result: Any, error: Optional[WherryError]) -> None:
    pass
