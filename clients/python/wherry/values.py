"""Values: Python's to MessagePack and back, and which of them can be keys.

A tuple is ext 1 and comes back a tuple; an aware datetime is a timestamp and comes back in UTC with its microseconds; bytes
are bin and str are str, also one that is no UTF-8 (its bytes are escaped as os.fsdecode does).  What MessagePack has no room
for, or what would come back as something else, is refused before it is sent: a naive datetime, an int beyond 64 bits, a
set.  A timestamp that no datetime can hold comes as msgpack.Timestamp, a map that no dict can hold as Pairs.
"""

from __future__ import annotations

import datetime
from collections import abc
from typing import Any, List

import msgpack

from .errors import ArgumentError, Corrupt

EXT_TUPLE = 1
TEXT_ERRORS = "surrogateescape"
Ext = msgpack.ExtType


def pack(value: Any) -> bytes:
    """One value as MessagePack; ArgumentError tells what in it can't be sent."""
    try:
        return bytes(msgpack.packb(value, default=_plainer, strict_types=True, datetime=True, unicode_errors=TEXT_ERRORS))
    except UnicodeEncodeError as wrong:
        raise ArgumentError(f"a str that can't be sent: {wrong}") from None
    except ArgumentError:
        raise
    except (ValueError, OverflowError, RecursionError) as wrong:
        raise ArgumentError(f"it can't be sent: {wrong}") from None


def _plainer(value: Any) -> Any:
    """What MessagePack does not know by itself as something that it knows: called by the packer."""
    if isinstance(value, tuple):
        return Ext(EXT_TUPLE, b"".join(map(pack, value)))
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ArgumentError(f"{value!r} has no time zone: which moment it means is not known")
        return msgpack.Timestamp.from_datetime(value)
    if type(value) is int:
        raise ArgumentError("an int beyond 64 bits can't be sent: -2**63 to 2**64-1 can")
    for kind in (int, float, str, bytes):
        if isinstance(value, kind) and type(value) is not kind:
            return kind(value)
    if isinstance(value, abc.Mapping):
        return dict(value)
    if isinstance(value, list) and not isinstance(value, Pairs):
        return list(value)
    raise ArgumentError(f"a {type(value).__name__} can't be sent")


def unpack_all(data: bytes) -> List[Any]:
    """The values that stand after one another in data."""
    try:
        return _unpack_all(data, _USUAL)
    except (OverflowError, ValueError, TypeError):
        pass
    except (RecursionError, MemoryError) as wrong:
        raise Corrupt(f"what the broker sent is not MessagePack: {wrong}") from None
    try:  # perhaps a moment that datetime has no room for, or a key that no dict takes
        return _unpack_all(data, _ROOMY)
    except (OverflowError, ValueError, RecursionError, MemoryError) as wrong:
        raise Corrupt(f"what the broker sent is not MessagePack: {wrong}") from None


class Pairs(list):  # type: ignore[type-arg]
    """A map with keys that no dict takes (lists, maps): its (key, value) pairs.  It can't be sent."""


def _map(pairs: List[Any]) -> Any:
    try:
        return dict(pairs)
    except TypeError:
        return Pairs(pairs)


_USUAL = {"timestamp": 3}
_ROOMY = {"timestamp": 0, "object_pairs_hook": _map}


def _unpack_all(data: bytes, how: Any) -> List[Any]:
    def hook(code: int, content: bytes) -> Any:
        return tuple(_unpack_all(content, how)) if code == EXT_TUPLE else Ext(code, content)

    unpacker = msgpack.Unpacker(ext_hook=hook, strict_map_key=False, unicode_errors=TEXT_ERRORS,
                                max_buffer_size=len(data) or 1, **how)
    unpacker.feed(data)
    values, end = [], 0
    for value in unpacker:
        values.append(value)
        end = unpacker.tell()
    if end != len(data):
        raise ValueError(f"the last {len(data) - end} bytes are no whole value")
    return values


def is_key(value: Any) -> bool:
    """Whether a value can be a key: str, bytes, int, float but NaN, or a tuple of these."""
    if isinstance(value, tuple):
        return not isinstance(value, Ext) and all(map(is_key, value))
    if isinstance(value, float):
        return value == value
    return isinstance(value, (str, int, bytes, bytearray, memoryview)) and not isinstance(value, bool)


_PLAIN = {type(None), bool, int, float, str, bytes}


def depth(value: Any) -> int:
    """How deep lists, tuples and maps stand in one another; 0 for a plain value."""
    deepest, level = 0, [value]
    while containers := [item for item in level if type(item) not in _PLAIN and isinstance(item, _CONTAINERS)]:
        deepest += 1
        level = [item for container in containers for item in _not_plain(container)]
    return deepest


_CONTAINERS = (list, tuple, abc.Mapping)


def _not_plain(container: Any) -> Any:
    """What in a container may be one itself, mostly nothing: told by the types, which is fast."""
    if isinstance(container, abc.Mapping):
        container = [*container.keys(), *container.values()]
    return () if _PLAIN.issuperset(map(type, container)) else [item for item in container if type(item) not in _PLAIN]
