"""Eight producers and eight consumers, whose connections break in the middle of things, while queue.so is replaced again and
again: each job is done, and none is acknowledged twice."""

import random
import threading
import time
import unittest

from servers import Wherryd
from wherry_py import Client, Refused, WherryError

PRODUCERS = CONSUMERS = 8
SECONDS = 12


class Producer(threading.Thread):
    """Pushes numbered jobs, each under a deduplication id, so that whatever was not answered can be pushed again."""

    def __init__(self, url, number, until):
        super().__init__()
        self.url, self.number, self.until, self.made = url, number, until, 0

    def push(self, client):
        options = {"priority": random.randrange(10), "dedup": f"{self.number}.{self.made}"}
        if random.random() < 0.2:
            options["delay_ms"] = random.randrange(1, 30)
        client.call("queue.push", "jobs", [self.number, self.made], **options)
        self.made += 1

    def run(self):
        while time.monotonic() < self.until:
            with Client(self.url, timeout=120) as client:
                try:
                    for _ in range(random.randrange(1, 200)):
                        self.push(client)
                except WherryError as error:
                    if error.name != "EAGAIN":
                        raise


class Consumer(threading.Thread):
    """Takes, acknowledges, gives back, or breaks its connection; what it asked to acknowledge and never heard of is in
    doubt."""

    def __init__(self, url, jobs_over):
        super().__init__()
        self.url, self.over, self.done, self.doubt, self.faults = url, jobs_over, [], set(), []

    def settle(self, client, job):
        name = tuple(job["value"])
        what = random.random()
        if what < 0.1:
            client.call("queue.nack", "jobs", job["token"], count=False, delay_ms=random.randrange(3))
        elif what < 0.12:
            client.begin("queue.ack", "jobs", job["token"])
            self.doubt.add(name)
            raise Refused("it leaves without waiting for the answer")
        elif what < 0.14:
            raise Refused("it leaves with the job")
        else:
            self.doubt.add(name)  # until it is answered
            client.call("queue.ack", "jobs", job["token"])
            self.done.append(name)

    def work(self, client):
        while not self.over.is_set():
            for job in client.call("queue.pop", "jobs", max=random.randrange(1, 10), wait_ms=200):
                self.settle(client, job)

    def run(self):
        while not self.over.is_set():
            try:
                with Client(self.url, timeout=120) as client:
                    self.work(client)
            except Refused:
                pass
            except WherryError as error:
                if error.name != "EAGAIN":
                    self.faults.append(error)


class Queues(unittest.TestCase):
    def await_empty(self, client):
        end = time.monotonic() + 120
        while True:
            stats = client.call("queue.stats", "jobs")
            if stats["ready"] + stats["delayed"] + stats["reserved"] == 0:
                return stats
            self.assertLess(time.monotonic(), end, stats)
            time.sleep(0.02)

    def test_broken_connections_and_reloads(self):
        with Wherryd() as broker, Client(broker.url, timeout=120) as client:
            over, until = threading.Event(), time.monotonic() + SECONDS
            client.call("queue.create", "jobs", max_attempts=0)
            producers = [Producer(broker.url, number, until) for number in range(PRODUCERS)]
            consumers = [Consumer(broker.url, over) for _ in range(CONSUMERS)]
            for thread in producers + consumers:
                thread.start()
            reloads = 0
            while any(producer.is_alive() for producer in producers):
                client.call("module.reload", "queue")
                reloads += 1
                time.sleep(0.1)
            stats = self.await_empty(client)
            over.set()
            for thread in producers + consumers:
                thread.join()
            self.judge(producers, consumers, stats, reloads)
            self.assertNotIn("module leaked", broker.read_log())

    def judge(self, producers, consumers, stats, reloads):
        made = {(producer.number, n) for producer in producers for n in range(producer.made)}
        done = [job for consumer in consumers for job in consumer.done]
        doubt = set().union(*(consumer.doubt for consumer in consumers))
        print(f"\n    {len(made)} jobs, {len(done)} acknowledged and told so, {stats['returned']} returned, "
              f"{stats['nacked']} given back; {reloads} reloads")
        self.assertEqual([fault for consumer in consumers for fault in consumer.faults], [])
        self.assertEqual(len(done), len(set(done)), "a job was acknowledged twice")
        self.assertEqual(made - set(done) - doubt, set(), "a job was lost")
        self.assertGreaterEqual(set(made), set(done))
        self.assertGreater(len(made), 100)
        self.assertEqual(stats["timeouts"], 0)


if __name__ == "__main__":
    unittest.main()
