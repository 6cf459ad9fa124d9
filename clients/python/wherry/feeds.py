"""Subscriptions and watches: what the broker pushes until it is told not to.

They outlive connections: on a new one they are made anew, before anything else is sent, and a Gap tells that there was a
time without them.  Nothing is lost silently: what the broker dropped, because it was read too slowly, it counts, and so does
this side with what nobody took out in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from .errors import Corrupt, ShuttingDown, WherryError
from .mailbox import Mailbox
from .request import OnDone, Request

if TYPE_CHECKING:
    from .engine import Engine

REPLY_HEADER = "reply_to"  # the topic that an answer to pubsub.request goes to
KEPT_MOST = 65536  # messages that nobody has taken yet


class Gap:
    """Something is missing here: `lost` messages, and, if `reconnected`, whatever came while there was no connection."""

    __slots__ = ("lost", "reconnected")

    def __init__(self, lost: int = 0, reconnected: bool = False):
        self.lost, self.reconnected = lost, reconnected

    def __bool__(self) -> bool:
        return bool(self.lost or self.reconnected)

    def __repr__(self) -> str:
        return f"Gap(lost={self.lost}, reconnected={self.reconnected})"


class Message:
    """A message of a subscription.  `gap` is true if something is missing just before it."""

    __slots__ = ("topic", "payload", "headers", "seq", "gap")

    def __init__(self, topic: str, payload: Any, headers: Dict[Any, Any], seq: int):
        self.topic, self.payload, self.headers, self.seq = topic, payload, headers, seq
        self.gap = Gap()

    def __repr__(self) -> str:
        return f"Message({self.topic!r}, {self.payload!r:.100})"


class Change:
    """What happened to a watched key: put, del, cas, expire, or state, which is how it was at the beginning.  The value is
    None after del and expire."""

    __slots__ = ("event", "key", "value", "revision", "gap")

    def __init__(self, event: str, key: Any, value: Any, revision: int):
        self.event, self.key, self.value, self.revision = event, key, value, revision
        self.gap = Gap()

    def __repr__(self) -> str:
        return f"Change({self.event!r}, {self.key!r}, {self.value!r:.100}, revision={self.revision})"


def messages(params: List[Any]) -> "tuple[int, List[Any]]":
    """(how many were lost before, the messages) of a delivery."""
    _, seq, lost, entries = params
    return lost, [Message(topic, payload, headers or {}, seq + place)
                  for place, (topic, payload, headers) in enumerate(entries)]


def changes(params: List[Any]) -> "tuple[int, List[Any]]":
    _, event, key, value, revision, lost = params
    return lost, [Change(event, key, value, revision)]


class Kind:
    """How subscriptions and watches differ."""

    def __init__(self, subscribe: str, unsubscribe: str, delivery: str, read: Any):
        self.subscribe, self.unsubscribe, self.delivery, self.read = subscribe, unsubscribe, delivery, read


SUBSCRIPTION = Kind("pubsub.subscribe", "pubsub.unsubscribe", "messages", messages)
WATCH = Kind("kv.watch", "kv.unwatch", "watch", changes)


class Feed:
    """One subscription or watch.  Its mailbox gets what comes, in order, Gaps among it."""

    def __init__(self, engine: "Engine", kind: Kind, params: Sequence[Any], options: Optional[Dict[str, Any]],
                 mailbox: Mailbox, kept: int = KEPT_MOST):
        self.kind, self.mailbox = kind, mailbox
        self._engine, self._params, self._options, self._kept = engine, params, dict(options or {}), kept
        if engine.setup.namespace:
            self._options.setdefault("ns", engine.setup.namespace)  # session.use later on does not move it
        self._router = Router.of(engine, kind)
        self._id: Optional[int] = None
        self._asked: Optional[Request] = None
        self._was_here = False

    def open(self, on_done: OnDone) -> None:
        """Subscribes; on_done is called when the broker has answered."""
        self._on_open = on_done
        self._engine.keepers[self] = None
        self._ask(urgent=False)

    def stop(self, stopped: Callable[[], Any]) -> None:
        """(It ends with its session.)"""
        stopped()

    def close(self) -> None:
        """Ends it on both sides; what came already can still be taken."""
        self._engine.keepers.pop(self, None)
        self.mailbox.end()
        if self._id is not None and not self._engine.is_over:
            self._router.remove(self._id)
            self._engine.ask(self.kind.unsubscribe, [self._id], None, lambda result, error: None)
        self._id = None

    def _ask(self, urgent: bool) -> None:
        self._asked = Request(self.kind.subscribe, self._params, self._options, self._answered, repeat=True)
        self._router.asking += 1
        try:
            self._engine.submit(self._asked, urgent)
        except WherryError:
            self._router.asking -= 1
            self._engine.keepers.pop(self, None)
            raise

    def _answered(self, number: Any, error: Optional[WherryError]) -> None:
        self._asked = None
        self._router.asking -= 1
        if error is None and type(number) is not int:
            error = Corrupt(f"the broker answered {self.kind.subscribe} with {number!r:.100}")
        if error:
            self._end(error)
        elif self.mailbox.ended:  # closed meanwhile
            self._engine.ask(self.kind.unsubscribe, [number], None, lambda result, error: None)
        else:
            self._begin(number)
        self._tell_open(error)

    def _tell_open(self, error: Optional[WherryError]) -> None:
        told, self._on_open = self._on_open, _nobody
        told(self, error)

    def _begin(self, number: int) -> None:
        if self._was_here:
            self.mailbox.put(Gap(reconnected=True))
        self._was_here = True
        self._id = number
        self._router.add(number, self)

    def _end(self, error: Optional[WherryError]) -> None:
        self._engine.keepers.pop(self, None)
        self.mailbox.end(error)

    # --- connections come and go ---

    def lost(self) -> None:
        if self._id is not None:
            self._router.remove(self._id)
        self._id = None
        self._router.forget()
        if self._engine.is_over:
            why = self._engine.why
            self._end(None if isinstance(why, ShuttingDown) else why)

    def restored(self) -> None:
        if self._asked is None and not self.mailbox.ended:
            self._ask(urgent=True)

    # --- what comes ---

    def take(self, params: List[Any]) -> None:
        try:
            lost, items = self.kind.read(params)
        except (TypeError, ValueError):
            raise Corrupt(f"the broker sent a delivery that can't be read: {params!r:.100}") from None
        if lost:
            self.mailbox.items.append(Gap(lost=lost))
        self.mailbox.items.extend(items)
        self._throw_away()
        self.mailbox.wake()

    def _throw_away(self) -> None:
        """Nobody takes them out: the oldest go, and are counted."""
        items, gap = self.mailbox.items, Gap()
        while len(items) > self._kept:
            item = items.popleft()
            known = item if isinstance(item, Gap) else Gap(lost=1)
            gap = Gap(gap.lost + known.lost, gap.reconnected or known.reconnected)
        if gap:
            items.appendleft(gap)


def _nobody(result: Any, error: Optional[WherryError]) -> None:
    pass


class Router:
    """Brings deliveries of one kind to the feeds.  One may come before the answer that tells whose it is."""

    def __init__(self) -> None:
        self.asking = 0  # feeds that wait for their id
        self._feeds: Dict[int, Feed] = {}
        self._early: List[List[Any]] = []

    @classmethod
    def of(cls, engine: "Engine", kind: Kind) -> "Router":
        listener = engine.listeners.get(kind.delivery)
        if listener is None:
            listener = engine.listeners[kind.delivery] = cls()
        return listener  # type: ignore[return-value]

    def __call__(self, params: List[Any]) -> bool:
        feed = self._feeds.get(params[0]) if params and type(params[0]) is int else None
        if feed:
            feed.take(params)
        elif self.asking:
            self._early.append(params)
        return feed is not None or self.asking > 0

    def add(self, number: int, feed: Feed) -> None:
        self._feeds[number] = feed
        early, self._early = self._early, []
        for params in early:
            self(params)

    def remove(self, number: int) -> None:
        self._feeds.pop(number, None)

    def forget(self) -> None:
        """The connection was lost: the next one counts anew."""
        self._early = []
