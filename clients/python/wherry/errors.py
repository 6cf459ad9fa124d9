"""What can go wrong: one class for each code of the protocol, all of them WherryError.

    try:
        client.kv.incr("visits")
    except wherry.TypeMismatch as error:
        print(error.name, error.text)

`local` tells what this side found out (True) from what the broker answered (False).  A command that fails changed
nothing, with three exceptions: a local TimedOut, Stale or Corrupt leaves open whether it ran.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional


class WherryError(Exception):
    """An error with the protocol's `code` and `name`, a `text` for people and `details` for programs, or None."""

    code = 0
    name = ""

    def __init__(self, text: str, details: Optional[Mapping[Any, Any]] = None, local: bool = True,
                 code: Optional[int] = None, name: Optional[str] = None):
        super().__init__(text)
        self.text = text
        self.details = details
        self.local = local
        if code is not None:
            self.code = code
        if name is not None:
            self.name = name

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> Any:
        return type(self), (self.text, self.details, self.local, self.code, self.name)


class ArgumentError(WherryError, ValueError):
    """An argument, its kind, their number, or something that can't be sent."""

    code, name = -1, "EARG"


class TypeMismatch(WherryError):
    """The key holds another type."""

    code, name = -2, "ETYPE"


class NotFound(WherryError):
    """No such key, namespace, thing."""

    code, name = -3, "ENOKEY"


class AlreadyExists(WherryError):
    """It exists already."""

    code, name = -4, "EEXIST"


class LimitReached(WherryError):
    """A configured limit, named; or a number out of range."""

    code, name = -5, "ELIMIT"


class OutOfMemory(WherryError):
    """The broker is out of memory."""

    code, name = -6, "ENOMEM"


class TryAgain(WherryError):
    """Not now.  A local one: no broker answered for as long as the call might take, and it was not sent."""

    code, name = -7, "EAGAIN"


class TimedOut(WherryError, TimeoutError):
    """The time ran out.  A local one: whether the command ran is not known."""

    code, name = -8, "ETIMEOUT"


class ShuttingDown(WherryError):
    """The broker is shutting down.  A local one: the client was closed."""

    code, name = -9, "ESHUTDOWN"


class Denied(WherryError):
    """Not allowed."""

    code, name = -10, "EDENIED"


class Unsupported(WherryError):
    """Not here, or not on this kind of connection."""

    code, name = -11, "EUNSUPPORTED"


class InternalError(WherryError):
    """A fault in the broker, a module or this client: please report it."""

    code, name = -12, "EINTERNAL"


class Conflict(WherryError):
    """The revision is another's."""

    code, name = -13, "ECONFLICT"


class Stale(WherryError):
    """A token, cursor or subscription is no longer valid.  A local one: the connection ended before the answer came,
    and whether the command ran is not known."""

    code, name = -14, "ESTALE"


class Corrupt(WherryError):
    """Stored data is damaged.  A local one: the broker sent something that is no answer."""

    code, name = -15, "ECORRUPT"


class UnknownCommand(WherryError):
    """No such command; details may have did_you_mean."""

    code, name = -16, "ENOCMD"


class QueueFull(WherryError):
    """A bounded queue is full."""

    code, name = -17, "EFULL"


class DiskFailed(WherryError):
    """The broker's disk failed: reading goes on, writing does not."""

    code, name = -18, "EIO"


class NobodyListens(WherryError):
    """Nobody listens to the topic."""

    code, name = -19, "ENORESP"


class SessionTaken(WherryError):
    """The session was resumed elsewhere."""

    code, name = -20, "ETAKEN"


_BY_CODE = {kind.code: kind for kind in WherryError.__subclasses__()}


def from_broker(error: Any) -> WherryError:
    """The exception for a response's error; a code that is not known here is a plain WherryError."""
    if not isinstance(error, list) or len(error) < 3 or type(error[0]) is not int or not isinstance(error[1], str):
        return Corrupt(f"the broker sent an error that can't be read: {error!r:.100}")
    code, name, text = error[:3]
    details = error[3] if len(error) > 3 and isinstance(error[3], dict) else None
    return _BY_CODE.get(code, WherryError)(str(text), details, False, code, name)


__all__ = ["WherryError", *(kind.__name__ for kind in WherryError.__subclasses__())]
