"""A lock that is held: its lease is extended until it is released, and by our own clock it is over when the last lease is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from .errors import Stale, WherryError
from .request import OnDone

if TYPE_CHECKING:
    from .engine import Engine

TTL_MS = 30000
_EXTENSIONS = 3  # in the time of a lease


WAIT_MS = 3600 * 1000  # where it waits for ever, at a time


def longest_wait(wait_ms: Optional[int]) -> int:
    return WAIT_MS if wait_ms is None else wait_ms


class Lease:
    """A lock's token and until when it is ours at least."""

    def __init__(self, engine: "Engine", name: str, *, ttl_ms: int, permits: Optional[int], session: bool,
                 ns: Optional[str]):
        self.name, self.token = name, 0
        self._engine, self._ttl_ms, self._until = engine, ttl_ms, 0.0
        self._session = session or None
        self._fixed = {"permits": permits, "ns": ns or engine.setup.namespace}
        self._over = True

    @property
    def held(self) -> bool:
        """Whether it is still ours.  Between looking and doing it may end: let what you write to check the token."""
        return not self._over and self._engine.clock() < self._until

    def acquire(self, wait_ms: int, on_done: OnDone, deadline: float) -> Any:
        asked = self._engine.clock()

        def answered(token: Any, error: Optional[WherryError]) -> None:
            if error is None and token is not None:
                self.token, self._over = token, False
                self._engine.keepers[self] = None
                self._begin(asked, lambda error: on_done(token if error is None else None, error))
            else:
                on_done(token, error)

        options = self._options(ttl_ms=self._ttl_ms, wait_ms=wait_ms or None, session=self._session)
        return self._engine.ask("lock.acquire", [self.name], options, answered, deadline=deadline)

    def release(self, on_done: OnDone) -> Any:
        self._end()
        return self._engine.ask("lock.release", [self.name, self.token], self._options(), on_done, repeat=True)

    def _options(self, **options: Any) -> Dict[str, Any]:
        return {name: value for name, value in {**self._fixed, **options}.items() if value is not None}

    # --- keeping it ---

    def _begin(self, since: float, told: Callable[[Optional[WherryError]], Any] = lambda error: None) -> None:
        """The broker counts from after `since`.  If that was long ago, because we waited, ask anew before it is told."""
        self._until = since + self._ttl_ms / 1000
        again = since + self._ttl_ms / 1000 / _EXTENSIONS
        if again <= self._engine.clock():
            self._extend(told)
        else:
            self._engine.call_at(again, self._extend_if_held)
            told(None)

    def _extend_if_held(self) -> None:
        if self.held and not self._engine.is_over:
            self._extend(lambda error: None)

    def _extend(self, told: Callable[[Optional[WherryError]], Any]) -> None:
        asked = self._engine.clock()

        def answered(result: Any, error: Optional[WherryError]) -> None:
            if error is None:
                self._begin(asked)
            elif not error.local:
                self._end()
            told(error)

        self._engine.ask("lock.extend", [self.name, self.token], self._options(ttl_ms=self._ttl_ms), answered, repeat=True)

    def _end(self) -> None:
        self._over = True
        self._engine.keepers.pop(self, None)

    # --- connections come and go ---

    def lost(self) -> None:
        if self._session:
            self._end()

    def restored(self) -> None:
        """(The lease goes on.)"""

    def stop(self, stopped: Callable[[], Any]) -> None:
        """(It is whoever holds it who releases it.)"""
        stopped()

    def check(self) -> None:
        """Raises Stale if it is not ours any more."""
        if not self.held:
            raise Stale(f"the lock {self.name} is not held any more")
