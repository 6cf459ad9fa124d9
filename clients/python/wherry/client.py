"""The blocking client.

    with wherry.connect("tcp://127.0.0.1:1973") as client:
        client.kv.set("greeting", "hello", ttl_ms=60000)
        print(client.kv.get("greeting"))

Any number of threads may share one; what they ask at the same time travels together, and nobody waits for another's answer.
Callbacks that run in the client's own thread (on_change, on_note, those of a future) must not call what waits.
"""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import Future, InvalidStateError
from typing import Any, Callable, Dict, List, Optional

from . import asking
from .asking import PRESET
from .commands import Commands, Lines, options_of
from .driver import Driver, Inbox
from .engine import Engine
from .errors import ArgumentError, NobodyListens, WherryError
from .feeds import REPLY_HEADER, SUBSCRIPTION, WATCH, Change, Feed, Gap, Kind, Message
from .jobs import VISIBLE_MS
from .leases import TTL_MS
from .request import OnDone, Request
from .settings import Settings
from .subscriptions import Subscription
from .worker import Consumer, Job, Lock

_FAREWELL_S = 2.0


class Answer(Future):  # type: ignore[type-arg]
    """A future answer.  cancel(): nobody wants it any more."""

    request: Optional[Request] = None


class Client(Commands):
    """A connection to a broker that is made anew when it is lost.  Every command is a method: client.MODULE.NAME(...)."""

    def __init__(self, url: Optional[str], settings: Settings):
        self._driver = Driver(url, settings)
        first = Answer()
        self._driver.start(self._teller(first))
        try:
            self._wait(first)
        except BaseException:
            self._end()
            raise

    # --- calls ---

    def call(self, method: str, *params: Any, timeout: Any = PRESET, repeatable: bool = False,
             options: Optional[Dict[str, Any]] = None, **named: Any) -> Any:
        """Runs a command and answers its result, or raises its error.

        named, options   what the command takes by name; options for names that are taken here
        timeout          seconds; without it the client's own, on top of wait_ms or timeout_ms; None: for ever
        repeatable       running it twice does no harm: it is sent again after a lost connection
        """
        return self._wait(self._send(method, params, options_of(named, options), timeout, repeatable, True))

    def send(self, method: str, *params: Any, timeout: Any = PRESET, repeatable: bool = False,
             options: Optional[Dict[str, Any]] = None, **named: Any) -> "Future[Any]":
        """Sends a command and returns at once; the answer is the future's result."""
        return self._send(method, params, options_of(named, options), timeout, repeatable, False)

    def _send(self, method: str, params: Any, options: Optional[Dict[str, Any]], timeout: Any, repeatable: bool,
              may_part: bool) -> Answer:
        answer = Answer()
        with self._driver as engine:
            answer.request = engine.submit(Request(
                method, params, options, self._teller(answer), deadline=asking.deadline(engine, timeout, options),
                repeat=repeatable, may_part=may_part))
        return answer

    def _teller(self, answer: Answer) -> OnDone:
        def tell(result: Any, error: Optional[WherryError]) -> None:
            self._driver.engine.emit(lambda: self._set(answer, result, error))
        return tell

    def _set(self, answer: Answer, result: Any, error: Optional[WherryError]) -> None:
        try:
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)
        except InvalidStateError:  # it was cancelled
            self._abandon(answer)

    def _wait(self, answer: Answer) -> Any:
        if self._driver.is_here:
            raise ArgumentError("this is the client's own thread, which would wait for itself: use send()")
        try:
            return answer.result()
        except BaseException:
            if not answer.done():  # Ctrl-C
                answer.cancel()
                self._abandon(answer)
            raise

    def _abandon(self, answer: Answer) -> None:
        if answer.request is not None:
            with self._driver as engine:
                engine.abandon(answer.request)

    def _ask(self, run: Callable[[Engine, OnDone], Any]) -> Any:
        """Has the engine do something and waits until it is done."""
        answer = Answer()
        with self._driver as engine:
            made = run(engine, self._teller(answer))
        answer.request = made if isinstance(made, Request) else None
        return self._wait(answer)

    # --- many at once ---

    def batch(self) -> "Batch":
        """Commands that travel together: far cheaper than one after another.  They run in order; each fails for itself."""
        return Batch(self)

    def transaction(self, if_revisions: Optional[Dict[Any, int]] = None, *, ns: Optional[str] = None) -> "Transaction":
        """Commands of any modules that happen all or not at all; if_revisions: only while keys are at these revisions."""
        return Transaction(self, if_revisions, ns)

    # --- what the broker says by itself ---

    def subscribe(self, *filters: str, callback: Optional[Callable[[Message], Any]] = None,
                  on_gap: Optional[Callable[[Gap], Any]] = None, options: Optional[Dict[str, Any]] = None,
                  **named: Any) -> Subscription[Message]:
        """Messages whose topics match; iterate over it, or give a callback, which runs in a thread of its own.

        The rest is pubsub.subscribe's: group, sticky, retained, max_messages, max_bytes, overflow.
        """
        made: Subscription[Message] = self._feed(SUBSCRIPTION, filters, callback, on_gap, options_of(named, options))
        return made

    def watch(self, *keys: Any, callback: Optional[Callable[[Change], Any]] = None,
              on_gap: Optional[Callable[[Gap], Any]] = None, options: Optional[Dict[str, Any]] = None,
              **named: Any) -> Subscription[Change]:
        """Changes of keys, or of those that match a pattern; initial=True: their values first, also after a lost
        connection."""
        made: Subscription[Change] = self._feed(WATCH, keys, callback, on_gap, options_of(named, options))
        return made

    def _feed(self, kind: Kind, params: Any, callback: Any, on_gap: Any, options: Any) -> Any:
        with self._driver as engine:
            feed = Feed(engine, kind, params, options, Inbox(self._driver))
        try:
            self._ask(lambda engine, on_done: feed.open(on_done))
        except BaseException:
            with self._driver:
                feed.close()
            raise
        subscription: Subscription[Any] = Subscription(self._driver, feed, on_gap)
        if callback:
            subscription._run_in_background(callback)
        return subscription

    def reply(self, message: Message, payload: Any, **options: Any) -> int:
        """Answers a message that came by pubsub.request.  NobodyListens: it is no such, or nobody waits any more."""
        if REPLY_HEADER not in message.headers:
            raise NobodyListens(f"{message.topic}: this message asks for no answer")
        return self.call("pubsub.publish", message.headers[REPLY_HEADER], payload, **options)  # type: ignore[no-any-return]

    # --- work and locks ---

    def consume(self, *queues: str, prefetch: int = 1, visible_ms: int = VISIBLE_MS, hold: bool = False,
                touch: bool = True, touch_ms: Optional[int] = None, ns: Optional[str] = None) -> Consumer:
        """Jobs of queues, the first queue's first.

        prefetch     how many are reserved at most, those being worked on among them
        visible_ms   for how long a job is reserved; it is extended by itself until the job is settled, unless touch=False
        touch_ms     for how long it is extended at most, so that a job whose worker hangs comes back; None: for ever
        hold         a lost connection does not give them back before that
        """
        return Consumer(self, self._driver, queues, prefetch=prefetch, visible_ms=visible_ms, hold=hold, touch=touch,
                        touch_ms=touch_ms, ns=ns)

    def locked(self, name: str, *, ttl_ms: int = TTL_MS, wait_ms: Optional[int] = None, permits: Optional[int] = None,
               session: bool = False, ns: Optional[str] = None) -> Lock:
        """A lock, to be held by `with`; its lease is extended by itself.  wait_ms: for how long to wait for it, then
        TimedOut; None: for ever.  permits: it is a semaphore of so many.  session: it ends with the connection, too."""
        return Lock(self, self._driver, name, ttl_ms=ttl_ms, wait_ms=wait_ms, permits=permits, session=session, ns=ns)

    # --- the end ---

    @property
    def connected(self) -> bool:
        return self._driver.engine.is_up

    def close(self) -> None:
        """Gives back what is reserved and not begun, says good-bye, and ends whatever is under way with ShuttingDown."""
        if self._driver.is_here:
            self._end()
            return
        gone = threading.Event()
        with self._driver as engine:
            engine.say_goodbye(gone.set)
        gone.wait(_FAREWELL_S)
        self._end()

    def _end(self) -> None:
        with self._driver as engine:
            engine.close()
        self._driver.join(_FAREWELL_S)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<wherry.Client, {self._driver.engine.state.value}>"

    def _known(self, module: str) -> List[str]:
        return self._driver.engine.catalog.names(module)


class Batch(Lines):
    """Commands to be sent together.

        with client.batch() as batch:
            batch.kv.set("a", 1)
            batch.kv.incr("a")
        print(batch.results)
    """

    def __init__(self, client: Client):
        super().__init__()
        self._client = client
        self.results: List[Any] = []

    def run(self, *, timeout: Any = PRESET, return_errors: bool = False) -> List[Any]:
        """Sends them and answers their results in order.  The first error is raised when all have ended, with its place in
        details["index"]; or, with return_errors, each stands where its result would."""
        lines, self.lines = self.lines, []
        results = self._client._ask(lambda engine, on_done: asking.run_lines(
            engine, lines, asking.deadline(engine, timeout, None), on_done))
        self.results = results
        return self.results if return_errors else asking.first_error(self.results)

    def __enter__(self) -> "Batch":
        return self

    def __exit__(self, kind: Any, *unused: Any) -> None:
        if kind is None:
            self.run()


class Transaction(Lines):
    """Commands that happen all or not at all.

        with client.transaction() as tx:
            tx.ack(job)
            tx.kv.set("result", 42)
        print(tx.results)
    """

    def __init__(self, client: Client, if_revisions: Optional[Dict[Any, int]], ns: Optional[str]):
        super().__init__()
        self._client, self._if_revisions, self._ns = client, if_revisions, ns
        self._jobs: List[Job] = []
        self.results: List[Any] = []

    def ack(self, job: Job) -> int:
        """Acknowledges a job of a consumer in the transaction: it is done when the rest is, and not otherwise."""
        self._jobs.append(job)
        return self.call("queue.ack", job.queue, job.token)

    def exec(self, *, on_error: Optional[str] = None, timeout: Any = PRESET) -> List[Any]:
        """Runs them and answers their results.  An error is raised, with its place in details["index"], and nothing has
        happened; with on_error="continue" only what failed has not, and its error stands in the place of its result."""
        options = asking.transaction_options(self._if_revisions, on_error, self._ns)
        results = self._client.call("tx.exec", self.as_params(), timeout=timeout, options=options)
        self.results = asking.transaction_results(results) if on_error == "continue" else results
        for job in self._jobs:
            job.forget()
        return self.results

    def __enter__(self) -> "Transaction":
        return self

    def __exit__(self, kind: Any, *unused: Any) -> None:
        if kind is None:
            self.exec()


def connect(url: Optional[str] = None, **settings: Any) -> Client:
    """Connects to a broker; one attempt is made.  Without a URL: WHERRY_URL's, else tcp://127.0.0.1:1973.  What can be
    set is in wherry.Settings."""
    return Client(url, check_settings(settings))


def check_settings(settings: Dict[str, Any]) -> Settings:
    """Settings by name; one that is not known is a TypeError."""
    unknown = settings.keys() - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
    return Settings(**settings)
