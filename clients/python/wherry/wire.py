"""The wire: SP's greeting and messages, and the MessagePack-RPC objects inside.  Bytes in, bytes out."""

from __future__ import annotations

import struct
from typing import Any, Iterator, List, NamedTuple, Union

from .errors import Corrupt, TryAgain
from .values import unpack_all

GREETING = b"\0SP\0\0\x11\0\0"  # PAIR1, both ways
REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
ID_MOST = 0xFFFFFFFF
FIRST_HOP = 1
_HEAD, _IPC_HEAD = struct.Struct(">QI"), struct.Struct(">BQI")
_IPC_MESSAGE = 1


def message(frame: bytes, ipc: bool) -> bytes:
    """A frame as a message of SP."""
    if ipc:
        return _IPC_HEAD.pack(_IPC_MESSAGE, len(frame) + 4, FIRST_HOP) + frame
    return _HEAD.pack(len(frame) + 4, FIRST_HOP) + frame


class Frames:
    """What comes from the broker: the greeting, then frames."""

    def __init__(self, ipc: bool, longest: int):
        self._head = _IPC_HEAD if ipc else _HEAD
        self._ipc, self._longest = ipc, longest
        self._bytes = bytearray()
        self.greeted = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now.  TryAgain: whoever that is, it is no broker; Corrupt: these are no frames."""
        self._bytes += data
        if not self.greeted:
            self._greet()
        at = 0
        try:
            while self.greeted and (end := self._end(at)):
                yield bytes(self._bytes[at + self._head.size:end])
                at = end
        finally:
            del self._bytes[:at]

    def _greet(self) -> None:
        if not GREETING.startswith(self._bytes[:len(GREETING)]):
            raise TryAgain("whoever listens there is not a broker")
        if len(self._bytes) >= len(GREETING):
            del self._bytes[:len(GREETING)]
            self.greeted = True

    def _end(self, at: int) -> int:
        """Where the message at `at` ends; 0: it is not whole yet."""
        if len(self._bytes) - at < self._head.size:
            return 0
        *kind, length, hops = self._head.unpack_from(self._bytes, at)
        if kind not in ([], [_IPC_MESSAGE]) or length < 4 or not 0 < hops < 16:
            raise Corrupt("what came is no frame of a broker")
        if length > self._longest:
            raise Corrupt(f"the broker sent a frame of {length} bytes; this client takes {self._longest}: max_frame")
        end: int = at + self._head.size - 4 + length
        return end if end <= len(self._bytes) else 0


class Response(NamedTuple):
    id: Any  # None: a frame could not be read
    error: Any
    result: Any


class Notification(NamedTuple):
    method: str
    params: List[Any]
    options: Any


def objects(frame: bytes) -> List[Union[Response, Notification]]:
    """What a frame of the broker holds.  Corrupt: it is none."""
    return [made for value in unpack_all(frame) if (made := _object(value)) is not None]


def _object(value: Any) -> Union[Response, Notification, None]:
    if isinstance(value, list) and value and type(value[0]) is int:
        kind, *rest = value
        if kind == RESPONSE and len(rest) == 3 and (rest[0] is None or type(rest[0]) is int):
            return Response(*rest)
        if kind == NOTIFICATION and len(rest) in (2, 3) and isinstance(rest[0], str) and isinstance(rest[1], list):
            return Notification(rest[0], rest[1], rest[2] if len(rest) == 3 else {})
    raise Corrupt(f"the broker sent something that is no answer: {value!r:.100}")
