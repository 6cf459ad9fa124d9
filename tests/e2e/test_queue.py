#!/usr/bin/python3
"""Queues over real sockets: order under load, waits, deadlines, and workers that are killed at every step.

    WHERRY_BUILD=build/debug tests/e2e/test_queue.py
"""

import datetime
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(HERE, "..", "support")
sys.path.insert(0, SUPPORT)

from servers import Wherryd, default_build  # noqa: E402
from wherry_py import Client, WherryError  # noqa: E402

WAIT_MS = 30000

# A worker process: takes jobs, does them (a count under the job's name), acknowledges; says each step on its standard
# output, and stays there if it was told to stop at it.
WORKER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from wherry_py import Client

def at(step, wait=sys.argv[3]):
    print(step, flush=True)
    while step == wait:
        time.sleep(60)

with Client(sys.argv[2], timeout=120) as client:
    while True:
        asked = client.begin("queue.pop", "jobs", wait_ms=60000)
        at("asked")
        for job in client.end(asked):
            at("popped")
            client.call("kv.incr", f"done:{job['value']}")
            at("worked")
            acked = client.begin("queue.ack", "jobs", job["token"])
            at("acked")
            client.end(acked)
"""


def await_true(condition, what="it"):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} does not happen")
        time.sleep(0.005)


class Queues(unittest.TestCase):
    """A broker for each case; it has to end with status 0."""

    options = {}

    def setUp(self):
        self.broker = Wherryd(os.environ.get("WHERRY_BUILD"), **self.options).start()
        self.url = f"tcp://127.0.0.1:{self.broker.port}"
        self.clients, self.workers = [], []
        self.client = self.connect()

    def tearDown(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()
            worker.stdout.close()
        for client in self.clients:
            client.close()
        self.assertEqual(self.broker.stop(), 0)

    def connect(self, protocol="pair1"):
        self.clients.append(Client(self.url, protocol, timeout=60))
        return self.clients[-1]

    def worker(self, stop_at="never"):
        self.workers.append(subprocess.Popen([sys.executable, "-c", WORKER, SUPPORT, self.url, stop_at],
                                             stdout=subprocess.PIPE, text=True))
        return self.workers[-1]

    def metric(self, name):
        return self.client.call("module.show", "queue")["metrics"][name]

    def stats(self, queue="jobs"):
        return self.client.call("queue.stats", queue)

    def parked(self):
        return self.client.call("sys.stats")["router"]["parked"]


class Cases(Queues):
    def test_q1_first_in_first_out(self):
        values = [f"value {i}" for i in range(32)]
        for value in values:
            self.client.call("queue.push", "k", value)
        self.assertEqual([self.client.call("queue.pop", "k", ack=False)[0]["value"] for _ in values], values)
        self.assertEqual(self.client.call("queue.pop", "k"), [])

    def test_q2_q3_types(self):
        self.client.call("queue.create", "k")
        for method, key in (("kv.get", "k"), ("queue.push", "s"), ("queue.pop", "s")):
            self.client.call("kv.set", "s", "text")
            with self.assertRaises(WherryError) as caught:
                self.client.call(method, key, *(["x"] if method == "queue.push" else []))
            self.assertEqual(caught.exception.name, "ETYPE")
        self.client.call("queue.push", "k", 1)
        self.client.call("kv.set", "k", "replaced")
        self.assertEqual(self.client.call("kv.get", "k"), "replaced")
        self.assertEqual(self.client.call("kv.del", "k"), 1)

    def test_q5_any_value(self):
        values = [True, 7, -7, "text", b"bytes", 2.5, datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc),
                  None, [1, [2]], {"a": 1}, (1, "x")]
        self.client.call("queue.push", "k", *values)
        self.assertEqual([m["value"] for m in self.client.call("queue.pop", "k", max=99)], values)

    def test_one_message_has_one_winner(self):
        rivals = [self.connect() for _ in range(8)]
        for _ in range(20):
            asked = []
            for rival in rivals:
                asked.append(rival.begin("queue.pop", "k", wait_ms=WAIT_MS))
                await_true(lambda: self.parked() == len(asked))
            self.client.call("queue.push", "k", "one")
            await_true(lambda: self.parked() == len(rivals) - 1)
            self.client.call("queue.push", "k", *["rest"] * (len(rivals) - 1))
            answers = [rival.end(number) for rival, number in zip(rivals, asked)]
            self.assertEqual([len(answer) for answer in answers], [1] * len(rivals))
            self.assertEqual(answers[0][0]["value"], "one")  # who came first
            self.assertEqual(len({tuple(answer[0]["token"]) for answer in answers}), len(rivals))
            self.client.call("queue.purge", "k")

    def test_a_client_that_left_gets_nothing_and_loses_nothing(self):
        for _ in range(10):
            gone = self.connect()
            gone.begin("queue.pop", "k", wait_ms=WAIT_MS)
            await_true(lambda: self.parked() == 1)
            gone.close()
            await_true(lambda: self.parked() == 0)
            self.client.call("queue.push", "k", "here")
            self.assertEqual(self.client.call("queue.pop", "k", ack=False)[0]["attempt"], 1)

    def test_what_a_connection_held_returns_in_order(self):
        holder = self.connect()
        self.client.call("queue.push", "k", *range(500))
        held = holder.call("queue.pop", "k", max=500)
        self.client.call("queue.push", "k", "later")
        holder.close()
        await_true(lambda: self.stats("k")["ready"] == 501)
        again = self.client.call("queue.pop", "k", max=1000)
        self.assertEqual([m["value"] for m in again], [m["value"] for m in held] + ["later"])
        self.assertEqual({m["attempt"] for m in again[:-1]}, {2})

    def test_delays_and_deadlines_are_exact(self):
        late = []
        for i in range(40):
            delay = random.randrange(5, 40)
            self.client.call("queue.push", "k", i, delay_ms=delay)
            message = self.client.call("queue.pop", "k", wait_ms=WAIT_MS, visible_ms=delay)[0]
            again = self.client.call("queue.pop", "k", wait_ms=WAIT_MS)[0]
            late += [message["age_ms"] - delay, again["age_ms"] - message["age_ms"] - delay]
            self.client.call("queue.ack", "k", again["token"])
        self.assertGreaterEqual(min(late), 0)
        self.assertLessEqual(statistics.median(late), 10)


class Req(Queues):
    options = {"park_timeout": "1s"}

    def test_a_wait_of_req_ends_before_it_is_sent_again(self):
        req = self.connect("req")
        self.assertEqual(req.call("queue.pop", "k", wait_ms=WAIT_MS), [])
        number = req.begin("queue.pop", "k", wait_ms=WAIT_MS)
        self.client.call("queue.push", "k", 1)
        self.assertEqual(req.end(number)[0]["value"], 1)


class Killed(Queues):
    """A worker is killed with SIGKILL at each of its steps; another one does what is left."""

    def await_step(self, worker, step):
        while worker.stdout.readline().strip() != step:
            self.assertIsNone(worker.poll())

    def kill_at(self, step):
        worker = self.worker(stop_at=step)
        if step != "asked":
            self.client.call("queue.push", "jobs", "job")
        self.await_step(worker, step)
        if step == "asked":
            await_true(lambda: self.parked() == 1)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        if step == "asked":
            await_true(lambda: self.parked() == 0)
            self.client.call("queue.push", "jobs", "job")

    def finish(self):
        self.worker()
        await_true(lambda: self.metric("acked") == 1 and self.stats()["reserved"] == 0)
        self.assertEqual(self.stats()["ready"], 0)
        self.assertEqual(self.metric("popped"), 1 + self.metric("returned"))
        return self.metric("popped"), self.client.call("kv.get", "done:job")

    def test_while_it_waits(self):
        self.kill_at("asked")
        self.assertEqual(self.finish(), (1, 1))

    def test_before_the_work(self):
        self.kill_at("popped")
        self.assertEqual(self.finish(), (2, 1))

    def test_after_the_work(self):
        self.kill_at("worked")
        self.assertEqual(self.finish(), (2, 2))

    def test_after_the_ack_was_sent(self):
        self.kill_at("acked")
        await_true(lambda: self.stats()["reserved"] == 0)
        self.assertIn(self.finish(), ((1, 1), (2, 2)))  # it may have come through

    def test_one_that_kills_its_workers_dies(self):
        self.client.call("queue.create", "jobs", max_attempts=3)
        self.client.call("queue.push", "jobs", "poison")
        for _ in range(3):
            worker = self.worker(stop_at="popped")
            self.await_step(worker, "popped")
            worker.kill()
            worker.wait()
        await_true(lambda: self.stats()["dead"] == 1)
        headers = self.client.call("queue.pop", "jobs.dlq")[0]["headers"]
        self.assertEqual((headers["x-death-queue"], headers["x-death-reason"], headers["x-attempts"],
                          headers["x-error"]), ("jobs", "attempts", 3, "its session ended"))

    def test_at_random(self):
        jobs = [f"job {i}" for i in range(400)]
        self.client.call("queue.create", "jobs", max_attempts=0)
        self.client.call("queue.push", "jobs", *jobs)
        workers = [self.worker() for _ in range(4)]
        for worker in workers:
            threading.Thread(target=worker.stdout.read, daemon=True).start()
        for kill in range(12):
            acked = self.metric("acked")
            await_true(lambda: self.metric("acked") > acked or acked == len(jobs))
            victim = random.randrange(len(workers))
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = self.worker()
            threading.Thread(target=workers[victim].stdout.read, daemon=True).start()
        await_true(lambda: self.metric("acked") == len(jobs) and self.stats()["reserved"] == 0)
        self.assertEqual(self.metric("popped"), len(jobs) + self.metric("returned"))
        done = self.client.call("kv.mget", *[f"done:{job}" for job in jobs])
        self.assertGreaterEqual(min(done), 1)
        self.assertLessEqual(sum(done), self.metric("popped"))


class Crowd(Queues):
    """Eight producers and eight consumers at once."""

    PRODUCERS = CONSUMERS = 8
    EACH = 400

    def produce(self, number, errors):
        try:
            chance = random.Random(number)
            next_of = [0] * 10
            with Client(self.url, timeout=60) as client:
                for _ in range(self.EACH):
                    priority = chance.randrange(10)
                    client.call("queue.push", "jobs", [number, priority, next_of[priority]], priority=priority)
                    next_of[priority] += 1
        except Exception as error:
            errors.append(error)

    def consume(self, got, errors):
        try:
            with Client(self.url, timeout=60) as client:
                while True:
                    jobs = client.call("queue.pop", "jobs", wait_ms=WAIT_MS, max=random.randrange(1, 8))
                    if any(job["value"] == "stop" for job in jobs):
                        return
                    got += [tuple(job["value"]) for job in jobs]
                    assert client.call("queue.ack", "jobs", *[job["token"] for job in jobs]) == len(jobs)
        except Exception as error:
            errors.append(error)

    def test_order_and_sums(self):
        errors, got = [], [[] for _ in range(self.CONSUMERS)]
        producers = [threading.Thread(target=self.produce, args=(n, errors)) for n in range(self.PRODUCERS)]
        consumers = [threading.Thread(target=self.consume, args=(mine, errors)) for mine in got]
        for thread in producers + consumers:
            thread.start()
        for thread in producers:
            thread.join()
        await_true(lambda: errors or self.metric("acked") == self.PRODUCERS * self.EACH)
        self.client.call("queue.push", "jobs", "stop", max_attempts=0)  # who gets it leaves, and so it comes back for the next
        for thread in consumers:
            thread.join()
        self.assertEqual(errors, [])
        everything = [job for mine in got for job in mine]
        self.assertEqual(len(everything), self.PRODUCERS * self.EACH)
        self.assertEqual(len(set(everything)), len(everything))
        for mine in got:
            last = {}
            for producer, priority, sequence in mine:
                self.assertGreater(sequence, last.get((producer, priority), -1))
                last[producer, priority] = sequence


class Reloaded(Queues):
    def test_reservations_outlive_a_reload(self):
        holder = self.connect()
        self.client.call("queue.push", "k", *range(10))
        held = holder.call("queue.pop", "k", max=5)
        self.client.call("module.reload", "queue")
        self.assertEqual(holder.call("queue.ack", "k", held[0]["token"]), 1)
        self.assertEqual(self.stats("k")["reserved"], 4)
        holder.close()  # it popped before the new copy was there
        await_true(lambda: self.stats("k")["ready"] == 9)

    def test_sessions_end_while_the_module_is_away(self):
        holder, keeper = self.connect(), self.connect()
        path = self.client.call("module.show", "queue")["path"]
        self.client.call("ns.create", "side")
        for ns in ("default", "side"):
            self.client.call("queue.push", "k", *range(10), ns=ns)
            holder.call("queue.pop", "k", max=5, ns=ns)
        holder.call("queue.pop", "k", max=1, hold=True)
        keeper.call("queue.pop", "k", max=1)
        self.client.call("module.unload", "queue")
        holder.close()
        await_true(lambda: self.client.call("sys.stats")["router"]["sessions"] == 2)
        self.client.call("module.load", path)
        await_true(lambda: self.stats("k")["ready"] == 8)
        self.assertEqual(self.stats("k")["reserved"], 2)
        await_true(lambda: self.client.call("queue.stats", "k", ns="side")["ready"] == 10)

    def test_waits_are_told_of_a_reload(self):
        waiting = self.connect()
        number = waiting.begin("queue.pop", "k", wait_ms=WAIT_MS)
        await_true(lambda: self.parked() == 1)
        self.client.call("module.reload", "queue")
        self.assertEqual(waiting.end(number), [])


class Conformance(unittest.TestCase):
    def test_whatever_is_asked_it_is_undone_and_replayed(self):
        build = os.environ.get("WHERRY_BUILD") or default_build()
        for seed in ("1", "6431102"):
            done = subprocess.run([os.path.join(build, "bin", "wherryd"), "--conformance",
                                   os.path.join(build, "lib", "wherry", "modules", "queue.so"), "--seed", seed],
                                  capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("what it wrote comes back by replay", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
