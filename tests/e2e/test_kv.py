#!/usr/bin/python3
"""The daemon as its users meet it: wherryd is started, called over tcp and ipc by a client of our own, and ended.

    WHERRY_BUILD=build/debug tests/e2e/test_kv.py
"""

import os
import random
import socket
import struct
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import msgpack  # noqa: E402
from servers import Wherryd  # noqa: E402
from wherry_py import Client, Refused, WherryError, pack, unpack_all, utc  # noqa: E402


class Daemon(Wherryd):
    """Listens on tcp and ipc."""

    @property
    def ipc(self):
        return f"ipc://{self.dir}/wherry.sock"

    def command(self):
        return super().command() + ["-l", self.ipc]


def await_true(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it does not happen")
        time.sleep(0.002)


class Broker(unittest.TestCase):
    """One daemon for all cases of a class; it has to end with status 0."""

    options = {}

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(**cls.options)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        status = cls.daemon.stop()
        if status != 0:
            raise AssertionError(f"wherryd ended with {status}")

    def setUp(self):
        self.clients = []
        self.client = self.connect()
        self.client.call("kv.clear")

    def tearDown(self):
        for client in self.clients:
            client.close()

    def connect(self, url=None, protocol="pair1", timeout=10.0):
        client = Client(url or self.daemon.url, protocol, timeout)
        self.clients.append(client)
        return client

    def refused(self, name, method, *params, **options):
        with self.assertRaises(WherryError) as caught:
            self.client.call(method, *params, **options)
        self.assertEqual(caught.exception.name, name)
        return caught.exception


class Tour(Broker):
    def connections(self):
        for url in (self.daemon.url, self.daemon.ipc):
            for protocol in ("pair1", "pair0", "req"):
                with self.subTest(url=url, protocol=protocol):
                    self.client.call("kv.clear")
                    yield self.connect(url, protocol)

    def test_every_way_in(self):
        for c in self.connections():
            revision = c.call("kv.set", "foo", "bar")
            self.assertEqual(c.call("kv.entry", "foo"), ["bar", revision, None])
            self.assertEqual(c.frame([("kv.set", "a", 1), ("kv.get", "a"), ("kv.del", "a"), ("kv.get", "a")])[1:],
                             [1, 1, None])
            self.assertEqual(c.call("kv.cas", "foo", "bar", "baz")[0], True)
            self.assertEqual(c.call("kv.incr", "n", 41), 41)
            self.assertEqual(c.call("kv.append", "s", b"xy"), 2)
            self.assertEqual(sorted(c.call("kv.scan", 0)[1]), ["foo", "n", "s"])
            self.assertEqual(sorted(c.call("kv.getall")), [["foo", "baz"], ["n", 41], ["s", b"xy"]])
            self.assertEqual(c.call("kv.clear"), 3)

    def test_types(self):  # T1 T6 T10 T11
        values = [511, 3.14159, "Glücksburg", b"mel ott", True, False, None, (1, 2, 3), (1, (2, 3)), [[1], {"a": [()]}],
                  [511, "Glücksburg", b"mel ott", 3.14159], utc(2020, 2, 29, 12), utc(2020, 2, 29, 12, 0, 0, 123456),
                  utc(1960, 1, 1), 2**64 - 1, -2**63, float("inf"), 1e300, "", b"", [], {}, b"a\0b", "a\0b",
                  msgpack.ExtType(5, b"own"), {(1, 2): "tuple", 7: "int", b"b": "bin"}]
        for value in values:
            self.client.call("kv.set", "v", value)
            got = self.client.call("kv.get", "v")
            self.assertEqual((got, type(got)), (value, type(value)))

    def test_keys(self):  # T2 T3 T4 T12
        keys = ["mel ott homeruns", b"buffoon", 1001, 2.35813, (1, 2, 3), (), "", b"", 1, 1.0, "1", b"1", -5, (1, (2,))]
        for i, key in enumerate(keys):
            self.client.call("kv.set", key, i)
        for i, key in enumerate(keys):
            self.assertEqual(self.client.call("kv.get", key), i)
        self.assertEqual(self.client.call("kv.count"), len(keys))
        for key in ([1, 2, 3], True, None, {}, utc(2020, 1, 1), (1, True), (1, [1]), float("nan")):
            self.refused("EARG", "kv.set", key, 1)

    def test_large_values(self):  # K4 K11
        for size in (65000, 65536, 1 << 20, 15 << 20):
            value = random.Random(size).randbytes(size)
            for url in (self.daemon.url, self.daemon.ipc):
                c = self.connect(url, "req", 30)
                c.call("kv.set", "large", value)
                self.assertEqual(c.call("kv.get", "large"), value)

    def test_errors(self):  # K3
        self.refused("EARG", "kv.get")
        self.refused("EARG", "kv.get", 1, 2)
        self.refused("EARG", "kv.set", "a", 1, ttl_ms="soon")
        self.refused("EARG", "kv.set", "a", 1, colour="red")
        self.refused("ENOCMD", "")
        error = self.refused("ENOCMD", "kv.gte", "a")
        self.assertEqual(error.code, -16)
        self.assertEqual(error.details, {"did_you_mean": "kv.get"})
        self.refused("ENOKEY", "kv.cas", "a", 1, 2)
        self.client.call("kv.set", "a", 1)
        self.assertIn("revision", self.refused("ECONFLICT", "kv.set", "a", 2, rev=0).text)
        self.assertEqual(self.client.call("kv.get", "a"), 1)

    def test_lifetimes(self):  # E1 E3 E5
        self.client.call("kv.set", "long", 1, ttl_ms=100000)
        left = self.client.call("kv.entry", "long")[2]
        self.assertTrue(0 < left <= 100000)
        began = time.monotonic()
        self.client.call("kv.set", "short", 1, ttl_ms=150)
        while self.client.call("kv.get", "short") == 1:
            self.assertLess(time.monotonic() - began, 10)
        self.assertGreater(time.monotonic() - began, 0.149)
        self.client.call("kv.set", "unread", 1, ttl_ms=20)
        await_true(lambda: self.client.call("kv.count") == 1)
        self.client.call("kv.set", "at", 1, at_ms=int(time.time() * 1000) + 50)
        await_true(lambda: self.client.call("kv.exists", "at") == [False])

    def test_many_clients_keys_expire(self):  # E2, smaller
        clients = [self.connect() for _ in range(16)]
        for n, c in enumerate(clients):
            c.frame([("kv.set", (n, i), i, {"ttl_ms": 200 + 40 * i}) for i in range(5)])
        await_true(lambda: self.client.call("kv.count") == 0)

    def test_namespaces(self):
        self.client.call("ns.create", "side")
        self.client.call("kv.set", "a", 1)
        self.client.call("kv.set", "a", 2, ns="side")
        self.assertEqual(self.client.call("kv.get", "a"), 1)
        self.client.call("session.use", "side")
        self.assertEqual(self.client.call("kv.get", "a"), 2)
        self.assertEqual(self.client.call("kv.clear"), 1)
        self.assertEqual(self.connect().call("kv.get", "a"), 1)


class Order(Broker):
    def test_pipelined_frames_in_order(self):
        numbers = [self.client.begin("kv.incr", "n") for _ in range(2000)]
        self.assertEqual([self.client.end(number) for number in numbers], list(range(1, 2001)))

    def test_one_large_frame(self):
        for protocol in ("pair1", "req"):
            c = self.connect(protocol=protocol)
            first = c.call("kv.incr", "n", 0)
            self.assertEqual(c.frame([("kv.incr", "n")] * 5000), list(range(first + 1, first + 5001)))

    def test_errors_in_the_middle_stop_nothing(self):
        got = self.client.frame([("kv.set", "a", "x"), ("kv.incr", "a"), ("no.such",), ("kv.get", "a")])
        self.assertEqual([getattr(result, "name", result) for result in got[1:]], ["EARG", "ENOCMD", "x"])

    def test_notifications_run_in_order_and_answer_nothing(self):
        for i in range(100):
            self.client.notify("kv.set", "a", i)
        self.client.notify("kv.set", "a", "b", "too many")
        self.client.notify("no.such")
        self.assertEqual(self.client.call("kv.get", "a"), 99)
        self.assertEqual(self.client.notifications, [])

    def test_cas_by_many_clients(self):  # C1
        self.client.call("kv.set", "k", 0)
        clients, results = [self.connect() for _ in range(10)], []
        threads = [threading.Thread(target=lambda c=c, i=i: results.append(c.call("kv.cas", "k", 0, i + 1)[0]))
                   for i, c in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(results), [False] * 9 + [True])

    def test_counting_by_many_clients(self):
        def count(client):
            for _ in range(20):
                client.frame([("kv.incr", "n")] * 50)
        threads = [threading.Thread(target=count, args=(self.connect(url, protocol),))
                   for url in (self.daemon.url, self.daemon.ipc) for protocol in ("pair1", "req")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.client.call("kv.get", "n"), 4 * 20 * 50)


class Wire(Broker):
    options = {"max_frame": "1MiB", "handshake_timeout": "200ms"}

    def test_malformed_frames(self):
        good = pack([0, 7, "kv.set", ["a", 1]])
        bad = [b"\xc1", b"\x94\x00\x01", good + b"\xc1", good + good[:-1], pack(5), pack([]), pack([0, 1, "kv.get"]),
               pack([3, 1, "kv.get", []]), pack([0, -1, "kv.get", ["a"]]), pack([0, 2**32, "kv.get", ["a"]]),
               pack([0, 1, b"kv.get", ["a"]]), pack([0, 1, "kv.get", "a"]), pack([0, 1, "kv.get", ["a"], 5]),
               pack([0, 1, "kv.get", ["a"], {}, 6]), b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
               b"\x94\x00\x01\xa6kv.get\x91" + b"\x91" * 100 + b"\xa1a"]
        for protocol in ("pair1", "req"):
            c = self.connect(protocol=protocol)
            for body in bad:
                with self.subTest(protocol=protocol, body=body[:40]):
                    (kind, number, error, result), = c.raw(body)
                    self.assertEqual((kind, number, error[:2], result), (1, None, [-1, "EARG"], None))
            self.assertEqual(c.call("kv.exists", "a"), [False])  # nothing of them ran

    def test_a_response_is_ignored(self):
        self.client.send(pack([1, 5, None, None]))
        self.assertEqual(self.client.call("kv.get", "a"), None)

    def test_nesting(self):
        def nested(depth):
            return b"\x91" * (depth - 1) + b"\x90"
        request = b"\x94\x00\x01\xa6kv.set\x92\xa1d"
        (_, _, error, _), = self.client.raw(request + nested(24))
        self.assertIsNone(error)
        (_, number, error, _), = self.client.raw(request + nested(25))
        self.assertEqual((number, error[1]), (None, "EARG"))

    def test_oversize_messages(self):
        for protocol in ("pair1", "req"):
            c = self.connect(protocol=protocol)
            c.call("kv.set", "a", b"x" * 1000000)
            with self.subTest(protocol=protocol):
                try:
                    c.send(b"\xc6" + struct.pack(">I", 2 << 20) + bytes(2 << 20))
                    (_, number, error, _), = unpack_all(c.recv())
                    self.assertEqual((number, error[1]), (None, "ELIMIT"))
                    c.recv()
                    self.fail("the connection should be closed")
                except (Refused, ConnectionError):
                    pass
        with self.assertRaises((Refused, ConnectionError)):
            c = self.connect()
            c.stream.socket.sendall(b"\xff" * 8 + struct.pack(">I", 1))
            c.recv()
            c.recv()
        self.assertEqual(self.client.call("kv.len", "a"), 1000000)

    def test_bytes_one_by_one(self):
        for url in (self.daemon.url, self.daemon.ipc):
            c = self.connect(url)
            body, number = c.encode("kv.set", "a", 1)
            message = struct.pack(">I", 1) + body
            for byte in (b"\1" if c.stream.ipc else b"") + struct.pack(">Q", len(message)) + message:
                c.stream.socket.sendall(bytes([byte]))
            self.assertGreater(c.end(number), 0)

    def test_req_resends(self):
        c = self.connect(protocol="req")
        body, number = c.encode("kv.incr", "n")
        c.send(body)
        first = c.recv()
        self.assertEqual(c.resend(body), first)
        self.assertEqual(unpack_all(first), [[1, number, None, 1]])
        self.assertEqual(self.client.call("kv.get", "n"), 1)
        other, number = c.encode("kv.incr", "n", 10)
        self.assertEqual(unpack_all(c.resend(other)), [[1, number, None, 11]])  # the same id, another frame
        for _ in range(100):  # more than are remembered
            self.assertEqual(c.call("kv.get", "n"), 11)

    def test_hop_headers_come_back(self):
        c = self.connect(protocol="req")
        header = struct.pack(">III", 5, 6, 0x80000007)
        c.stream.send(header + pack([0, 1, "kv.get", ["a"]]))
        self.assertEqual(c.stream.recv(), header + pack([1, 1, None, None]))

    def test_greetings(self):
        for hello in (b"GET / HT", b"\0SP\0\0\x99\0\0", b"\0SP\0\0\x11\0\1", b"\0SQ\0\0\x11\0\0"):
            stream = self.daemon.connect()
            stream.close()
            raw = self.raw_socket()
            raw.sendall(hello)
            self.assertEqual(self.drain(raw), b"", hello)
        silent = self.raw_socket()
        began = time.monotonic()
        self.assertEqual(self.drain(silent), b"")
        self.assertGreater(time.monotonic() - began, 0.15)
        self.assertEqual(self.client.call("kv.count"), 0)

    def raw_socket(self):
        raw = socket.create_connection(("127.0.0.1", self.daemon.port), 10)
        self.addCleanup(raw.close)
        return raw

    @staticmethod
    def drain(raw):
        got = b""
        try:
            while chunk := raw.recv(100):
                got += chunk
        except ConnectionError:
            pass
        return got

    def test_clients_that_vanish(self):
        for _ in range(50):
            c = Client(self.daemon.url)
            c.send(pack([0, 1, "kv.set", ["a", b"x" * 10000]]) * 10)
            c.close()
        await_true(lambda: self.client.call("sys.stats")["wire"]["connections"] == 1)
        await_true(lambda: self.client.call("sys.stats")["router"]["sessions"] == 1)
        self.assertIn(self.client.call("kv.get", "a"), (None, b"x" * 10000))


class End(unittest.TestCase):
    def test_terminated_with_clients(self):
        daemon = Daemon()
        daemon.start()
        try:
            duplex, req = Client(daemon.url), Client(daemon.ipc, "req")
            duplex.call("kv.set", "a", 1)
            req.call("kv.get", "a")
            daemon.process.terminate()
            self.assertEqual(duplex.notification(), ["session", ["goodbye", None]])
            self.assertRaises((Refused, ConnectionError), duplex.recv)
            duplex.close()
            req.close()
            daemon.process.wait(30)  # a second signal would end it at once
        finally:
            status = daemon.stop()
        self.assertEqual(status, 0)


if __name__ == "__main__":
    unittest.main()
