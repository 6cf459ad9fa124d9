"""A subscription or a watch of the asyncio client."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from typing import Any, Callable, Deque, Generic, Optional, TypeVar

from .aio_driver import Driver
from .asking import ENDED, NOTHING, Stream
from .feeds import Feed, Gap
from .mailbox import Mailbox

Item = TypeVar("Item")
_log = logging.getLogger("wherry")


class Inbox(Mailbox):
    """A mailbox that tasks wait at.  Whoever is cancelled while it waits has taken nothing out."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        super().__init__(self._wake)
        self._loop = loop
        self._waiting: Deque["asyncio.Future[None]"] = deque()

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def get(self) -> Any:
        """The next item, or ENDED.  Raises what it was ended with."""
        while not self.ready:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter
        if self.items:
            return self.items.popleft()
        if self.error:
            raise self.error
        return ENDED


class Subscription(Stream[Item], Generic[Item]):
    """An asynchronous iterator of what comes, which ends when it is closed."""

    _mailbox: Inbox

    def __init__(self, driver: Driver, feed: Feed, on_gap: Optional[Callable[[Gap], Any]]):
        super().__init__(feed.mailbox, on_gap)
        self._driver, self._feed = driver, feed
        self._task: Optional["asyncio.Task[Any]"] = None

    def __aiter__(self) -> "Subscription[Item]":
        return self

    async def __anext__(self) -> Item:
        while (item := self._sort(await self._mailbox.get())) is NOTHING:
            pass
        if item is ENDED:
            raise StopAsyncIteration
        return item  # type: ignore[no-any-return]

    async def get(self, timeout: Optional[float] = None) -> Optional[Item]:
        """The next one; None: none came within `timeout` seconds, or it is closed."""
        try:
            return await asyncio.wait_for(self.__anext__(), timeout)
        except (asyncio.TimeoutError, StopAsyncIteration):
            return None

    async def close(self) -> None:
        """Unsubscribes.  What has come already can still be taken."""
        self._feed.close()
        self._driver.touched()
        if self._task and self._task is not asyncio.current_task():
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aenter__(self) -> "Subscription[Item]":
        return self

    async def __aexit__(self, *unused: Any) -> None:
        await self.close()

    def _run_in_background(self, callback: Callable[[Item], Any]) -> None:
        self._task = self._driver.run(self._call(callback))

    async def _call(self, callback: Callable[[Item], Any]) -> None:
        try:
            async for item in self:
                try:
                    done = callback(item)
                    if inspect.isawaitable(done):
                        await done
                except Exception:
                    _log.exception("a callback failed for %r", item)
        except Exception as error:
            _log.error("a subscription ended: %s", error)
