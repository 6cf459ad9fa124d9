#!/usr/bin/python3
"""The Python package at work: consumers, what becomes of their jobs whatever happens to them, and transactions."""

import asyncio
import collections
import os
import random
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from python_clients import WAIT_S, Served, both, until, wherry  # noqa: E402

class Working(Served):
    def setUp(self):
        super().setUp()
        self.client = self.connect()

    def state(self, queue):
        stats = self.client.queue.stats(queue)
        return stats["ready"], stats["delayed"], stats["reserved"]

    def calls(self, method):
        return self.broker.call("sys.stats")["commands"].get(method, {}).get("calls", 0)


@both
class Jobs(Working):
    def test_one_after_another(self):
        self.client.queue.push("q", *range(20), headers={"from": "test"})
        seen = []
        with self.client.consume("q", prefetch=3) as jobs:
            for job in jobs:
                with job:
                    seen.append((job.value, job.attempt, job.queue, job.headers))
                if len(seen) == 20:
                    jobs.stop()
        self.assertEqual(seen, [(n, 1, "q", {"from": "test"}) for n in range(20)])
        self.assertEqual(self.state("q"), (0, 0, 0))

    def test_several_queues(self):
        self.client.queue.push("b", "second")
        self.client.queue.push("a", "first")
        with self.client.consume("a", "b") as jobs:
            self.assertEqual([self.do(jobs), self.do(jobs)], ["first", "second"])

    def do(self, jobs):
        with next(jobs) as job:
            return job.value

    def test_what_an_exception_leaves_is_given_back(self):
        self.client.queue.create("q", max_attempts=2)
        self.client.queue.push("q", "hard")
        with self.client.consume("q") as jobs:
            for attempt in (1, 2):
                with self.assertRaises(ZeroDivisionError):
                    with next(jobs) as job:
                        self.assertEqual(job.attempt, attempt)
                        1 / 0
        dead, = self.client.queue.pop("q.dlq")
        self.assertEqual((dead["value"], dead["headers"]["x-error"]), ("hard", "ZeroDivisionError: division by zero"))

    def test_by_hand(self):
        self.client.queue.push("q", 1, 2, 3)
        with self.client.consume("q", prefetch=3) as jobs:
            first, second, third = next(jobs), next(jobs), next(jobs)
            first.nack(delay_ms=3600000, count=False, reason="later")
            second.term("never")
            self.assertGreater(third.touch(60000), 0)
            third.ack()
            self.assertTrue(first.settled and second.settled and third.settled)
            with third:
                pass  # it is settled: nothing more is told
            with self.assertRaises(wherry.Stale):
                third.ack()
        self.assertEqual(self.state("q"), (0, 1, 0))
        self.assertEqual(self.client.queue.peek("q.dlq")[0]["headers"]["x-error"], "never")

    def test_no_more_than_prefetch(self):
        self.client.queue.push("q", *range(50))
        most = 0
        with self.client.consume("q", prefetch=4) as jobs:
            for count in range(30):
                job = next(jobs)
                most = max(most, self.state("q")[2])
                job.ack()
            until(lambda: self.state("q") == (16, 0, 4))
        self.assertLessEqual(most, 4)
        self.assertEqual(self.state("q"), (20, 0, 0))

    def test_a_large_prefetch(self):
        self.client.queue.push("q", *range(250))
        with self.client.consume("q", prefetch=1000) as jobs:
            until(lambda: self.state("q") == (0, 0, 250))
        self.assertEqual(self.state("q"), (250, 0, 0))

    def test_it_is_kept_reserved(self):
        self.client.queue.push("q", 1)
        with self.client.consume("q", visible_ms=300) as jobs, next(jobs) as job:
            until(lambda: self.calls("queue.touch") >= 6)  # twice its time
            self.assertFalse(job.lost)
        self.assertEqual(self.state("q"), (0, 0, 0))

    def test_it_is_not_kept_for_ever(self):
        for how in ({"touch": False}, {"touch_ms": 250}):
            self.client.queue.push("q", 1)
            with self.client.consume("q", visible_ms=150, **how) as jobs:
                job = next(jobs)
                other, = self.connect().queue.pop("q", wait_ms=WAIT_S * 1000)
                self.assertEqual(other["attempt"], 2)
                with self.assertRaises(wherry.Stale):
                    job.ack()
            self.client.queue.ack("q", other["token"])

    def test_one_that_somebody_else_has_is_lost(self):
        self.client.queue.push("q", 1)
        with self.client.consume("q", visible_ms=300) as jobs:
            job = next(jobs)
            self.client.queue.nack("q", job.token)
            again = next(jobs)  # a touch told that the first is not ours, and made room
            self.assertTrue(job.lost)
            self.assertEqual((again.id, again.attempt, again.lost), (job.id, 2, False))
            again.ack()

    def test_what_was_not_begun_goes_back_uncounted(self):
        self.client.queue.push("q", *range(5))
        jobs = self.client.consume("q", prefetch=5)
        first = next(jobs)
        until(lambda: self.state("q")[2] == 5)
        jobs.close()
        self.assertEqual(list(jobs), [])
        self.assertEqual(self.state("q"), (4, 0, 1))
        first.ack()
        others = self.client.queue.pop("q", max=9)
        self.assertEqual([(job["value"], job["attempt"]) for job in others], [(1, 1), (2, 1), (3, 1), (4, 1)])

    def test_closing_the_client_gives_back_too(self):
        self.client.queue.push("q", *range(5))
        other = self.connect()
        jobs = other.consume("q", prefetch=5)
        next(jobs).ack()
        until(lambda: self.state("q")[2] == 4)
        other.close()
        self.assertEqual([job["attempt"] for job in self.client.queue.pop("q", max=9)], [1] * 4)
        self.assertEqual(list(jobs), [])

    def test_stopped_while_it_waits(self):
        for end in ("stop", "close", "client"):
            other = self.connect()
            jobs = other.consume("q")
            waiting = self.in_thread(lambda: list(jobs))
            until(lambda: self.parked() == 1)
            other.close() if end == "client" else getattr(jobs, end)()
            self.assertEqual(waiting.result(WAIT_S), [])
            other.close()
            until(lambda: self.parked() == 0)
        self.client.queue.push("q", 1)
        self.assertEqual(self.client.queue.pop("q")[0]["attempt"], 1)

    def parked(self):
        return self.broker.call("sys.stats")["router"]["parked"]

    def test_a_refused_consumer_says_so(self):
        self.client.kv.set("text", 1)
        with self.assertRaises(wherry.TypeMismatch):
            next(self.client.consume("text"))

    def test_a_job_in_a_transaction(self):
        self.client.queue.push("in", 20)
        with self.client.consume("in") as jobs:
            job = next(jobs)
            with self.assertRaises(wherry.TypeMismatch) as caught:
                with self.client.transaction() as tx:
                    tx.ack(job)
                    tx.queue.push("out", 1)
                    tx.kv.get("in")
            self.assertEqual(caught.exception.details["index"], 2)
            self.assertFalse(job.settled)
            self.assertEqual(self.client.queue.pop("out"), [])
            with self.client.transaction() as tx:
                tx.ack(job)
                tx.kv.set("result", job.value * 2)
                tx.queue.push("out", job.value * 2)
            self.assertTrue(job.settled)
        self.assertEqual((self.state("in"), self.client.kv.get("result")), ((0, 0, 0), 40))

    def test_a_namespace(self):
        self.client.ns.create("other")
        self.client.queue.push("q", "there", ns="other")
        self.client.queue.push("q", "here")
        with self.client.consume("q", ns="other") as jobs:
            self.assertEqual(self.do(jobs), "there")
        other = self.connect()
        other.session.use("other")
        other.queue.push("q", "there too")
        with other.consume("q") as jobs:
            other.session.use("default")
            self.assertEqual(self.do(jobs), "there too")


@both
class BadLuck(Working):
    def test_a_lost_connection_takes_its_jobs(self):
        client = self.proxied()
        self.client.queue.push("q", 1, 2)
        jobs = client.consume("q", prefetch=2)
        job = next(jobs)
        until(lambda: self.state("q")[2] == 2)
        self.proxy.cut()
        until(lambda: job.lost)
        again = [next(jobs), next(jobs)]
        self.assertEqual({each.value for each in again}, {1, 2})
        self.assertEqual([each.attempt for each in again if each.id == job.id], [2])
        with self.assertRaises(wherry.Stale):
            job.ack()
        for each in again:
            each.ack()

    def test_held_jobs_outlive_it(self):
        client = self.proxied()
        self.client.queue.push("q", 1)
        jobs = client.consume("q", hold=True, visible_ms=60000)
        job = next(jobs)
        self.proxy.cut()
        until(lambda: client.sys.ping() == "PONG")
        self.assertFalse(job.lost)
        job.ack()
        self.assertEqual(self.state("q"), (0, 0, 0))

    def test_cut_at_random(self):
        """Two consumers behind connections that are cut: every job is done, and none is left."""
        client, rng, done = self.proxied(), random.Random(5), collections.Counter()
        self.client.queue.create("q", max_attempts=0)
        self.client.queue.push("q", *range(300))
        consumers = [client.consume("q", prefetch=3) for _ in range(2)]

        def work(jobs):
            for job in jobs:
                done[job.value] += 1
                try:
                    job.ack()
                except wherry.Stale:
                    pass
        workers = [self.in_thread(work, jobs) for jobs in consumers]
        while self.state("q") != (0, 0, 0):
            threading.Event().wait(rng.uniform(0, 0.05))
            self.proxy.cut()
        for jobs in consumers:
            jobs.stop()
        for worker in workers:
            worker.result(WAIT_S)
        self.assertEqual(set(done), set(range(300)))

    def test_a_killed_worker(self):
        self.client.queue.push("q", "precious")
        code = ("import sys, wherry\n"
                "client = wherry.connect(sys.argv[1])\n"
                "for job in client.consume('q'):\n"
                "    print(job.value, job.attempt, flush=True)\n"
                "    sys.stdin.readline()\n")
        environment = {**os.environ, "PYTHONPATH": os.path.join(HERE, "..", "..", "clients", "python")}
        with subprocess.Popen([sys.executable, "-c", code, self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment) as worker:
            self.assertEqual(worker.stdout.readline(), "precious 1\n")
            worker.kill()
            job, = self.client.queue.pop("q", wait_ms=WAIT_S * 1000)
        self.assertEqual((job["value"], job["attempt"]), ("precious", 2))

    def test_a_pop_that_ran_out_of_time_loses_nothing(self):
        client = self.proxied()
        self.proxy.hold_answers()
        waiting = self.in_thread(client.queue.pop, "q", wait_ms=WAIT_S * 1000, timeout=0.2)
        with self.assertRaises(wherry.TimedOut):
            waiting.result(WAIT_S)
        self.client.queue.push("q", 1)
        until(lambda: self.state("q")[2] == 1)
        self.proxy.release_answers()
        until(lambda: self.state("q")[0] == 1)
        self.assertEqual(self.client.queue.pop("q")[0]["attempt"], 1)

    def test_a_pop_is_asked_again(self):
        """What it would have taken went back when its connection was lost, so it can't do harm."""
        client = self.proxied()
        waiting = self.in_thread(client.queue.pop, "q", wait_ms=WAIT_S * 1000)
        until(lambda: self.broker.call("sys.stats")["router"]["parked"] == 1)
        self.proxy.cut()
        self.client.queue.push("q", 1)
        self.assertEqual(waiting.result(WAIT_S)[0]["value"], 1)
        taking = self.in_thread(client.queue.pop, "q", wait_ms=WAIT_S * 1000, ack=False)
        until(lambda: self.broker.call("sys.stats")["router"]["parked"] == 1)
        self.proxy.cut()
        with self.assertRaises(wherry.Stale):
            taking.result(WAIT_S)


class Blocking(Working, unittest.TestCase):
    def connect(self, url=None, **settings):
        client = wherry.connect(url or self.url, **settings)
        self.addCleanup(client.close)
        return client

    def test_a_handler_and_many_workers(self):
        self.client.queue.create("q", max_attempts=2)
        self.client.queue.push("q", *range(40))
        done, lock, consumer = collections.Counter(), threading.Lock(), self.client.consume("q", prefetch=8)

        def handle(job):
            with lock:
                done[job.value] += 1
                full = sum(done.values()) == 44
            if full:
                consumer.stop()
            if job.value % 10 == 0:
                raise ValueError("every tenth fails")
        with self.assertLogs("wherry", "ERROR") as logs:
            consumer.run(handle, workers=4)
        self.assertEqual(done, {n: 2 if n % 10 == 0 else 1 for n in range(40)})
        self.assertEqual(len(logs.records), 8)
        self.assertEqual(self.state("q"), (0, 0, 0))
        self.assertEqual(len(self.client.queue.pop("q.dlq", max=9)), 4)

    def test_a_signal_stops_it_in_order(self):
        code = ("import signal, sys, wherry\n"
                "with wherry.connect(sys.argv[1]) as client:\n"
                "    jobs = client.consume('q', prefetch=3)\n"
                "    signal.signal(signal.SIGTERM, lambda *_: jobs.stop())\n"
                "    for job in jobs:\n"
                "        with job:\n"
                "            print(job.value, flush=True)\n"
                "            sys.stdin.readline()\n"
                "    print('stopped', flush=True)\n")
        environment = {**os.environ, "PYTHONPATH": os.path.join(HERE, "..", "..", "clients", "python")}
        self.client.queue.push("q", 1, 2, 3)
        with subprocess.Popen([sys.executable, "-c", code, self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment) as worker:
            self.assertEqual(worker.stdout.readline(), "1\n")
            worker.send_signal(15)
            until(lambda: self.state("q") == (2, 0, 1))
            worker.stdin.write("\n")
            worker.stdin.flush()
            self.assertEqual(worker.stdout.readline(), "stopped\n")
            self.assertEqual(worker.wait(WAIT_S), 0)
        self.assertEqual([(job["value"], job["attempt"]) for job in self.client.queue.pop("q", max=3)], [(2, 1), (3, 1)])


class Tasks(Working, unittest.TestCase):
    """What asyncio's cancelling could lose, and does not."""

    def connect(self):
        client = wherry.connect(self.url)
        self.addCleanup(client.close)
        return client

    def run_with_client(self, body):
        async def run():
            async with wherry.aio.connect(self.url) as client:
                await asyncio.wait_for(body(client), WAIT_S)
        asyncio.run(run())

    def test_a_cancelled_pop_loses_nothing(self):
        self.client.queue.create("q", max_attempts=0)
        got, rng = [], random.Random(3)

        async def pop(client):
            jobs = await client.queue.pop("q", wait_ms=1000)
            got.extend(job["value"] for job in jobs)
            for job in jobs:
                await asyncio.shield(asyncio.ensure_future(client.queue.ack("q", job["token"])))

        async def body(client):
            for number in range(200):
                tasks = [asyncio.ensure_future(pop(client)) for _ in range(3)]
                await asyncio.sleep(rng.choice((0, 0, 0.0005, 0.001)))
                push = asyncio.ensure_future(client.queue.push("q", number))
                await asyncio.sleep(rng.choice((0, 0, 0.0005, 0.001, 0.002)))
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, push, return_exceptions=True)
            while (jobs := await client.queue.pop("q", max=50, wait_ms=300)):
                for job in jobs:
                    self.assertEqual(job["attempt"], 1)
                    got.append(job["value"])
                    await client.queue.ack("q", job["token"])
        self.run_with_client(body)
        self.assertEqual(sorted(got), list(range(200)))

    def test_a_cancelled_iteration_loses_nothing(self):
        got = []

        async def body(client):
            await client.queue.push("q", *range(50))
            async with client.consume("q", prefetch=5) as jobs:
                while len(got) < 50:
                    try:
                        job = await asyncio.wait_for(jobs.__anext__(), random.choice((0, 0.0005, 0.01)))
                    except asyncio.TimeoutError:
                        continue
                    async with job:
                        got.append(job.value)
        self.run_with_client(body)
        self.assertEqual(got, list(range(50)))

    def test_many_at_a_time(self):
        done, most, now = [], 0, 0

        async def body(client):
            await client.queue.push("q", *range(30))
            consumer = client.consume("q", prefetch=4)

            async def handle(job):
                nonlocal most, now
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1
                done.append(job.value)
                if len(done) == 30:
                    consumer.stop()
            await consumer.run(handle, workers=4)
        self.run_with_client(body)
        self.assertEqual((sorted(done), most), (list(range(30)), 4))
        self.assertEqual(self.state("q"), (0, 0, 0))

    def test_a_cancelled_handler_gives_its_job_back(self):
        async def body(client):
            await client.queue.push("q", 1)
            began = asyncio.Event()

            async def handle(job):
                began.set()
                await asyncio.sleep(WAIT_S)
            running = asyncio.ensure_future(client.consume("q").run(handle))
            await began.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            job, = await client.queue.pop("q", wait_ms=1000)
            self.assertEqual(job["attempt"], 1)
        self.run_with_client(body)


if __name__ == "__main__":
    unittest.main()
