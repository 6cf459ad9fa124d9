#!/usr/bin/python3
"""The Python package watches keys: what was, what happens, in the order of commits, and what a lost connection may have hidden."""

import os
import random
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from python_clients import WAIT_S, Served, both, until, wherry  # noqa: E402


class Watching(Served):
    def setUp(self):
        super().setUp()
        self.client = self.connect()


@both
class Watches(Watching):
    def test_what_happens(self):  # W1
        with self.client.watch("k") as changes:
            put = self.client.kv.set("k", "initial")
            self.client.kv.cas("k", "initial", "updated")
            self.client.kv.set("other", 1)
            self.client.kv.del_("k")
            self.client.kv.set("k", 1, ttl_ms=20)
            got = [next(changes) for _ in range(5)]
        self.assertEqual([(change.event, change.key, change.value) for change in got],
                         [("put", "k", "initial"), ("cas", "k", "updated"), ("del", "k", None), ("put", "k", 1),
                          ("expire", "k", None)])
        self.assertEqual(got[0].revision, put)
        revisions = [change.revision for change in got]
        self.assertEqual(revisions, sorted(set(revisions)))  # W2
        self.assertFalse(any(change.gap for change in got))

    def test_what_was(self):
        self.client.kv.mset("p.a", 1, "p.b", 2, "q", 3)
        with self.client.watch("p.*", initial=True) as changes:
            got = {next(changes).key: None for _ in range(2)}
            self.client.kv.set("p.c", 3)
            change = next(changes)
        self.assertEqual((set(got), change.event, change.key), ({"p.a", "p.b"}, "put", "p.c"))

    def test_keys_of_all_kinds(self):
        for key in (1, 1.5, b"b", ("t", 1)):
            with self.client.watch(key) as changes:
                self.client.kv.set(key, "x")
                change = next(changes)
            self.assertEqual((change.key, type(change.key)), (key, type(key)))

    def test_refused(self):
        with self.assertRaises(wherry.ArgumentError):
            self.client.watch()
        with self.assertRaises(wherry.ArgumentError):
            self.client.watch([1])

    def test_a_callback(self):
        got, done = [], threading.Event()

        def changed(change):
            got.append(change.value)
            if change.value == 9:
                done.set()
        with self.client.watch("k", callback=changed):
            for n in range(10):
                self.client.kv.set("k", n)
            self.assertTrue(done.wait(WAIT_S))
        self.assertEqual(got, list(range(10)))

    def test_a_namespace(self):
        self.client.ns.create("other")
        with self.client.watch("k", ns="other") as changes:
            self.client.kv.set("k", "here")
            self.client.kv.set("k", "there", ns="other")
            self.assertEqual(next(changes).value, "there")


@both
class Reconnecting(Watching):
    def test_what_was_missed_is_told_as_state(self):
        client = self.proxied()
        self.client.kv.set("k", 1)
        changes = client.watch("k", initial=True)
        self.assertEqual((next(changes).event), "state")
        self.proxy.refuse()
        self.client.kv.set("k", 2)
        self.proxy.accept()
        change = next(changes)
        self.assertEqual((change.event, change.value, change.gap.reconnected), ("state", 2, True))

    def test_the_namespace_stays(self):
        self.client.ns.create("other")
        client = self.proxied(namespace="other")
        changes = client.watch("k")
        client.session.use("default")
        self.proxy.cut()
        until(lambda: client.sys.ping() == "PONG")
        self.client.kv.set("k", "here")
        self.client.kv.set("k", "there", ns="other")
        self.assertEqual(next(changes).value, "there")

    def test_cut_at_random(self):
        """A copy that is kept by watching is right in the end, whatever is cut."""
        client, copy, rng = self.proxied(), {}, random.Random(4)
        changes = client.watch("k.*", initial=True, on_gap=lambda gap: copy.clear())

        written, finished = threading.Event(), threading.Event()

        def write():
            for n in range(600):
                key = f"k.{rng.randrange(20)}"
                self.client.kv.set(key, n) if rng.random() < 0.7 else self.client.kv.del_(key)
                if n % 25 == 0:
                    self.proxy.cut()
            written.set()
            while not finished.wait(0.01):  # so that there is always one more change to look at
                self.client.kv.set("k.end", "end")
        writer = self.in_thread(write)
        for change in changes:
            if change.value is None:
                copy.pop(change.key, None)
            else:
                copy[change.key] = change.value
            if written.is_set() and copy == dict(map(tuple, self.client.kv.getall(match="k.*", limit=100))):
                break
        finished.set()
        writer.result(WAIT_S)
        self.assertGreater(self.proxy.connections, 1)


if __name__ == "__main__":
    unittest.main()
