"""Working off queues: jobs are fetched ahead, kept reserved while they are worked on, and given back when they are not.

At most `prefetch` jobs are reserved and not settled at a time, the ones being worked on among them.  What was fetched and
not begun when it stops is given back uncounted.  A connection that is lost takes reservations with it (unless `hold`): the
broker hands those jobs to somebody else, and they are forgotten here; the one being worked on is `lost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from .errors import Corrupt, ShuttingDown, WherryError
from .mailbox import Mailbox
from .request import OnDone

if TYPE_CHECKING:
    from .engine import Engine

VISIBLE_MS = 30000
WAIT_MS = 30000
REASON_MOST = 500
_TOUCHES = 3  # in the time for which a job is reserved


class Reservation:
    """A job as the broker handed it out.  lost: it is not ours any more, and may be done by somebody else."""

    def __init__(self, work: "Work", entry: Dict[str, Any]):
        self._work = work
        self.queue: str = entry["queue"]
        self.token: List[int] = entry["token"]
        self.attempt: int = entry["attempt"]
        self.value: Any = entry["value"]
        self.headers: Dict[Any, Any] = entry["headers"] or {}
        self.age_ms: int = entry["age_ms"]
        self.settled = self.lost = False

    @property
    def id(self) -> int:
        """The message's, which stays the same in every attempt."""
        return self.token[0]

    def __repr__(self) -> str:
        return f"<job {self.id} of {self.queue}, attempt {self.attempt}>"


def blame(error: BaseException) -> Dict[str, Any]:
    """How a job is given back that an exception left: what only stops the program was no attempt."""
    if isinstance(error, Exception):
        return {"reason": f"{type(error).__name__}: {error}"[:REASON_MOST]}
    return {"count": False}


class Work:
    """Fetches jobs into a mailbox and keeps them reserved."""

    def __init__(self, engine: "Engine", queues: Sequence[str], mailbox: Mailbox, make: Any, *, prefetch: int,
                 visible_ms: int, hold: bool, touch: bool, ns: Optional[str]):
        self.mailbox = mailbox
        self._engine, self._queues, self._make = engine, list(queues), make
        self._prefetch, self._visible_ms, self._hold, self._touches = prefetch, visible_ms, hold, touch
        self._ns = ns or engine.setup.namespace
        self._held: Dict[int, Reservation] = {}  # reserved and not settled, by identity
        self._popping: Any = None
        self.stopping = False

    def start(self) -> None:
        self._engine.keepers[self] = None
        self._pop()

    def stop(self, stopped: Callable[[], Any] = lambda: None) -> None:
        """Begins no more: what waits in the mailbox goes back, what is being worked on can still be settled.  `stopped` is
        called when the broker has taken back what went back."""
        self.stopping = True
        popping, self._popping = self._popping, None
        if popping:
            self._engine.abandon(popping)
        waiting = [*self.mailbox.items]
        self.mailbox.items.clear()
        self.mailbox.end()
        self._forget_if_idle()
        self._give_back(waiting, stopped)

    def _let_go(self, job: Reservation) -> None:
        self._held.pop(id(job), None)
        self._forget_if_idle()

    def _forget_if_idle(self) -> None:
        if self.stopping and not self._held:
            self._engine.keepers.pop(self, None)

    # --- keeping ---

    def _touch_later(self, job: Reservation) -> None:
        if self._touches:
            self._engine.call_at(self._engine.clock() + self._visible_ms / 1000 / _TOUCHES, lambda: self._touch(job))

    def _touch(self, job: Reservation) -> None:
        if job.settled or job.lost or self._engine.is_over:
            return
        self.extend(job, lambda deadline, error: self._touched(job, error), None)
        self._touch_later(job)

    def _touched(self, job: Reservation, error: Optional[WherryError]) -> None:
        if error and not error.local and not job.settled:
            self._lose(job)
            self._pop()

    def _lose(self, job: Reservation) -> None:
        job.lost = True
        self._let_go(job)
        if job in self.mailbox.items:
            self.mailbox.items.remove(job)

    # --- connections come and go ---

    def lost(self) -> None:
        if not self._hold:
            for job in list(self._held.values()):
                self._lose(job)
        if self._engine.is_over:
            why = self._engine.why
            self._end(None if isinstance(why, ShuttingDown) else why)

    def restored(self) -> None:
        self._pop()
