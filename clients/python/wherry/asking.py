"""What both clients ask in the same way: options, deadlines, batches, transactions, and streams of what is delivered."""

from __future__ import annotations

from typing import Any, Callable, Dict, Generic, List, Optional, TypeVar

from .commands import Line
from .engine import Engine
from .errors import WherryError, from_broker
from .feeds import Gap
from .mailbox import Mailbox
from .request import OnDone, Request
from .timers import NEVER


class Preset:
    """Stands where the client's own setting counts."""

    def __repr__(self) -> str:
        return "the client's"


PRESET = Preset()
NOTHING = object()
ENDED = object()


def deadline(engine: Engine, timeout: Any, options: Optional[Dict[str, Any]]) -> float:
    """When a request ends: its own time, or the client's on top of what the broker is asked to wait."""
    if timeout is PRESET:
        timeout = engine.settings.timeout
        if timeout is not None and options:
            timeout += sum(options[name] for name in ("wait_ms", "timeout_ms") if isinstance(options.get(name), int)) / 1000
    return NEVER if timeout is None else engine.clock() + float(timeout)


def run_lines(engine: Engine, lines: List[Line], ends: float, on_done: OnDone) -> None:
    """Sends commands together; on_done gets their results in order, errors among them."""
    results: List[Any] = [None] * len(lines)
    left = len(lines)

    def answered(place: int, result: Any, error: Optional[WherryError]) -> None:
        nonlocal left
        results[place] = result if error is None else error
        left -= 1
        if left == 0:
            on_done(results, None)

    for place, (method, params, options) in enumerate(lines):
        def done(result: Any, error: Optional[WherryError], place: int = place) -> None:
            answered(place, result, error)
        try:
            engine.submit(Request(method, params, options, done, deadline=ends))
        except WherryError as error:
            answered(place, None, error)
    if not lines:
        on_done(results, None)


def first_error(results: List[Any]) -> List[Any]:
    """The results, unless one of them is an error: it is raised."""
    for place, result in enumerate(results):
        if isinstance(result, WherryError):
            result.details = {"index": place, **(result.details or {})}
            raise result
    return results


def transaction_options(if_revisions: Optional[Dict[Any, int]], on_error: Optional[str],
                        ns: Optional[str]) -> Dict[str, Any]:
    """The options of tx.exec."""
    conditions = [[key, revision] for key, revision in if_revisions.items()] if if_revisions else None
    named = {"if": conditions, "on_error": on_error, "ns": ns}
    return {name: value for name, value in named.items() if value is not None}


def transaction_results(results: List[Any]) -> List[Any]:
    """Of {on_error: "continue"}: [error, result] of each as a value or an error."""
    return [result if error is None else from_broker(error) for error, result in results]


Item = TypeVar("Item")


class Stream(Generic[Item]):
    """What comes into a mailbox, one after another.  A Gap is told to on_gap at its place, and by the next item."""

    def __init__(self, mailbox: Mailbox, on_gap: Optional[Callable[[Gap], Any]]):
        self._mailbox, self._on_gap = mailbox, on_gap
        self._gap = Gap()

    def _sort(self, item: Any) -> Any:
        """An item that was taken out: itself, or NOTHING if it was a Gap."""
        if not isinstance(item, Gap):
            if self._gap:
                item.gap, self._gap = self._gap, Gap()
            return item
        self._gap = Gap(self._gap.lost + item.lost, self._gap.reconnected or item.reconnected)
        if self._on_gap:
            self._on_gap(item)
        return NOTHING
