"""What has to be done at its time."""

from __future__ import annotations

import heapq
import itertools
from typing import Any, Callable, List, Tuple

NEVER = float("inf")


class Timers:
    def __init__(self) -> None:
        self._heap: List[Tuple[float, int, Callable[[], Any]]] = []
        self._order = itertools.count()

    @property
    def next(self) -> float:
        return self._heap[0][0] if self._heap else NEVER

    def add(self, when: float, run: Callable[[], Any]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), run))

    def run_due(self, now: float) -> None:
        while self.next <= now:
            heapq.heappop(self._heap)[2]()
