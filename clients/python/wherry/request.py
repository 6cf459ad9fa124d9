"""One request, from the moment it is asked until it is answered or given up."""

from __future__ import annotations

import enum
from typing import Any, Callable, Dict, Optional, Sequence

from .errors import ArgumentError, WherryError
from .timers import NEVER
from .values import pack
from .wire import REQUEST

OnDone = Callable[[Any, Optional[WherryError]], None]


class State(enum.Enum):
    WAITS = "waits to be sent"
    SENT = "was sent, in part at least"
    DONE = "was answered or given up"


class Request:
    """deadline: the clock's time at which it ends.  repeat: running twice does no harm.  may_part: it may be asked again
    behind others that came later, since nobody relies on their order.  on_done is called exactly once, with the result or
    the error."""

    __slots__ = ("method", "params", "options", "on_done", "deadline", "repeat", "may_part", "id", "body", "state", "alone",
                 "mates", "end", "cuts", "again", "abandoned", "result")

    def __init__(self, method: str, params: Sequence[Any], options: Optional[Dict[str, Any]], on_done: OnDone, *,
                 deadline: float = NEVER, repeat: bool = False, may_part: bool = False):
        if not isinstance(method, str):
            raise ArgumentError(f"a method is a str, not {method!r:.100}")
        self.method, self.params, self.options, self.on_done = method, params, options, on_done
        self.deadline, self.repeat, self.may_part = deadline, repeat or _repeatable(method, options), may_part
        self.state, self.result = State.WAITS, None
        self.id = self.end = self.cuts = 0
        self.mates = 1  # how many are in its frame
        self.alone = self.again = self.abandoned = False

    def encode(self, number: int) -> None:
        request = [REQUEST, number, self.method, list(self.params)]
        if self.options:
            request.append(self.options)
        self.id, self.body = number, pack(request)


def _repeatable(method: str, options: Optional[Dict[str, Any]]) -> bool:
    """What a pop took is given back when its connection ends, so asking again loses nothing; so is a namespace."""
    if method == "queue.pop":
        return not options or (options.get("ack", True) is True and not options.get("hold"))
    return method == "session.use"
