"""What came for somebody who waits no more, because its time ran out or its task was cancelled, is given back: a job to
its queue, uncounted; a lock; a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from .errors import WherryError

if TYPE_CHECKING:
    from .engine import Engine
    from .request import Request

Undo = List[Tuple[str, List[Any], Dict[str, Any]]]


def _pop(request: "Request", jobs: Any) -> Undo:
    if request.options and request.options.get("ack", True) is not True:
        return []  # they were taken for good
    return [("queue.nack", [job["queue"], job["token"]], {"count": False}) for job in jobs]


def _acquire(request: "Request", token: Any) -> Undo:
    return [("lock.release", [request.params[0], token], {})] if token is not None else []


def _subscribe(request: "Request", number: Any) -> Undo:
    return [("pubsub.unsubscribe", [number], {})]


def _watch(request: "Request", number: Any) -> Undo:
    return [("kv.unwatch", [number], {})]


_UNDO = {"queue.pop": _pop, "lock.acquire": _acquire, "pubsub.subscribe": _subscribe, "kv.watch": _watch}


def undo(engine: "Engine", request: "Request", result: Any) -> None:
    """Takes back what a request did, as far as it left something that others wait for."""
    if result is None or request.method not in _UNDO:
        return
    namespace = (request.options or {}).get("ns")
    try:
        for method, params, options in _UNDO[request.method](request, result):
            more = {**options, "ns": namespace} if namespace else options
            engine.ask(method, params, more, lambda result, error: None)
    except (WherryError, TypeError, KeyError):
        pass  # closed, or no such answer: the broker gives it back by itself
