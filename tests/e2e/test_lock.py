"""Locks between real processes and over real sockets: nothing is lost under one, nobody keeps one when it is dead."""

import multiprocessing
import os
import signal
import sys
import unittest

from daemon import Case, await_true
from wherry_py import Client, WherryError

CLIENTS, ROUNDS, WAIT_MS = 8, 40, 60000
# Not fork: the test's own sockets stay its own.
CONTEXT = multiprocessing.get_context("spawn")


def count_under_lock(url, path, tokens):
    """Reads a number from a file and writes the next one, again and again; sends every token it got."""
    with Client(url, timeout=60) as client:
        for _ in range(ROUNDS):
            token = client.call("lock.acquire", "counter", wait_ms=WAIT_MS)
            with open(path) as old:
                number = int(old.read())
            with open(path, "w") as new:
                new.write(str(number + 1))
            tokens.put((number, token))
            client.call("lock.release", "counter", token)


def hold(url, held, options):
    """Acquires and stays."""
    with Client(url) as client:
        held.put(client.call("lock.acquire", "a", **options))
        signal.pause()


class Locks(Case):
    def setUp(self):
        super().setUp()
        self.broker = self.running("--set", "modules=kv lock")
        self.addCleanup(self.broker.__exit__)

    def client(self, protocol="pair1"):
        client = Client(self.broker.url, protocol, timeout=30)
        self.addCleanup(client.close)
        return client

    def parked(self):
        return self.broker.call("sys.stats")["router"]["parked"]

    def await_parked(self, count):
        await_true(lambda: self.parked() == count, lambda: f"{count} waiters, not {self.parked()}")

    def holder(self, **options):
        """A process that holds the lock "a", and its token."""
        held = CONTEXT.Queue()
        process = CONTEXT.Process(target=hold, args=(self.broker.url, held, options))
        process.start()
        self.addCleanup(process.join)
        self.addCleanup(process.kill)
        return process, held.get(timeout=30)

    def test_nothing_is_lost_between_processes(self):
        path = self.file("0", "counter")
        tokens = CONTEXT.Queue()
        workers = [CONTEXT.Process(target=count_under_lock, args=(self.broker.url, path, tokens))
                   for _ in range(CLIENTS)]
        for worker in workers:
            worker.start()
        got = sorted(tokens.get(timeout=120) for _ in range(CLIENTS * ROUNDS))
        for worker in workers:
            worker.join(60)
            self.assertEqual(worker.exitcode, 0)
        with open(path) as end:
            self.assertEqual(int(end.read()), CLIENTS * ROUNDS)
        self.assertEqual([number for number, _ in got], list(range(CLIENTS * ROUNDS)))
        self.assertTrue(all(one[1] < next_one[1] for one, next_one in zip(got, got[1:])), "tokens do not rise")
        self.assertEqual(self.broker.call("lock.list"), [0, []])

    def test_a_killed_holder_keeps_it_for_its_time(self):
        process, token = self.holder(ttl_ms=1500)
        waiter = self.client()
        number = waiter.begin("lock.acquire", "a", wait_ms=WAIT_MS)
        self.await_parked(1)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        self.assertGreater(waiter.end(number), token)
        self.assertEqual(self.broker.call("module.show", "lock")["metrics"]["expired"], 1)

    def test_a_killed_holder_that_asked_for_it_keeps_nothing(self):
        process, token = self.holder(ttl_ms=3600000, session=True)
        waiter = self.client()
        number = waiter.begin("lock.acquire", "a", wait_ms=WAIT_MS)
        self.await_parked(1)
        os.kill(process.pid, signal.SIGKILL)
        self.assertGreater(waiter.end(number), token)
        self.assertEqual(self.broker.call("module.show", "lock")["metrics"]["ended"], 1)

    def test_waiters_are_served_in_order_of_arrival(self):
        token = self.broker.call("lock.acquire", "a")
        waiters = [self.client("req" if i % 2 else "pair1") for i in range(10)]
        numbers = []
        for i, waiter in enumerate(waiters):
            body, number = waiter.encode("lock.acquire", "a", wait_ms=WAIT_MS)
            waiter.send(body)
            numbers.append(number)
            self.await_parked(i + 1)
        for i, (waiter, number) in enumerate(zip(waiters, numbers)):
            self.broker.call("lock.release", "a", token)
            following = waiter.end(number)
            self.assertGreater(following, token)
            self.await_parked(len(waiters) - 1 - i)
            token = following

    def test_a_waiter_that_left_loses_nothing_for_the_next(self):
        token = self.broker.call("lock.acquire", "a")
        leaving, staying = self.client(), self.client()
        leaving.begin("lock.acquire", "a", wait_ms=WAIT_MS)
        self.await_parked(1)
        number = staying.begin("lock.acquire", "a", wait_ms=WAIT_MS)
        self.await_parked(2)
        leaving.close()  # the broker may or may not have seen it when the lock is released
        self.broker.call("lock.release", "a", token)
        first = staying.end(number)
        self.assertGreater(first, token)
        self.broker.call("lock.release", "a", first)
        self.assertEqual(self.broker.call("lock.list"), [0, []])

    def test_a_stale_token_is_refused(self):
        token = self.broker.call("lock.acquire", "a", ttl_ms=1)
        await_true(lambda: self.broker.call("lock.show", "a") is None, lambda: "the end of the lease")
        for method in ("lock.release", "lock.extend"):
            with self.assertRaises(WherryError) as caught:
                self.broker.call(method, "a", token)
            self.assertEqual(caught.exception.name, "ESTALE")


if __name__ == "__main__":
    sys.exit(unittest.main())
