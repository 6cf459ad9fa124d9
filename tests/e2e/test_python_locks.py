#!/usr/bin/python3
"""The Python package's locks, transactions and wills."""

import os
import random
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from python_clients import WAIT_S, Served, both, until, wherry  # noqa: E402


class Held(Served):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def calls(self, method):
        return self.broker.call("sys.stats")["commands"].get(method, {}).get("calls", 0)

    def parked(self):
        return self.broker.call("sys.stats")["router"]["parked"]


@both
class Locks(Held):
    def test_one_at_a_time(self):
        tokens, inside = [], []

        def enter(name):
            with self.client.locked("door") as lock:
                inside.append(name)
                self.assertEqual(inside, [name])
                self.assertTrue(lock.held)
                lock.check()
                tokens.append(lock.token)
                inside.clear()
        for answer in [self.in_thread(enter, n) for n in range(10)]:
            answer.result(WAIT_S)
        self.assertEqual(tokens, sorted(set(tokens)))
        self.assertIsNone(self.client.lock.show("door"))

    def test_one_that_is_not_to_be_had(self):
        with self.client.locked("door"):
            with self.assertRaises(wherry.TimedOut):
                with self.client.locked("door", wait_ms=20):
                    self.fail("two inside")
            other = self.client.locked("door")
            self.assertIs(other.acquire(0), False)
            self.assertFalse(other.held)
            with self.assertRaises(wherry.Stale):
                other.check()

    def test_it_is_extended(self):
        with self.client.locked("door", ttl_ms=300) as lock:
            until(lambda: self.calls("lock.extend") >= 6)  # twice its time
            self.assertTrue(lock.held)
            self.assertIsNone(self.client.lock.acquire("door"))

    def test_also_after_a_long_wait(self):
        """What was waited for longer than it lives is ours from when we have it."""
        first = self.client.lock.acquire("door", ttl_ms=600)
        with self.client.locked("door", ttl_ms=300) as lock:
            self.assertGreater(lock.token, first)
            self.assertTrue(lock.held)

    def test_one_that_was_taken_away(self):
        lock = self.client.locked("door", ttl_ms=300)
        self.assertTrue(lock.acquire())
        self.client.lock.release("door", lock.token)
        until(lambda: not lock.held)
        with self.assertRaises(wherry.Stale):
            lock.release()
        with self.assertRaises(wherry.Stale):
            with lock:
                self.client.lock.release("door", lock.token)

    def test_by_our_own_clock(self):
        """While nobody answers it is held for no longer than the last lease."""
        client = self.proxied()
        lock = client.locked("door", ttl_ms=500)
        self.assertTrue(lock.acquire())
        self.proxy.refuse()
        self.assertTrue(lock.held)
        until(lambda: not lock.held)
        self.proxy.accept()

    def test_it_outlives_a_connection(self):
        client = self.proxied()
        with client.locked("door", ttl_ms=60000) as lock:
            self.proxy.cut()
            until(lambda: client.sys.ping() == "PONG")
            self.assertTrue(lock.held)
        self.assertIsNone(self.client.lock.show("door"))

    def test_one_of_the_connection_does_not(self):
        client = self.proxied()
        lock = client.locked("door", ttl_ms=60000, session=True)
        self.assertTrue(lock.acquire())
        self.proxy.cut()
        until(lambda: not lock.held)
        until(lambda: self.client.lock.show("door") is None)

    def test_a_semaphore(self):
        locks = [self.client.locked("pool", permits=2) for _ in range(3)]
        self.assertEqual([lock.acquire(0) for lock in locks], [True, True, False])
        for lock in locks[:2]:
            lock.release()
        self.assertTrue(locks[2].acquire(0))
        locks[2].release()

    def test_one_that_came_too_late_is_given_back(self):
        client = self.proxied()
        token = self.client.lock.acquire("door", ttl_ms=60000)
        self.proxy.hold_answers()
        waiting = self.in_thread(client.lock.acquire, "door", wait_ms=WAIT_S * 1000, ttl_ms=60000, timeout=0.2)
        with self.assertRaises(wherry.TimedOut):
            waiting.result(WAIT_S)
        self.client.lock.release("door", token)
        until(lambda: self.parked() == 0)
        self.assertIsNone(self.client.lock.acquire("door"))
        self.proxy.release_answers()
        until(lambda: self.client.lock.show("door") is None)


@both
class Transactions(Held):
    def test_all(self):
        with self.client.transaction() as tx:
            tx.kv.set("a", 1)
            self.assertEqual(tx.kv.incr("a", 4), 1)
            tx.call("kv.get", "a")
        self.assertEqual(tx.results[1:], [5, 5])
        self.assertEqual(self.client.kv.get("a"), 5)

    def test_or_nothing(self):
        self.client.kv.set("text", "x")
        with self.assertRaises(wherry.ArgumentError) as caught:
            with self.client.transaction() as tx:
                tx.kv.set("a", 1)
                tx.kv.incr("text")
        self.assertEqual(caught.exception.details["index"], 1)
        self.assertIsNone(self.client.kv.get("a"))
        with self.assertRaises(ZeroDivisionError):
            with self.client.transaction() as tx:
                tx.kv.set("a", 1)
                1 / 0
        self.assertIsNone(self.client.kv.get("a"))

    def test_each_for_itself(self):
        self.client.kv.set("text", "x")
        tx = self.client.transaction()
        tx.kv.set("a", 1)
        tx.kv.incr("text")
        tx.kv.get("a")
        revision, error, value = tx.exec(on_error="continue")
        self.assertEqual((type(revision), type(error), value), (int, wherry.ArgumentError, 1))

    def test_only_if(self):
        revision = self.client.kv.set("a", 1)
        with self.client.transaction({"a": revision, "none": 0}) as tx:
            tx.kv.set("a", 2)
        with self.assertRaises(wherry.Conflict):
            with self.client.transaction({"a": revision}) as tx:
                tx.kv.set("a", 3)
        self.assertEqual(self.client.kv.get("a"), 2)

    def test_what_is_no_key(self):
        tx = self.client.transaction()
        tx.kv.set([1], 1)
        with self.assertRaises(wherry.ArgumentError):
            tx.exec()

    def test_transfers(self):
        """Money is moved by many at once and never made or lost."""
        self.client.kv.mset(*[word for n in range(5) for word in (n, 100)])

        def move(seed):
            rng = random.Random(seed)
            for _ in range(40):
                source, sink = rng.sample(range(5), 2)
                with self.client.transaction() as tx:
                    tx.kv.incr(source, -1)
                    tx.kv.incr(sink, 1)
        movers = [self.in_thread(move, n) for n in range(4)]
        while not all(mover.done() for mover in movers):
            self.assertEqual(sum(self.client.kv.mget(*range(5))), 500)
            threading.Event().wait(0.001)
        for mover in movers:
            mover.result(WAIT_S)


@both
class Wills(Held):
    def setUp(self):
        super().setUp()
        self.ends = self.client.subscribe("end.>")

    def test_of_one_that_is_lost(self):
        other = self.proxied()
        other.session.will("end.other", "gone", retain=True)
        self.proxy.refuse()
        message = next(self.ends)
        self.assertEqual((message.topic, message.payload), ("end.other", "gone"))

    def test_of_one_that_closes(self):
        other = self.connect()
        other.session.will("end.other", "gone")
        other.close()
        self.client.pubsub.publish("end.of.it", 1)
        self.assertEqual(next(self.ends).topic, "end.of.it")

    def test_one_that_was_taken_back(self):
        other = self.proxied()
        other.session.will("end.other", "gone")
        other.session.will(None)
        self.proxy.cut()
        until(lambda: other.sys.ping() == "PONG")
        self.proxy.cut()
        self.client.pubsub.publish("end.of.it", 1)
        self.assertEqual(next(self.ends).topic, "end.of.it")

    def test_it_comes_back_with_the_connection(self):
        other = self.proxied()
        other.session.will("end.other", "gone")
        for _ in range(2):
            self.proxy.cut()
            self.assertEqual(next(self.ends).payload, "gone")
            until(lambda: other.sys.ping() == "PONG")


if __name__ == "__main__":
    unittest.main()
