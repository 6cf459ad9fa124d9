"""Bytes that mean harm, sent to a live broker: it lives, its memory stays bounded, the next client is served."""

import os
import random
import socket
import struct
import time
import unittest

from servers import SP_PAIR1, SP_REQ, Wherryd
from wherry_py import Client, pack, unpack_all

MIB = 1024 * 1024
LONG = bool(os.environ.get("WHERRY_LONG"))
EARG = -1

REQUEST = pack([0, 1, "kv.set", ["key", {"a": [1, 2.5, None, True, b"bytes"]}], {"ttl_ms": 60000}])


def framed(body, header=b"\0\0\0\1"):
    return struct.pack(">Q", len(header) + len(body)) + header + body


def exchange(stream, timeout_s=5):
    """One whole SP message, without its header; None: the broker closed."""
    stream.settimeout(timeout_s)
    try:
        head = stream.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            return None
        return stream.recv(struct.unpack(">Q", head)[0], socket.MSG_WAITALL)[4:]
    except ConnectionError:
        return None


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(handshake_timeout="1s", max_frame="1MiB").start()

    @classmethod
    def tearDownClass(cls):
        status = cls.broker.stop()
        assert status == 0, f"wherryd ended with {status}"

    def setUp(self):
        self.before = self.broker.resident()

    def tearDown(self):
        self.assertTrue(self.broker.alive(), self.broker.read_log() if not self.broker.alive() else "")
        with Client(self.broker.url) as client:
            client.call("kv.set", "next", 1)
            self.assertEqual(client.call("kv.get", "next"), 1)
        if not self.broker.sanitized():
            self.assertLess(self.broker.resident() - self.before, 64 * MIB)

    def send_and_close(self, data, protocol=SP_PAIR1):
        with self.broker.connect(protocol) as stream:
            try:
                stream.sendall(data)
            except ConnectionError:
                pass

    def served(self):
        self.assertEqual(self.broker.call("sys.ping"), self.pong)

    @property
    def pong(self):
        with Client(self.broker.url) as client:
            return client.call("sys.ping")

    # --- a valid frame, damaged ---

    def test_cut_anywhere(self):
        whole = framed(REQUEST)
        for end in range(len(whole)):
            self.send_and_close(whole[:end])
        self.served()

    def test_cut_body_in_a_whole_message(self):
        """Nothing of it runs, one answer says why, the connection stays."""
        with self.broker.connect() as stream:
            for end in range(1, len(REQUEST)):
                stream.sendall(framed(REQUEST[:end]))
                (kind, number, error, result), = unpack_all(exchange(stream))
                self.assertEqual((kind, number, error[0], result), (1, None, EARG, None))
            stream.sendall(framed(pack([0, 9, "kv.exists", ["key"]])))
            self.assertEqual(unpack_all(exchange(stream)), [[1, 9, None, [False]]])

    def test_every_bit_flipped(self):
        """Every bit of the body: whatever it means now, there is an answer and no harm."""
        for protocol, header in ((SP_PAIR1, b"\0\0\0\1"), (SP_REQ, b"\x80\0\0\1")):
            with self.broker.connect(protocol) as stream:
                for bit in range(8 * len(REQUEST)):
                    body = bytearray(REQUEST)
                    body[bit // 8] ^= 1 << bit % 8
                    probe = pack([0, 1000 + bit, "sys.ping", []])
                    if protocol == SP_REQ:
                        header = struct.pack(">I", 0x80000000 | 2 * bit)
                        probe_header = struct.pack(">I", 0x80000000 | 2 * bit + 1)
                    else:
                        probe_header = header
                    stream.sendall(framed(bytes(body), header) + framed(probe, probe_header))
                    self._await_probe(stream, 1000 + bit)

    def _await_probe(self, stream, number):
        while True:
            body = exchange(stream)
            self.assertIsNotNone(body, "the connection was closed")
            for answer in unpack_all(body):
                if answer[1] == number:
                    self.assertIsNone(answer[2])
                    return

    def test_every_bit_of_the_message_head_flipped(self):
        whole = framed(REQUEST)
        for bit in range(8 * 12):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            self.send_and_close(bytes(damaged))
        self.served()

    # --- SP ---

    def test_every_protocol_and_none(self):
        for protocol in [*range(0x80), 0xff, 0x100, 0x1130, 0xffff]:
            with socket.create_connection(("127.0.0.1", self.broker.port), 5) as stream:
                stream.sendall(b"\0SP\0" + struct.pack(">H", protocol) + b"\0\0" + framed(REQUEST))
        for hello in (b"", b"\0", b"\0SP", b"\0SP\1\0\x30\0\0", b"\0SQ\0\0\x30\0\0", b"\0SP\0\0\x30\0\1", b"SP\0\0\x30\0\0\0",
                      b"\xff" * 8, b"GET / HT"):
            with socket.create_connection(("127.0.0.1", self.broker.port), 5) as stream:
                stream.sendall(hello)
        self.served()

    def test_a_peer_that_says_nothing_is_closed(self):
        with socket.create_connection(("127.0.0.1", self.broker.port), 5) as mute:
            mute.settimeout(10)
            start = time.monotonic()
            while True:  # the broker may greet first
                if not mute.recv(64):
                    break
            self.assertGreater(time.monotonic() - start, 0.5)

    def test_lengths_up_to_the_largest(self):
        lengths = sorted({max(0, (1 << power) + more) for power in range(64) for more in (-1, 0, 1)} | {2 ** 64 - 1})
        for protocol in (SP_PAIR1, SP_REQ):
            for length in lengths:
                self.send_and_close(struct.pack(">Q", length) + b"\x80\0\0\1" + b"\0" * 16, protocol)
        self.served()

    def test_an_oversize_length_closes_the_connection(self):
        for length in (2 * MIB, 1 << 32, 1 << 63, 2 ** 64 - 1):
            with self.broker.connect() as stream:
                stream.sendall(struct.pack(">Q", length) + b"\0\0\0\1")
                answer = exchange(stream)
                if answer is not None:
                    self.assertIsNone(unpack_all(answer)[0][1])
                    self.assertIsNone(exchange(stream))

    def test_short_headers(self):
        """Messages too short for the protocol's own header, and REQ headers that never end."""
        for protocol in (SP_PAIR1, SP_REQ):
            for size in range(4):
                self.send_and_close(struct.pack(">Q", size) + b"\0" * size, protocol)
            for hops in (1, 2, 16, 1000):
                self.send_and_close(framed(REQUEST, b"\0\0\0\2" * hops), protocol)
                self.send_and_close(framed(REQUEST, b"\0\0\0\2" * hops + b"\x80\0\0\1"), protocol)
        self.served()

    # --- msgpack ---

    def test_bombs(self):
        """A few bytes that promise gigabytes, or nest for ever: one answer, the connection stays."""
        bombs = {"array": b"\xdd\xff\xff\xff\xff", "map": b"\xdf\xff\xff\xff\xff", "str": b"\xdb\xff\xff\xff\xff",
                 "bin": b"\xc6\xff\xff\xff\xff", "ext": b"\xc9\xff\xff\xff\xff\x01",
                 "params": b"\x94\x00\x01\xa6kv.get\xdd\xff\xff\xff\xff", "nested": b"\x91" * 500_000,
                 "nested maps": b"\x81\x00" * 250_000, "arrays in order": b"\xdd\x00\x01\x00\x00" * 100_000,
                 "value": b"\x94\x00\x01\xa6kv.set\x92\xa1k" + b"\x91" * 1000 + b"\xc0",
                 "tuples": b"\x94\x00\x01\xa6kv.get\x91" + b"\xc7\xff\x01" * 1000, "reserved": b"\xc1" * 1000,
                 "many": b"\x94\x00\x01\xa6kv.set\x92\xa1k\xdd\x00\x0f\xff\x00" + b"\xc0" * 0xfff00}
        with self.broker.connect() as stream:
            for name, bomb in bombs.items():
                with self.subTest(name):
                    stream.sendall(framed(bomb))
                    body = exchange(stream)
                    self.assertIsNotNone(body, "the connection was closed")
                    if name != "many":  # large, but allowed
                        self.assertLess(unpack_all(body)[0][2][0], 0)
            stream.sendall(framed(pack([0, 3, "sys.ping", []])))
            self.assertEqual(unpack_all(exchange(stream))[0][:3], [1, 3, None])

    def test_noise(self):
        """Random bodies, and random changes of a valid one."""
        source = random.Random(511)
        for round_ in range(20_000 if LONG else 500):
            with self.broker.connect(source.choice((SP_PAIR1, SP_REQ))) as stream:
                for _ in range(20):
                    body = bytearray(REQUEST * source.randrange(1, 4))
                    for _ in range(source.randrange(1, 8)):
                        body[source.randrange(len(body))] = source.randrange(256)
                    if source.random() < 0.3:
                        body = source.randbytes(source.randrange(300))
                    header = struct.pack(">I", 0x80000000 | source.getrandbits(31))
                    try:
                        stream.sendall(framed(bytes(body), header))
                    except ConnectionError:
                        break
        self.served()


class Gone(unittest.TestCase):
    """Clients that leave in the middle of everything."""

    def test_clients_leave_while_answers_are_on_their_way(self):
        with Wherryd() as broker:
            broker.call("kv.set", "large", bytes(MIB))
            before = broker.descriptors()
            for _ in range(60 if broker.sanitized() else 300):
                with broker.connect() as stream:
                    stream.sendall(framed(pack([0, 1, "kv.get", ["large"]])) * 8)
            end = time.monotonic() + 30
            while broker.descriptors() > before and time.monotonic() < end:
                time.sleep(0.05)
            self.assertLessEqual(broker.descriptors(), before)
            self.assertEqual(len(broker.call("kv.get", "large")), MIB)


if __name__ == "__main__":
    unittest.main()
