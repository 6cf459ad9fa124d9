"""Where the engine puts what somebody waits for: messages, watch events, jobs.  The two clients wait differently."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Optional

from .errors import WherryError


class Mailbox:
    """wake is called whenever there is something new: an item, or the end."""

    def __init__(self, wake: Callable[[], Any] = lambda: None):
        self.items: Deque[Any] = deque()
        self.ended = False
        self.error: Optional[WherryError] = None
        self.wake = wake

    @property
    def ready(self) -> bool:
        return bool(self.items) or self.ended

    def put(self, item: Any) -> None:
        self.items.append(item)
        self.wake()

    def end(self, error: Optional[WherryError] = None) -> None:
        """After what is in it nothing comes any more; why, if it is not as it should be."""
        if not self.ended:
            self.ended, self.error = True, error
            self.wake()
