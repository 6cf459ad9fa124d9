"""A subscription or a watch of the blocking client."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Generic, Optional, TypeVar

from .asking import ENDED, NOTHING, Stream
from .driver import Driver, Inbox
from .feeds import Feed, Gap

Item = TypeVar("Item")
_log = logging.getLogger("wherry")


class Subscription(Stream[Item], Generic[Item]):
    """An iterator of what comes, which ends when it is closed."""

    _mailbox: Inbox

    def __init__(self, driver: Driver, feed: Feed, on_gap: Optional[Callable[[Gap], Any]]):
        super().__init__(feed.mailbox, on_gap)
        self._driver, self._feed = driver, feed
        self._thread: Optional[threading.Thread] = None

    def __iter__(self) -> "Subscription[Item]":
        return self

    def __next__(self) -> Item:
        while (item := self._sort(self._mailbox.get(None))) is NOTHING:
            pass
        if item is ENDED:
            raise StopIteration
        return item  # type: ignore[no-any-return]

    def get(self, timeout: Optional[float] = None) -> Optional[Item]:
        """The next one; None: none came within `timeout` seconds, or it is closed."""
        ends = None if timeout is None else self._driver.engine.clock() + timeout
        while True:
            left = None if ends is None else max(ends - self._driver.engine.clock(), 0)
            got = self._mailbox.get(left)
            if got is NOTHING or got is ENDED:
                return None
            item = self._sort(got)
            if item is not NOTHING:
                return item  # type: ignore[no-any-return]

    def close(self) -> None:
        """Unsubscribes.  What has come already can still be taken."""
        with self._driver:
            self._feed.close()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> "Subscription[Item]":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def _run_in_background(self, callback: Callable[[Item], Any]) -> None:
        self._thread = threading.Thread(target=self._call, args=(callback,), name="wherry-callback", daemon=True)
        self._thread.start()

    def _call(self, callback: Callable[[Item], Any]) -> None:
        try:
            for item in self:
                try:
                    callback(item)
                except Exception:
                    _log.exception("a callback failed for %r", item)
        except Exception as error:
            _log.error("a subscription ended: %s", error)
