#!/usr/bin/python3
"""A client for tests in plain Python: SP framing on a socket, msgpack from python3-msgpack, no NNG.

It is written from include/wherry/README.md alone, so that the document and the broker check each other.  Slow and
simple: one thread, blocking calls, a timeout on everything.

    with Client("tcp://127.0.0.1:1973") as c:
        c.call("kv.set", "a", (1, 2), ttl_ms=500)
        c.frame([("kv.get", "a"), ("kv.get", "b"), ("kv.set", "a", 1, {"nx": True})])
"""

import datetime
import itertools
import json
import socket
import struct
import sys
import urllib.parse

import msgpack

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
EXT_TUPLE = 1
SP_PROTOCOLS = {"pair0": (0x10, 0x10), "pair1": (0x11, 0x11), "req": (0x30, 0x31), "sub": (0x21, 0x20),
                "pub": (0x20, 0x21), "push": (0x50, 0x51), "pull": (0x51, 0x50)}
REQ_LAST_HOP = 0x80000000
PAIR1_FIRST_HOP = 1


class WherryError(Exception):
    """The error of a response."""

    def __init__(self, error):
        self.code, self.name, self.text, self.details = error
        super().__init__(f"{self.name}: {self.text}")


class Refused(Exception):
    """The broker closed the connection."""


def pack(value):
    """One value as msgpack: a tuple becomes ext 1, an aware datetime a timestamp."""
    return msgpack.packb(value, default=_pack_other, strict_types=True, datetime=True)


def _pack_other(value):
    if isinstance(value, tuple):
        return msgpack.ExtType(EXT_TUPLE, b"".join(pack(element) for element in value))
    raise TypeError(f"{type(value).__name__} is no msgpack value")


def unpack_all(data):
    """The values that stand after one another in data."""
    unpacker = msgpack.Unpacker(ext_hook=_unpack_ext, strict_map_key=False, timestamp=3,
                                unicode_errors="surrogateescape", max_buffer_size=0)
    unpacker.feed(data)
    values = list(unpacker)
    if unpacker.tell() != len(data):
        raise ValueError(f"{len(data) - unpacker.tell()} bytes are no whole value")
    return values


def _unpack_ext(code, data):
    return tuple(unpack_all(data)) if code == EXT_TUPLE else msgpack.ExtType(code, data)


class Stream:
    """An SP connection: whole messages in and out, their protocol headers included."""

    def __init__(self, url, mine, theirs, timeout):
        parts = urllib.parse.urlsplit(url)
        self.ipc = parts.scheme == "ipc"
        if self.ipc:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            address = url[len("ipc://"):]
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            address = (parts.hostname, parts.port)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.socket.sendall(struct.pack(">4sHH", b"\0SP\0", mine, 0))
        hello = self.read(8)
        if hello != struct.pack(">4sHH", b"\0SP\0", theirs, 0):
            raise Refused(f"the broker greeted with {hello.hex(' ')}")

    def read(self, count):
        chunks = []
        while count:
            chunk = self.socket.recv(min(count, 1 << 20))
            if not chunk:
                raise Refused("the broker closed the connection")
            chunks.append(chunk)
            count -= len(chunk)
        return b"".join(chunks)

    def send(self, message):
        self.socket.sendall((b"\1" if self.ipc else b"") + struct.pack(">Q", len(message)) + message)

    def recv(self):
        if self.ipc and self.read(1) != b"\1":
            raise Refused("no message begins with this byte")
        return self.read(struct.unpack(">Q", self.read(8))[0])

    def close(self):
        self.socket.close()


class Client:
    """A session.  protocol: "pair1" (duplex; answers may overtake, notifications come) or "req" (one exchange)."""

    def __init__(self, url, protocol="pair1", timeout=10.0):
        self.protocol = protocol
        self.stream = Stream(url, *SP_PROTOCOLS[protocol], timeout)
        self.notifications = []
        self._ids = itertools.count(1)
        self._exchanges = itertools.count(1)
        self._exchange = None
        self._answers = {}

    # --- frames ---------------------------------------------------------------------------------------------------

    def send(self, body):
        """Sends one frame body, whatever it is."""
        if self.protocol == "req":
            self._exchange = struct.pack(">I", REQ_LAST_HOP | next(self._exchanges) % REQ_LAST_HOP)
            self.stream.send(self._exchange + body)
        elif self.protocol == "pair1":
            self.stream.send(struct.pack(">I", PAIR1_FIRST_HOP) + body)
        else:
            self.stream.send(body)

    def recv(self):
        """The next frame body."""
        message = self.stream.recv()
        if self.protocol == "req":
            if message[:4] != self._exchange:
                raise Refused(f"the answer to exchange {message[:4].hex()} came, not to {self._exchange.hex()}")
            return message[4:]
        if self.protocol == "pair1":
            if struct.unpack(">I", message[:4])[0] not in range(1, 16):
                raise Refused(f"a hop count of {message[:4].hex()}")
            return message[4:]
        return message

    def raw(self, body):
        """Sends a frame body and answers the objects of the next frame that comes."""
        self.send(body)
        return unpack_all(self.recv())

    def resend(self, body):
        """REQ: the last exchange's header again, as a client does that has waited too long."""
        self.stream.send(self._exchange + body)
        return self.recv()

    # --- requests -------------------------------------------------------------------------------------------------

    def encode(self, method, *params, **options):
        """The bytes of one request and its id."""
        number = next(self._ids)
        request = [REQUEST, number, method, list(params)]
        return pack(request + [options] if options else request), number

    def begin(self, method, *params, **options):
        """Sends a request without waiting; end() answers it.  Duplex only."""
        body, number = self.encode(method, *params, **options)
        self.send(body)
        return number

    def end(self, number):
        error, result = self._wait(number)
        if error is not None:
            raise WherryError(error)
        return result

    def call(self, method, *params, **options):
        return self.end(self.begin(method, *params, **options))

    def notify(self, method, *params, **options):
        """Without an answer.  Duplex only: a REQ exchange of notifications alone would wait for ever."""
        self.send(pack([NOTIFICATION, method, list(params)] + ([options] if options else [])))

    def frame(self, requests):
        """Many requests in one frame, each (method, param..., [{option: value}]); to send a map last, add {}.
        Answers their results in order, errors as WherryError values."""
        body, numbers = b"", []
        for method, *params in requests:
            options = params.pop() if params and isinstance(params[-1], dict) else {}
            encoded, number = self.encode(method, *params, **options)
            body += encoded
            numbers.append(number)
        self.send(body)
        pairs = [self._wait(number) for number in numbers]
        return [result if error is None else WherryError(error) for error, result in pairs]

    def notification(self):
        """The next notification, [method, params...]."""
        while not self.notifications:
            self._receive()
        return self.notifications.pop(0)

    def _receive(self):
        for kind, *rest in unpack_all(self.recv()):
            if kind == RESPONSE:
                number, error, result = rest
                if number in self._answers:
                    raise Refused(f"request {number} was answered twice")
                self._answers[number] = (error, result)
            else:
                self.notifications.append(rest)

    def _wait(self, number):
        while number not in self._answers:
            self._receive()
        return self._answers.pop(number)

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def utc(*fields):
    """datetime(..., tzinfo=utc): only aware ones can be sent."""
    return datetime.datetime(*fields, tzinfo=datetime.timezone.utc)


def main():
    """wherry_py.py URL METHOD [JSON...] [--option=JSON...]: one call from a shell; what is no JSON is a str."""
    def value(text):
        try:
            return json.loads(text)
        except ValueError:
            return text

    if len(sys.argv) < 3:
        sys.exit(main.__doc__)
    url, method, *words = sys.argv[1:]
    params = [value(word) for word in words if not word.startswith("--")]
    options = {name.replace("-", "_"): value(text) if equals else True
               for name, equals, text in (word[2:].partition("=") for word in words if word.startswith("--"))}
    try:
        with Client(url) as client:
            print(client.call(method, *params, **options))
    except WherryError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
