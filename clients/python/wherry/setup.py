"""What a new connection is asked before anything else: who the client is, its namespace, its will, and what commands there
are."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

from .catalog import Catalog
from .errors import ArgumentError, LimitReached, WherryError
from .request import Request
from .settings import Settings
from .values import depth

PROTOCOL_VERSION = 1
OVERHEAD = 32  # bytes of a message that are no request
_LIMITS = {"frame": 16 << 20, "depth": 24}


class Setup:
    """What a session had, so that the next one has it too."""

    def __init__(self, settings: Settings):
        self.limits = dict(_LIMITS)
        self.refused: Optional[WherryError] = None
        self._name, self._namespace = settings.name, settings.namespace
        self._will: Optional[Request] = None
        self._used = 0  # the id of the session.use that brought us where we are, of this connection
        self._left = 0

    @property
    def namespace(self) -> Optional[str]:
        return self._namespace

    def check_limits(self, request: Request) -> None:
        """What the broker would refuse, so that a frame is not refused for one request in it."""
        size = len(request.body)
        if size + OVERHEAD > self.limits["frame"]:
            raise LimitReached(f"{request.method} would be {size} bytes; the broker takes {self.limits['frame']}: max_frame")
        if any(depth(value) > self.limits["depth"] for value in (*request.params, *(request.options or {}).values())):
            raise ArgumentError(f"{request.method}: a value nests more than {self.limits['depth']} deep: max_depth")

    def remember(self, request: Request) -> None:
        """A request was answered well."""
        if request.method == "session.use" and request.params:
            self._namespace, self._used = request.params[0], request.id
        elif request.method == "session.will":
            self._will = request if request.params[0] is not None else None  # None takes it back

    def is_of_this_namespace(self, request: Request) -> bool:
        """What was sent before the namespace changed would run elsewhere if it were sent again."""
        return request.id >= self._used or bool(request.options and "ns" in request.options)

    def forget_order(self) -> None:
        self._used = 0

    def requests(self, catalog: Catalog, answered: Callable[[], None]) -> List[Request]:
        """The first frame; `answered` is called when all of it is, and may find `refused` set."""
        self.refused = None
        hello: Dict[str, Any] = {"version": PROTOCOL_VERSION, **({"client": self._name} if self._name else {})}
        made = [self._request(answered, "session.hello", [], hello, self._learn_limits)]
        if self._namespace:
            made.append(self._request(answered, "session.use", [self._namespace], None))
        if self._will:
            made.append(self._request(answered, "session.will", self._will.params, self._will.options))
        made.append(self._request(answered, "sys.commands", [], None, catalog.learn, False))
        self._left = len(made)
        return made

    def _request(self, answered: Callable[[], None], method: str, params: Any, options: Any,
                 learn: Callable[[Any], None] = lambda result: None, needed: bool = True) -> Request:
        def done(result: Any, error: Optional[WherryError]) -> None:
            self._left -= 1
            if error is None:
                learn(result)
            elif needed and self.refused is None:
                self.refused = error
            if self._left == 0:
                answered()

        return Request(method, params, options, done)

    def _learn_limits(self, hello: Any) -> None:
        limits = hello.get("limits") if isinstance(hello, dict) else None
        if not isinstance(limits, dict):
            return
        for name in _LIMITS:
            if type(limits.get(name)) is int and limits[name] > 0:
                self.limits[name] = limits[name]
