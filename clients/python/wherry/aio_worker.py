"""Consumers and locks of the asyncio client."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Optional, Sequence

from .aio_driver import Driver
from .aio_streams import Inbox
from .asking import ENDED
from .errors import Stale, TimedOut, WherryError
from .jobs import Reservation, Work, blame
from .leases import Lease, longest_wait
from .timers import NEVER

if TYPE_CHECKING:
    from .aio import Client

_log = logging.getLogger("wherry")


class Job(Reservation):
    """A job to be done.  In `async with job:` it is acknowledged at the end, or, if an exception leaves it, given back."""

    _client: "Client"

    async def ack(self) -> None:
        """It is done.  Stale: it was not ours any more, and may be done again by somebody else."""
        await self._settle("ack")

    async def nack(self, *, delay_ms: Optional[int] = None, count: Optional[bool] = None,
                   reason: Optional[str] = None) -> None:
        """Give it back, to be tried again after delay_ms; count=False: this attempt does not count."""
        await self._settle("nack", delay_ms=delay_ms, count=count, reason=reason)

    async def term(self, reason: Optional[str] = None) -> None:
        """Never try it again: it goes to the dead-letter queue."""
        await self._settle("term", reason=reason)

    async def touch(self, visible_ms: Optional[int] = None) -> int:
        """Keep it reserved for so long from now; answers until when."""
        return await self._client._ask(  # type: ignore[no-any-return]
            lambda engine, on_done: self._work.extend(self, on_done, visible_ms))

    def forget(self) -> None:
        """It was settled by a command of your own: in a transaction, say."""
        self._work.forget(self)
        self._client._driver.touched()

    async def _settle(self, how: str, **options: Any) -> None:
        await self._client._ask(lambda engine, on_done: self._work.settle(self, how, on_done, **options))

    async def __aenter__(self) -> "Job":
        return self

    async def __aexit__(self, kind: Any, error: Any, *unused: Any) -> None:
        if self.settled:
            return
        if error is None:
            await self.ack()
            return
        try:
            await self.nack(**blame(error))
        except WherryError as wrong:
            _log.warning("%r could not be given back: %s", self, wrong)


class Consumer:
    """An asynchronous iterator of jobs, which ends when it is stopped.

        async with client.consume("mails", prefetch=8) as jobs:
            async for job in jobs:
                async with job:
                    await send(job.value)
    """

    def __init__(self, client: "Client", driver: Driver, queues: Sequence[str], **how: Any):
        self._client, self._driver = client, driver
        self._inbox = Inbox(driver.loop)
        self._work = Work(driver.engine, queues, self._inbox, self._job, **how)
        self._work.start()
        driver.touched()

    def _job(self, work: Work, entry: Any) -> Job:
        job = Job(work, entry)
        job._client = self._client
        return job

    def __aiter__(self) -> "Consumer":
        return self

    async def __anext__(self) -> Job:
        job = await self._inbox.get()
        if job is ENDED:
            raise StopAsyncIteration
        return job  # type: ignore[no-any-return]

    async def run(self, handler: Callable[[Job], Awaitable[Any]], *, workers: int = 1) -> None:
        """Awaits handler(job) for each, so many at a time, until it is stopped.  A job whose handler raises is given back;
        what it raised is logged."""
        tasks = [asyncio.ensure_future(self._handle(handler)) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            self.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, handler: Callable[[Job], Awaitable[Any]]) -> None:
        async for job in self:
            try:
                async with job:
                    await handler(job)
            except Exception:
                _log.exception("%r failed", job)

    def stop(self) -> None:
        """Take no more; returns at once, and is right for loop.add_signal_handler.  The iterator ends after what is being
        worked on; what was fetched and not begun is given back uncounted."""
        self._work.stop()
        self._driver.touched()

    async def close(self) -> None:
        """Stops, and waits until the broker has taken back what was not begun."""
        gone = asyncio.Event()
        self._work.stop(gone.set)
        self._driver.touched()
        await asyncio.wait_for(gone.wait(), self._driver.engine.settings.timeout)

    async def __aenter__(self) -> "Consumer":
        return self

    async def __aexit__(self, *unused: Any) -> None:
        await self.close()


class Lock:
    """A lock by name.  `token` rises with every holder for ever: let what you write to refuse an older one."""

    def __init__(self, client: "Client", driver: Driver, name: str, *, wait_ms: Optional[int], **how: Any):
        self._client, self._wait_ms = client, wait_ms
        self._lease = Lease(driver.engine, name, **how)

    @property
    def token(self) -> int:
        return self._lease.token

    @property
    def held(self) -> bool:
        """Whether it is still ours, by our own clock and what the broker said."""
        return self._lease.held

    def check(self) -> None:
        """Raises Stale if it is not held any more."""
        self._lease.check()

    async def acquire(self, wait_ms: Any = None) -> bool:
        """False: somebody else has it, and had it for as long as we waited.  None: waits as long as the lock was made to."""
        wait = self._wait_ms if wait_ms is None else wait_ms
        while True:
            answer = await self._client._ask(
                lambda engine, on_done: self._lease.acquire(longest_wait(wait), on_done, NEVER))
            if answer is not None or wait is not None:
                return answer is not None

    async def release(self) -> None:
        """Stale: it was not ours any more."""
        await self._client._ask(lambda engine, on_done: self._lease.release(on_done))

    async def __aenter__(self) -> "Lock":
        if not await self.acquire():
            raise TimedOut(f"the lock {self._lease.name} was held by another for {self._wait_ms} ms")
        return self

    async def __aexit__(self, kind: Any, *unused: Any) -> None:
        try:
            await self.release()
        except WherryError as error:
            if kind is None and isinstance(error, Stale):
                raise
            _log.warning("the lock %s could not be released: %s", self._lease.name, error)
