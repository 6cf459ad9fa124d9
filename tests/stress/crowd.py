"""Crowds of connections for the tests here, in processes of their own so that they do not slow the tests' clock:

    crowd.py garbage PORT PER_SECOND SECONDS     connections that are wrong in every way; prints how many it made
    crowd.py genuine PORT SECONDS                clients that come, ask once and go; prints their times in ms as JSON
"""

import json
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from wherry_py import Client  # noqa: E402

HELLO = b"\0SP\0\0\x11\0\0"


def reset(stream):
    """Closes with RST instead of FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def nothing(_stream, _random):
    pass


def rst(stream, _random):
    reset(stream)


def noise(stream, source):
    stream.send(source.randbytes(source.randrange(1, 200)))


def wrong_protocol(stream, source):
    stream.send(b"\0SP\0" + source.randbytes(2) + b"\0\0" + source.randbytes(20))


def huge_length(stream, source):
    stream.send(HELLO + struct.pack(">Q", source.getrandbits(64)) + b"\0\0\0\1")


def half_a_hello(stream, _random):
    stream.send(HELLO[:4])
    reset(stream)


def http(stream, _random):
    stream.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


KINDS = (nothing, rst, noise, wrong_protocol, huge_length, half_a_hello, http)


def garbage(port, per_second, seconds):
    source, start, made = random.Random(1973), time.monotonic(), 0
    while made < per_second * seconds:
        with socket.create_connection(("127.0.0.1", port), 10) as stream:
            try:
                KINDS[made % len(KINDS)](stream, source)
            except OSError:
                pass  # the broker hung up first
        made += 1
        ahead = start + made / per_second - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    print(json.dumps({"made": made, "seconds": time.monotonic() - start}))


def genuine(port, seconds):
    end, times = time.monotonic() + seconds, []
    while time.monotonic() < end:
        start = time.monotonic()
        with Client(f"tcp://127.0.0.1:{port}") as client:
            client.call("sys.ping")
        times.append((time.monotonic() - start) * 1000)
        time.sleep(0.005)
    print(json.dumps(times))


if __name__ == "__main__":
    {"garbage": garbage, "genuine": genuine}[sys.argv[1]](*(int(word) for word in sys.argv[2:]))
