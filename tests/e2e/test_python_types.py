#!/usr/bin/python3
"""The Python package: values, keys and errors as acceptance fixes them, and what is refused before it is sent."""

import datetime
import enum
import os
import pickle
import random
import sys
import unittest
from collections import OrderedDict, namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import msgpack  # noqa: E402
from python_clients import both, wherry  # noqa: E402
from servers import Wherryd  # noqa: E402
from wherry_py import Client, pack, utc  # noqa: E402

VALUES = [511, 3.14159, "Glücksburg", b"mel ott", True, False, None, (1, 2, 3), [511, "Glücksburg", b"mel ott", 3.14159],
          utc(2020, 2, 29, 12), utc(2020, 2, 29, 12, 0, 0, 123456), utc(1960, 1, 1), utc(1, 1, 1), utc(9999, 12, 31), [],
          {}, (), "", b"", 2**64 - 1, -2**63, 0, -1, float("inf"), 1e300, -0.0, (1, (2, 3)), [[1], {"a": [()]}],
          b"a\0b", "a\0b", {(1, 2): "tuple", 7: "int", b"b": "bin", None: 1, True: 2}, wherry.Ext(5, b"own"),
          "Key Not Found", {"ttl_ms": 5}]
KEYS = ["mel ott homeruns", b"buffoon", 1001, 2.35813, (1, 2, 3), (), "", b"", 1, 1.0, "1", b"1", -5, (1, (2,)), -2**63,
        2**64 - 1, "sk", b"sk", ("a", b"a", 1, 1.5)]
NO_KEYS = [[1, 2, 3], True, False, None, {}, utc(2020, 1, 1), (1, 2, 3, utc(2020, 1, 1)), (1, True), (1, [1]), (1, (None,)),
           float("nan"), (float("nan"),), wherry.Ext(5, b"own")]
NO_VALUES = [2**64, -2**63 - 1, int("9" * 30), datetime.datetime(2020, 1, 1), {1, 2}, object(), "\ud800x",
             [1, [datetime.datetime(2020, 1, 1)]], (2**64,), {"a": 2**64}, 1j]


class Served:
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd().start()

    @classmethod
    def tearDownClass(cls):
        assert cls.broker.stop() == 0

    def setUp(self):
        super().setUp()
        self.url = self.broker.url
        self.client = self.connect()
        self.client.kv.clear()

    def same(self, got, wanted):
        self.assertEqual((got, type(got)), (wanted, type(wanted)))

    def asked(self):
        """How many frames the broker has had of everybody; asking is one."""
        with Client(self.broker.url) as other:
            return other.call("sys.stats")["wire"]["frames_in"]


@both
class Values(Served):
    def test_values_come_back_as_they_were(self):  # T1 T6 T10 T11 T14
        for value in VALUES:
            self.client.kv.set("v", value)
            self.same(self.client.kv.get("v"), value)

    def test_an_independent_client_reads_the_same(self):
        with Client(self.broker.url) as other:
            for value in VALUES:
                self.client.kv.set("v", value)
                self.same(other.call("kv.get", "v"), value)
                other.call("kv.set", "w", value)
                self.same(self.client.kv.get("w"), value)

    def test_through_a_batch(self):  # T2
        for key in ("mel ott homeruns", b"buffoon", 1001, 2.35813):
            for value in ("511", b"baz", "dalmations", 21.34, 55, [1, 1, 2, 3, 5, 8, 13, 21]):
                with self.client.batch() as batch:
                    batch.kv.set(key, value)
                    batch.kv.get(key)
                    batch.kv.del_(key)
                    batch.kv.get(key)
                revision, *rest = batch.results
                self.assertEqual((type(revision), rest), (int, [value, 1, None]))

    def test_keys_are_kept_apart(self):  # T12
        for place, key in enumerate(KEYS):
            self.client.kv.set(key, place)
        for place, key in enumerate(KEYS):
            self.assertEqual(self.client.kv.get(key), place)
        self.assertEqual(self.client.kv.count(), len(KEYS))
        self.assertEqual({(key, type(key)) for key, _ in self.client.kv.getall(limit=100)},
                         {(key, type(key)) for key in KEYS})

    def test_what_is_no_key_is_refused_before_it_is_sent(self):  # T3 T4
        before = self.asked()
        for key in NO_KEYS:
            for refused in (lambda: self.client.kv.get(key), lambda: self.client.kv.set(key, 1),
                            lambda: self.client.kv.mget("good", key), lambda: self.client.kv.mset("good", 1, key, 2),
                            lambda: self.client.kv.rename("good", key)):
                with self.assertRaises(wherry.ArgumentError) as caught:
                    refused()
                self.assertTrue(caught.exception.local)
                self.assertIn("key", caught.exception.text)
        self.assertEqual(self.asked(), before + 1)
        self.client.kv.mset("a", [1], "b", True)  # values may be what keys may not

    def test_what_is_no_key_is_refused_by_the_broker_too(self):
        with Client(self.broker.url) as other:
            for key in NO_KEYS:
                answer, = other.frame([("kv.get", key)])
                self.assertEqual(answer.name, "EARG")

    def test_what_has_no_room_is_refused_before_it_is_sent(self):  # T9 T11
        before = self.asked()
        for value in NO_VALUES:
            with self.assertRaises(wherry.ArgumentError) as caught:
                self.client.kv.set("v", value)
            self.assertTrue(caught.exception.local)
        self.assertEqual(self.asked(), before + 1)

    def test_nan(self):  # T9
        self.client.kv.set("v", float("nan"))
        got = self.client.kv.get("v")
        self.assertTrue(got != got)

    def test_kinds_of_kinds(self):
        """What is a known kind in other clothes goes as that kind."""
        colour = enum.IntEnum("Colour", "red")
        point = namedtuple("Point", "x y")
        zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
        for value, wanted in ((colour.red, 1), (OrderedDict(a=1), {"a": 1}), (point(1, 2), (1, 2)), (bytearray(b"x"), b"x"),
                              (memoryview(b"x"), b"x"), (type("Name", (str,), {})("n"), "n"),
                              (datetime.datetime(2020, 1, 1, 5, 30, tzinfo=zone), utc(2020, 1, 1))):
            self.client.kv.set("v", value)
            self.same(self.client.kv.get("v"), wanted)

    def test_what_others_may_store(self):
        """Texts that are no UTF-8, moments beyond datetime, maps with lists for keys: all come, and what can go back does."""
        with Client(self.broker.url) as other:
            for raw in (b"\xa3a\xffb", b"\xc7\x0c\xff\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", b"\x81\x91\x01\x02"):
                request = b"\x94\x00\x01\xa6kv.set\x92\xa1v" + raw
                self.assertIsNone(other.raw(request)[0][2])
                got = self.client.kv.get("v")
                if isinstance(got, wherry.Pairs):
                    self.assertEqual(got, [([1], 2)])
                    with self.assertRaises(wherry.ArgumentError):
                        self.client.kv.set("v", got)
                    continue
                self.client.kv.set("w", got)
                other.send(b"\x94\x00\x02\xa6kv.get\x91\xa1w")
                self.assertEqual(other.recv(), b"\x94\x01\x02\xc0" + raw)

    def test_large_values(self):  # K4 K11
        for size in (65000, 65536, 1 << 20, 15 << 20):
            value = random.Random(size).randbytes(size)
            self.client.kv.set("large", value)
            self.assertEqual(self.client.kv.get("large"), value)

    def test_too_large_is_refused_and_the_connection_stays(self):  # K4
        info = self.client.session.info()["session"]
        with self.assertRaises(wherry.LimitReached) as caught:
            self.client.kv.set("large", b"x" * (16 << 20))
        self.assertIn("max_frame", caught.exception.text)
        self.assertEqual(self.client.session.info()["session"], info)

    def test_depth(self):
        value = 1
        for _ in range(24):
            value = [value]
        self.client.kv.set("v", value)
        self.assertEqual(self.client.kv.get("v"), value)
        for deep in ([value], (value,), {"a": value}, {"a": {(1,): [value]}}):
            with self.assertRaises(wherry.ArgumentError):
                self.client.kv.set("v", deep)
        cycle = []
        cycle.append(cycle)
        with self.assertRaises(wherry.ArgumentError):
            self.client.kv.set("v", cycle)
        self.assertEqual(self.client.kv.get("v"), value)

    def test_a_model(self):  # K2
        rng, model = random.Random(7), {}
        for _ in range(1024):
            key, action = rng.randrange(50), rng.randrange(3)
            if action == 0:
                model[key] = rng.random()
                self.client.kv.set(key, model[key])
            elif action == 1:
                self.assertEqual(self.client.kv.get(key), model.get(key))
            else:
                self.assertEqual(self.client.kv.del_(key), int(model.pop(key, None) is not None))


@both
class Errors(Served):
    def test_each_has_its_class(self):  # K3
        self.client.kv.set("text", "abc")
        for kind, call in ((wherry.ArgumentError, lambda: self.client.kv.get()),
                           (wherry.ArgumentError, lambda: self.client.kv.get(1, 2)),
                           (wherry.ArgumentError, lambda: self.client.kv.set("a", 1, ttl_ms="soon")),
                           (wherry.ArgumentError, lambda: self.client.kv.set("a", 1, colour="red")),
                           (wherry.ArgumentError, lambda: self.client.kv.incr("text")),
                           (wherry.UnknownCommand, lambda: self.client.call("")),
                           (wherry.UnknownCommand, lambda: self.client.nothing.such()),
                           (wherry.NotFound, lambda: self.client.kv.cas("none", 1, 2)),
                           (wherry.NotFound, lambda: self.client.kv.get("a", ns="none")),
                           (wherry.Conflict, lambda: self.client.kv.set("text", 2, rev=0))):
            with self.assertRaises(kind) as caught:
                call()
            error = caught.exception
            self.assertEqual((error.code, error.name, error.local), (kind.code, kind.name, False))
            self.assertTrue(str(error).startswith(error.name + ": "))
            copy = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(copy), str(copy), copy.code, copy.details), (kind, str(error), error.code, error.details))

    def test_names_and_what_was_meant(self):
        with self.assertRaises(wherry.UnknownCommand) as caught:
            self.client.kv.gte("a")
        self.assertEqual(caught.exception.details, {"did_you_mean": "kv.get"})

    def test_completion(self):
        client = wherry.connect(self.url)
        self.addCleanup(client.close)
        self.assertIn("kv", dir(client))
        self.assertIn("get", dir(client.kv))

    def test_every_code_of_the_protocol_has_a_class(self):
        path = os.path.join(HERE, "..", "..", "include", "wherry", "status.h")
        with open(path, encoding="utf-8") as header:
            codes = {name: int(number) for name, number in
                     __import__("re").findall(r"X\((E\w+), (-\d+)", header.read())}
        self.assertEqual({kind.name: kind.code for kind in wherry.WherryError.__subclasses__()}, codes)

    def test_builtin_ancestors(self):
        self.assertTrue(issubclass(wherry.TimedOut, TimeoutError))
        self.assertTrue(issubclass(wherry.ArgumentError, ValueError))


@both
class Cases(Served):
    """What acceptance says of keys and values, through the package."""

    def test_compare_and_set(self):  # C1 C2
        self.client.kv.set("k", "initial", ttl_ms=60000)
        self.assertTrue(self.client.kv.cas("k", "initial", "new")[0])
        self.assertEqual(self.client.kv.cas("k", "initial", "other"), [False, "new"])
        self.assertGreater(self.client.kv.entry("k")[2], 0)
        self.client.kv.set("race", "value_0")
        with self.client.batch() as batch:
            for i in range(10):
                batch.kv.cas("race", "value_0", f"value_{i + 1}")
        self.assertEqual(sum(answer[0] for answer in batch.results), 1)

    def test_many(self):  # K1 K6 K7 K10
        self.assertEqual(self.client.kv.get("foo"), None)
        for value in (b"bar", "baz", "buffoon"):
            self.client.kv.set("foo", value)
        self.assertEqual(self.client.kv.get("foo"), "buffoon")
        self.assertEqual(self.client.kv.del_("foo", get=True), ["buffoon"])
        self.assertEqual(self.client.kv.type("foo"), None)
        self.client.kv.mset(1, 1, 2, 2, 3, 3, 4, 4)
        self.assertEqual(self.client.kv.mget(1, 2, "not exist key", 3, 4), [1, 2, None, 3, 4])
        self.assertEqual(self.client.kv.exists(1, "not exist key"), [True, False])
        self.assertEqual(sorted(self.client.kv.getall()), [[1, 1], [2, 2], [3, 3], [4, 4]])

    def test_an_option_that_is_a_keyword_or_ours(self):
        self.assertEqual(self.client.kv.set("a", 1, options={"nx": True}, ttl_ms=None), self.client.kv.entry("a")[1])
        self.assertIsNone(self.client.kv.set("a", 2, nx_=True))

    def test_a_batch_fails_each_for_itself(self):
        batch = self.client.batch()
        places = [batch.kv.set("a", 1), batch.kv.nonsense(), batch.kv.set([1], 1), batch.kv.get("a")]
        self.assertEqual(places, [0, 1, 2, 3])
        results = batch.run(return_errors=True)
        self.assertEqual([type(result) for result in results], [int, wherry.UnknownCommand, wherry.ArgumentError, int])
        batch.kv.get("a")
        batch.kv.nonsense()
        with self.assertRaises(wherry.UnknownCommand) as caught:
            batch.run()
        self.assertEqual(caught.exception.details["index"], 1)
        self.assertEqual(batch.run(), [])

    def test_a_big_batch(self):
        batch = self.client.batch()
        for i in range(20000):
            batch.kv.incr("n")
        self.assertEqual(batch.run(), list(range(1, 20001)))

    def test_namespaces(self):
        self.client.ns.create("other")
        self.client.kv.set("a", 1)
        self.client.kv.set("a", 2, ns="other")
        self.assertEqual((self.client.kv.get("a"), self.client.kv.get("a", ns="other")), (1, 2))
        self.assertEqual(self.connect(namespace="other").kv.get("a"), 2)
        with self.assertRaises(wherry.NotFound):
            self.connect(namespace="none")


class Packing(unittest.TestCase):
    """Against the tests' own encoder, which was written from the protocol's page alone."""

    def test_the_same_bytes(self):
        from wherry import values
        for value in VALUES:
            self.assertEqual(values.pack(value), pack(value))
            self.assertEqual(values.unpack_all(pack(value) * 2), [value, value])

    def test_cut_short_or_nonsense(self):  # T7
        from wherry import values
        for data in (b"\xc1", b"\x92\x01", b"\xda\x00\x05abc", b"\xdd\xff\xff\xff\xff", b"\xc7\x02\x01\x92\x01",
                     b"\x91" * 5000, b"\xd6\xff\x00"):
            with self.assertRaises(wherry.Corrupt):
                values.unpack_all(data)

    def test_msgpack_timestamps_pass(self):
        from wherry import values
        moment = msgpack.Timestamp(2**40, 5)
        self.assertEqual(values.unpack_all(values.pack(moment)), [moment])


if __name__ == "__main__":
    unittest.main()
