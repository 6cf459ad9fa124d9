"""Working off queues: jobs are fetched ahead, kept reserved while they are worked on, and given back when they are not.

At most `prefetch` jobs are reserved and not settled at a time, the ones being worked on among them.  What was fetched and
not begun when it stops is given back uncounted.  A connection that is lost takes reservations with it (unless `hold`): the
broker hands those jobs to somebody else, and they are forgotten here; the one being worked on is `lost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from .errors import Corrupt, LimitReached, OutOfMemory, ShuttingDown, TryAgain, WherryError
from .mailbox import Mailbox
from .request import OnDone
from .timers import NEVER

if TYPE_CHECKING:
    from .engine import Engine

VISIBLE_MS = 30000
WAIT_MS = 30000
REASON_MOST = 500
POP_MOST = 100  # at once; a queue hands out no more than its max_pop
GRACE_S = 0.1  # for our last pop to be answered, when it stops
RETRY_S = 0.2  # after an error that passes by itself
_PASSING = (TryAgain, LimitReached, OutOfMemory, ShuttingDown)
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
                 visible_ms: int, hold: bool, touch: bool, touch_ms: Optional[int], ns: Optional[str]):
        self.mailbox = mailbox
        self._engine, self._queues, self._make = engine, list(queues), make
        self._prefetch, self._visible_ms, self._hold = prefetch, visible_ms, hold
        self._touch_s = (NEVER if touch_ms is None else touch_ms / 1000) if touch else 0.0
        self._ns = ns or engine.setup.namespace
        self._held: Dict[int, Reservation] = {}  # reserved and not settled, by identity
        self._popping: Any = None
        self._owed, self._pop_matters = 0, False  # how many are on their way back; whether the last pop is waited for
        self._on_stop: List[Callable[[], Any]] = []
        self.stopping = False

    def start(self) -> None:
        self._engine.keepers[self] = None
        self._pop()

    def stop(self, stopped: Callable[[], Any] = lambda: None) -> None:
        """Begins no more: what waits in the mailbox goes back, what is being worked on can still be settled.  `stopped` is
        called when the broker has taken back what went back."""
        self.stopping = True
        self._on_stop.append(stopped)
        waiting = [*self.mailbox.items]
        self.mailbox.items.clear()
        self.mailbox.end()
        self._forget_if_idle()
        self._give_back(waiting)
        if waiting and self._popping:  # our own pop, which can't be taken back, may get what we return
            self._pop_matters = True
            self._engine.call_at(self._engine.clock() + GRACE_S, self._lose_patience)
        self._tell_stopped()

    def _give_back(self, jobs: List[Reservation]) -> None:
        for job in jobs if not self._engine.is_over else ():
            self._owed += 1
            self.settle(job, "nack", self._returned, count=False)

    def _returned(self, result: Any, error: Optional[WherryError]) -> None:
        self._owed -= 1
        self._tell_stopped()

    def _lose_patience(self) -> None:
        self._pop_matters = False
        self._tell_stopped()

    def _tell_stopped(self) -> None:
        if self._owed or (self._popping and self._pop_matters):
            return
        told, self._on_stop = self._on_stop, []
        for stopped in told:
            stopped()

    # --- fetching ---

    def _pop(self) -> None:
        room = self._prefetch - len(self._held)
        if self.stopping or self._popping or room <= 0 or self._engine.is_over:
            return
        options = self._options(wait_ms=WAIT_MS, max=min(room, POP_MOST), visible_ms=self._visible_ms, hold=self._hold or None)
        self._popping = self._engine.ask("queue.pop", self._queues, options, self._popped)

    def _popped(self, entries: Any, error: Optional[WherryError]) -> None:
        self._popping = None
        if self._engine.is_over or (self.stopping and error):
            self._tell_stopped()
        elif error is None:
            self._take(entries)
            self._pop()
        elif isinstance(error, _PASSING):
            self._engine.call_at(self._engine.clock() + RETRY_S, self._pop)
        else:
            self._end(error)

    def _take(self, entries: Any) -> None:
        try:
            jobs = [self._make(self, entry) for entry in entries]
        except (TypeError, KeyError):
            raise Corrupt(f"the broker answered queue.pop with {entries!r:.100}") from None
        if self.stopping:
            self._give_back(jobs)
            self._tell_stopped()
            return
        for job in jobs:
            self._held[id(job)] = job
            self._begin_to_keep(job)
            self.mailbox.put(job)

    def _options(self, **options: Any) -> Dict[str, Any]:
        made = {name: value for name, value in options.items() if value is not None}
        return {**made, "ns": self._ns} if self._ns else made

    def _end(self, error: Optional[WherryError]) -> None:
        self._engine.keepers.pop(self, None)
        self.stopping = True
        self.mailbox.end(error)

    # --- settling ---

    def settle(self, job: Reservation, how: str, on_done: OnDone, **options: Any) -> Any:
        """how: ack, nack or term.  Whatever the answer, the job is no longer ours.  (The next pop travels with it.)"""
        request = self._engine.ask(f"queue.{how}", [job.queue, job.token], self._options(**options), on_done)
        self.forget(job)
        return request

    def forget(self, job: Reservation) -> None:
        """It was settled by a command of its own."""
        job.settled = True
        self._let_go(job)
        self._pop()

    def extend(self, job: Reservation, on_done: OnDone, visible_ms: Optional[int]) -> Any:
        return self._engine.ask("queue.touch", [job.queue, job.token],
                                self._options(visible_ms=visible_ms or self._visible_ms), on_done, repeat=True)

    def _let_go(self, job: Reservation) -> None:
        self._held.pop(id(job), None)
        self._forget_if_idle()

    def _forget_if_idle(self) -> None:
        if self.stopping and not self._held:
            self._engine.keepers.pop(self, None)

    # --- keeping ---

    def _begin_to_keep(self, job: Reservation) -> None:
        if self._touch_s:
            self._touch_later(job, self._engine.clock() + self._touch_s)

    def _touch_later(self, job: Reservation, until: float) -> None:
        when = self._engine.clock() + self._visible_ms / 1000 / _TOUCHES
        if when < until:
            self._engine.call_at(when, lambda: self._touch(job, until))

    def _touch(self, job: Reservation, until: float) -> None:
        if job.settled or job.lost or self._engine.is_over:
            return
        self.extend(job, lambda deadline, error: self._touched(job, error), None)
        self._touch_later(job, until)

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
