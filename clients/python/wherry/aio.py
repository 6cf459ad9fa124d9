"""The client for asyncio.

    async with wherry.aio.connect("tcp://127.0.0.1:1973") as client:
        await client.kv.set("greeting", "hello", ttl_ms=60000)
        print(await client.kv.get("greeting"))

Any number of tasks may share one; what they ask in one turn of the loop travels together.  A call that is cancelled loses
nothing: a job, a lock, a subscription that it would have got is given back.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, Generator, List, Optional

from . import asking
from .aio_driver import Driver
from .aio_streams import Inbox, Subscription
from .aio_worker import Consumer, Job, Lock
from .asking import PRESET
from .client import check_settings
from .commands import Commands, Lines, options_of
from .engine import Engine
from .errors import NobodyListens, WherryError
from .feeds import REPLY_HEADER, SUBSCRIPTION, WATCH, Change, Feed, Gap, Kind, Message
from .jobs import VISIBLE_MS
from .leases import TTL_MS
from .request import OnDone, Request
from .settings import Settings

_FAREWELL_S = 2.0


class Client(Commands):
    """A connection to a broker that is made anew when it is lost.  Every command is a coroutine: client.MODULE.NAME(...)."""

    def __init__(self, url: Optional[str], settings: Settings):
        self._driver = Driver(url, settings)

    # --- calls ---

    async def call(self, method: str, *params: Any, timeout: Any = PRESET, repeatable: bool = False,
                   options: Optional[Dict[str, Any]] = None, **named: Any) -> Any:
        """Runs a command and answers its result, or raises its error.

        named, options   what the command takes by name; options for names that are taken here
        timeout          seconds; without it the client's own, on top of wait_ms or timeout_ms; None: for ever
        repeatable       running it twice does no harm: it is sent again after a lost connection
        """
        given = options_of(named, options)
        return await self._ask(lambda engine, on_done: engine.submit(Request(
            method, params, given, on_done, deadline=asking.deadline(engine, timeout, given), repeat=repeatable,
            may_part=True)))

    async def _ask(self, run: Callable[[Engine, OnDone], Any]) -> Any:
        """Has the engine do something and waits until it is done."""
        driver = self._driver
        answer = driver.loop.create_future()
        made = run(driver.engine, _teller(answer))
        driver.touched()
        try:
            return await answer
        except asyncio.CancelledError:
            if isinstance(made, Request):  # also if it was answered in this very moment
                driver.engine.abandon(made)
                driver.touched()
            raise

    # --- many at once ---

    def batch(self) -> "Batch":
        """Commands that travel together: far cheaper than one after another.  They run in order; each fails for itself."""
        return Batch(self)

    def transaction(self, if_revisions: Optional[Dict[Any, int]] = None, *, ns: Optional[str] = None) -> "Transaction":
        """Commands of any modules that happen all or not at all; if_revisions: only while keys are at these revisions."""
        return Transaction(self, if_revisions, ns)

    # --- what the broker says by itself ---

    async def subscribe(self, *filters: str, callback: Optional[Callable[[Message], Any]] = None,
                        on_gap: Optional[Callable[[Gap], Any]] = None, options: Optional[Dict[str, Any]] = None,
                        **named: Any) -> Subscription[Message]:
        """Messages whose topics match; iterate over it, or give a callback, a function or a coroutine's.

        The rest is pubsub.subscribe's: group, sticky, retained, max_messages, max_bytes, overflow.
        """
        made: Subscription[Message] = await self._feed(SUBSCRIPTION, filters, callback, on_gap, options_of(named, options))
        return made

    async def watch(self, *keys: Any, callback: Optional[Callable[[Change], Any]] = None,
                    on_gap: Optional[Callable[[Gap], Any]] = None, options: Optional[Dict[str, Any]] = None,
                    **named: Any) -> Subscription[Change]:
        """Changes of keys, or of those that match a pattern; initial=True: their values first, also after a lost
        connection."""
        made: Subscription[Change] = await self._feed(WATCH, keys, callback, on_gap, options_of(named, options))
        return made

    async def _feed(self, kind: Kind, params: Any, callback: Any, on_gap: Any, options: Any) -> Any:
        feed = Feed(self._driver.engine, kind, params, options, Inbox(self._driver.loop))
        try:
            await self._ask(lambda engine, on_done: feed.open(on_done))
        except BaseException:
            feed.close()
            self._driver.touched()
            raise
        subscription: Subscription[Any] = Subscription(self._driver, feed, on_gap)
        if callback:
            subscription._run_in_background(callback)
        return subscription

    async def reply(self, message: Message, payload: Any, **options: Any) -> int:
        """Answers a message that came by pubsub.request.  NobodyListens: it is no such, or nobody waits any more."""
        if REPLY_HEADER not in message.headers:
            raise NobodyListens(f"{message.topic}: this message asks for no answer")
        return await self.call("pubsub.publish", message.headers[REPLY_HEADER], payload, **options)  # type: ignore[no-any-return]

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
        """A lock, to be held by `async with`; its lease is extended by itself.  wait_ms: for how long to wait for it, then
        TimedOut; None: for ever.  permits: it is a semaphore of so many.  session: it ends with the connection, too."""
        return Lock(self, self._driver, name, ttl_ms=ttl_ms, wait_ms=wait_ms, permits=permits, session=session, ns=ns)

    # --- the end ---

    @property
    def connected(self) -> bool:
        return self._driver.engine.is_up

    async def close(self) -> None:
        """Gives back what is reserved and not begun, says good-bye, and ends whatever is under way with ShuttingDown."""
        gone = asyncio.Event()
        try:
            self._driver.engine.say_goodbye(gone.set)
            self._driver.touched()
            await asyncio.wait_for(gone.wait(), _FAREWELL_S)
        except asyncio.TimeoutError:
            pass
        finally:
            self._driver.engine.close()
            await self._driver.finish()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *unused: Any) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<wherry.aio.Client, {self._driver.engine.state.value}>"

    def _known(self, module: str) -> List[str]:
        return self._driver.engine.catalog.names(module)


def _teller(answer: "asyncio.Future[Any]") -> OnDone:
    def tell(result: Any, error: Optional[WherryError]) -> None:
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
    return tell


class Batch(Lines):
    """Commands to be sent together.

        async with client.batch() as batch:
            batch.kv.set("a", 1)
            batch.kv.incr("a")
        print(batch.results)
    """

    def __init__(self, client: Client):
        super().__init__()
        self._client = client
        self.results: List[Any] = []

    async def run(self, *, timeout: Any = PRESET, return_errors: bool = False) -> List[Any]:
        """Sends them and answers their results in order.  The first error is raised when all have ended, with its place in
        details["index"]; or, with return_errors, each stands where its result would."""
        lines, self.lines = self.lines, []
        results = await self._client._ask(lambda engine, on_done: asking.run_lines(
            engine, lines, asking.deadline(engine, timeout, None), on_done))
        self.results = results
        return self.results if return_errors else asking.first_error(self.results)

    async def __aenter__(self) -> "Batch":
        return self

    async def __aexit__(self, kind: Any, *unused: Any) -> None:
        if kind is None:
            await self.run()


class Transaction(Lines):
    """Commands that happen all or not at all.

        async with client.transaction() as tx:
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

    async def exec(self, *, on_error: Optional[str] = None, timeout: Any = PRESET) -> List[Any]:
        """Runs them and answers their results.  An error is raised, with its place in details["index"], and nothing has
        happened; with on_error="continue" only what failed has not, and its error stands in the place of its result."""
        options = asking.transaction_options(self._if_revisions, on_error, self._ns)
        results = await self._client.call("tx.exec", self.as_params(), timeout=timeout, options=options)
        self.results = asking.transaction_results(results) if on_error == "continue" else results
        for job in self._jobs:
            job.forget()
        return self.results

    async def __aenter__(self) -> "Transaction":
        return self

    async def __aexit__(self, kind: Any, *unused: Any) -> None:
        if kind is None:
            await self.exec()


class Connecting:
    """`client = await connect(...)`, or `async with connect(...) as client:`."""

    def __init__(self, url: Optional[str], settings: Settings):
        self._url, self._settings = url, settings
        self._client: Optional[Client] = None

    def __await__(self) -> Generator[Any, None, Client]:
        return self._connect().__await__()

    async def _connect(self) -> Client:
        client = Client(self._url, self._settings)
        try:
            await client._ask(lambda engine, on_done: engine.on_first(on_done))
        except BaseException:
            client._driver.engine.close()
            await client._driver.finish()
            raise
        return client

    async def __aenter__(self) -> Client:
        self._client = await self
        return self._client

    async def __aexit__(self, *unused: Any) -> None:
        assert self._client is not None
        await self._client.close()


def connect(url: Optional[str] = None, **settings: Any) -> Connecting:
    """Connects to a broker; one attempt is made.  Without a URL: WHERRY_URL's, else tcp://127.0.0.1:1973.  What can be
    set is in wherry.Settings."""
    return Connecting(url, check_settings(settings))


__all__ = ["Batch", "Client", "Consumer", "Job", "Lock", "Subscription", "Transaction", "connect"]
