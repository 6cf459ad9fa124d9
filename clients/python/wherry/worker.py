"""Consumers and locks of the blocking client."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence

from .asking import ENDED
from .driver import Driver, Inbox
from .errors import Stale, TimedOut, WherryError
from .jobs import Reservation, Work, blame
from .leases import Lease, longest_wait
from .timers import NEVER

if TYPE_CHECKING:
    from .client import Client

_log = logging.getLogger("wherry")


class Job(Reservation):
    """A job to be done.  In `with job:` it is acknowledged at the end, or, if an exception leaves it, given back."""

    _client: "Client"

    def ack(self) -> None:
        """It is done.  Stale: it was not ours any more, and may be done again by somebody else."""
        self._settle("ack")

    def nack(self, *, delay_ms: Optional[int] = None, count: Optional[bool] = None, reason: Optional[str] = None) -> None:
        """Give it back, to be tried again after delay_ms; count=False: this attempt does not count."""
        self._settle("nack", delay_ms=delay_ms, count=count, reason=reason)

    def term(self, reason: Optional[str] = None) -> None:
        """Never try it again: it goes to the dead-letter queue."""
        self._settle("term", reason=reason)

    def touch(self, visible_ms: Optional[int] = None) -> int:
        """Keep it reserved for so long from now; answers until when."""
        return self._client._ask(  # type: ignore[no-any-return]
            lambda engine, on_done: self._work.extend(self, on_done, visible_ms))

    def forget(self) -> None:
        """It was settled by a command of your own: in a transaction, say."""
        with self._client._driver:
            self._work.forget(self)

    def _settle(self, how: str, **options: Any) -> None:
        self._client._ask(lambda engine, on_done: self._work.settle(self, how, on_done, **options))

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, kind: Any, error: Any, *unused: Any) -> None:
        if self.settled:
            return
        if error is None:
            self.ack()
            return
        try:
            self.nack(**blame(error))
        except WherryError as wrong:
            _log.warning("%r could not be given back: %s", self, wrong)


class Consumer:
    """An iterator of jobs, which ends when it is stopped.

        with client.consume("mails", prefetch=8) as jobs:
            for job in jobs:
                with job:
                    send(job.value)
    """

    def __init__(self, client: "Client", driver: Driver, queues: Sequence[str], **how: Any):
        self._client, self._driver = client, driver
        self._inbox = Inbox(driver)
        with driver as engine:
            self._work = Work(engine, queues, self._inbox, self._job, **how)
            self._work.start()

    def _job(self, work: Work, entry: Any) -> Job:
        job = Job(work, entry)
        job._client = self._client
        return job

    def __iter__(self) -> "Consumer":
        return self

    def __next__(self) -> Job:
        job = self._inbox.get(None)
        if job is ENDED:
            raise StopIteration
        return job  # type: ignore[no-any-return]

    def run(self, handler: Callable[[Job], Any], *, workers: int = 1) -> None:
        """Calls handler(job) for each, in so many threads, until it is stopped.  A job whose handler raises is given back;
        what it raised is logged."""
        threads = [threading.Thread(target=self._handle, args=(handler,), name="wherry-worker", daemon=True)
                   for _ in range(workers - 1)]
        for thread in threads:
            thread.start()
        try:
            self._handle(handler)
        finally:
            self.stop()
            for thread in threads:
                thread.join()

    def _handle(self, handler: Callable[[Job], Any]) -> None:
        for job in self:
            try:
                with job:
                    handler(job)
            except Exception:
                _log.exception("%r failed", job)

    def stop(self) -> None:
        """Take no more; returns at once, and may be called from a signal handler.  The iterator ends after what is being
        worked on; what was fetched and not begun is given back uncounted."""
        self._driver.soon(self._work.stop)

    def close(self) -> None:
        """Stops, and waits until the broker has taken back what was not begun."""
        gone = threading.Event()
        with self._driver:
            self._work.stop(gone.set)
        gone.wait(self._driver.engine.settings.timeout)

    def __enter__(self) -> "Consumer":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()


class Lock:
    """A lock by name.  `token` rises with every holder for ever: let what you write to refuse an older one."""

    def __init__(self, client: "Client", driver: Driver, name: str, *, wait_ms: Optional[int], **how: Any):
        self._client, self._driver, self._wait_ms = client, driver, wait_ms
        with driver as engine:
            self._lease = Lease(engine, name, **how)

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

    def acquire(self, wait_ms: Any = None) -> bool:
        """False: somebody else has it, and had it for as long as we waited.  None: waits as long as the lock was made to."""
        wait = self._wait_ms if wait_ms is None else wait_ms
        while True:
            answer = self._client._ask(
                lambda engine, on_done: self._lease.acquire(longest_wait(wait), on_done, NEVER))
            if answer is not None or wait is not None:
                return answer is not None

    def release(self) -> None:
        """Stale: it was not ours any more."""
        self._client._ask(lambda engine, on_done: self._lease.release(on_done))

    def __enter__(self) -> "Lock":
        if not self.acquire():
            raise TimedOut(f"the lock {self._lease.name} was held by another for {self._wait_ms} ms")
        return self

    def __exit__(self, kind: Any, *unused: Any) -> None:
        try:
            self.release()
        except WherryError as error:
            if kind is None and isinstance(error, Stale):
                raise
            _log.warning("the lock %s could not be released: %s", self._lease.name, error)


__all__: List[str] = ["Consumer", "Job", "Lock"]
