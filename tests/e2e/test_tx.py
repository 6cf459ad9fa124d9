#!/usr/bin/python3
"""Transactions as clients meet them over sockets: answers and errors, many clients at once, hostile shapes.

    WHERRY_BUILD=build/debug tests/e2e/test_tx.py
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd, default_build  # noqa: E402
from wherry_py import Client, WherryError, pack  # noqa: E402

WHERRY = os.path.join(default_build(), "bin", "wherry")


class Daemon(Wherryd):
    def command(self):
        return super().command() + ["-l", f"ipc://{self.dir}/wherry.sock", "-m", "queue", "-m", "pubsub"]


class Broker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon()
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

    def connect(self, protocol="pair1", url=None):
        client = Client(url or self.daemon.url, protocol)
        self.clients.append(client)
        return client

    def refused(self, commands, **options):
        with self.assertRaises(WherryError) as caught:
            self.client.call("tx.exec", commands, **options)
        return caught.exception


class Answers(Broker):
    def test_every_way_in(self):
        for url in (self.daemon.url, f"ipc://{self.daemon.dir}/wherry.sock"):
            for protocol in ("pair1", "pair0", "req"):
                with self.subTest(url=url, protocol=protocol):
                    self.client.call("kv.clear")
                    c = self.connect(protocol, url)
                    revision, number = c.call("tx.exec", [["kv.set", ["a", 1]], ["kv.incr", ["a"]]])
                    self.assertEqual(c.call("kv.entry", "a"), [2, revision, None])
                    self.assertEqual(number, 2)

    def test_of_an_empty_one(self):  # X1
        self.assertEqual(self.client.call("tx.exec", []), [])

    def test_among_others_of_a_frame(self):
        got = self.client.frame([("kv.set", "a", 1), ("tx.exec", [["kv.incr", ["a"]], ["kv.get", ["a"]]]), ("kv.incr", "a"),
                                 ("tx.exec", [["kv.gte", ["a"]]]), ("kv.get", "a")])
        self.assertEqual(got[1:3] + got[4:], [[2, 2], 3, 3])
        self.assertEqual((got[3].name, got[3].details), ("ENOCMD", {"index": 0, "did_you_mean": "kv.get"}))

    def test_errors_name_their_index(self):  # X2
        error = self.refused([["kv.set", ["x", 10]], ["kv.get", ["x"]], ["kv.append", ["x", "v"]]])
        self.assertEqual((error.name, error.details), ("EARG", {"index": 2}))
        self.assertIn("at index 2, kv.append: ", error.text)
        self.assertIsNone(self.client.call("kv.get", "x"))
        error = self.refused([["kv.set", ["x", 10]], ["foo", []]], on_error="continue")
        self.assertEqual((error.name, error.details), ("ENOCMD", {"index": 1}))
        self.assertIsNone(self.client.call("kv.get", "x"))

    def test_that_go_on_after_an_error(self):  # X2
        answers = self.client.call("tx.exec", [["kv.set", ["x", 10]], ["queue.push", ["x", "v"]], ["kv.get", ["x"]]],
                                   on_error="continue")
        self.assertEqual([answers[0][0], answers[2]], [None, [None, 10]])
        self.assertEqual((answers[1][0][1], answers[1][0][3], answers[1][1]), ("ETYPE", None, None))
        self.assertEqual(self.client.call("kv.get", "x"), 10)

    def test_of_a_request_that_comes_again(self):
        c = self.connect("req")
        body, _ = c.encode("tx.exec", [["kv.incr", ["n"]], ["kv.incr", ["m"]]])
        first = c.raw(body)
        self.assertEqual(c.resend(body), pack(first[0]))
        self.assertEqual(c.call("kv.mget", "n", "m"), [1, 1])

    def test_on_the_command_line(self):
        def wherry(*words):
            return subprocess.run([WHERRY, "-u", self.daemon.url, *words], capture_output=True, text=True, timeout=60)
        done = wherry("tx.exec", json.dumps([["kv.set", ["a", 1]], ["kv.incr", ["a"], {}]]))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.client.call("kv.get", "a"), 2)
        done = wherry("tx.exec", '[["kv.set", ["a", 3]]]', "--if", '[["a", 1]]')
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('key "a" is at revision', done.stderr)
        self.assertEqual(self.client.call("kv.get", "a"), 2)


class ManyClients(Broker):
    CLIENTS, ROUNDS = 8, 60

    def all_at_once(self, work):
        faults = []

        def run(number):
            try:
                with Client(self.daemon.url, timeout=60) as c:
                    work(c, random.Random(number))
            except Exception as fault:  # shown below
                faults.append(fault)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])

    def test_what_is_read_is_whole(self):  # X3
        keys = [f"k{i}" for i in range(6)]

        def work(c, dice):
            for round_ in range(self.ROUNDS):
                dice.shuffle(keys_ := list(keys))
                value = dice.random()
                c.call("tx.exec", [["kv.set", [key, value]] for key in keys_])
                values = c.call("tx.exec", [["kv.get", [key]] for key in dice.sample(keys, 6)])
                if len(set(values)) != 1:
                    raise AssertionError(values)
        self.all_at_once(work)

    def test_conditions_are_enough_for_a_counter(self):
        self.client.call("kv.set", "n", 0)
        tries = []

        def work(c, dice):
            for _ in range(self.ROUNDS):
                while True:
                    tries.append(1)
                    number, revision, _ = c.call("kv.entry", "n")
                    try:
                        c.call("tx.exec", [["kv.set", ["n", number + 1]]], **{"if": [["n", revision]]})
                        break
                    except WherryError as error:
                        if error.name != "ECONFLICT":
                            raise
        self.all_at_once(work)
        self.assertEqual(self.client.call("kv.get", "n"), self.CLIENTS * self.ROUNDS)
        self.assertGreaterEqual(len(tries), self.CLIENTS * self.ROUNDS)

    def test_money_is_neither_made_nor_lost(self):
        accounts = [f"account:{i}" for i in range(10)]
        self.client.call("kv.mset", *[word for account in accounts for word in (account, 100)])

        def work(c, dice):
            for _ in range(self.ROUNDS):
                a, b = dice.sample(accounts, 2)
                commands = [["kv.incr", [a, -7]], ["kv.incr", [b, 7]]]
                if dice.random() < 0.3:  # the last one fails, and nothing was moved
                    commands.append(["kv.append", [a, "x"]])
                try:
                    c.call("tx.exec", commands)
                except WherryError as error:
                    if error.details != {"index": 2}:
                        raise
        self.all_at_once(work)
        self.assertEqual(sum(self.client.call("kv.mget", *accounts)), 1000)

    def test_an_event_comes_after_its_commit(self):
        """Whoever is told that a job is done finds its result, its acknowledgement and the next job, and of no other."""
        jobs = 200
        self.client.call("queue.push", "jobs", *range(jobs))

        def work():
            with Client(self.daemon.url) as c:
                for _ in range(jobs):
                    [job] = c.call("queue.pop", "jobs")
                    number, token = job["value"], job["token"]
                    parts = [["pubsub.publish", ["job.done", number]], ["queue.ack", ["jobs", token]],
                             ["kv.set", [("result", number), number]], ["queue.push", ["next", number]]]
                    try:
                        c.call("tx.exec", parts + [["kv.incr", ["next"]]])  # it is a queue: nothing of all that was done
                        raise AssertionError("it did not fail")
                    except WherryError as error:
                        if error.details != {"index": 4}:
                            raise
                    c.call("tx.exec", parts)
        listener, worker = self.connect(), threading.Thread(target=work)
        listener.call("pubsub.subscribe", "job.done")
        worker.start()
        told = []
        while len(told) < jobs:
            kind, (_, _, lost, messages) = listener.notification()
            self.assertEqual((kind, lost), ("messages", 0))
            for _, number, _ in messages:
                told.append(number)
                self.assertEqual(listener.call("kv.get", ("result", number)), number)
                self.assertEqual([job["value"] for job in listener.call("queue.pop", "next", ack=False)], [number])
        worker.join()
        self.assertEqual(told, list(range(jobs)))
        self.assertEqual((listener.notifications, listener.call("queue.pop", "next")), ([], []))
        stats = listener.call("queue.stats", "jobs")
        self.assertEqual((stats["ready"], stats["reserved"]), (0, 0))

    def test_clients_that_leave_do_all_or_nothing(self):
        body = pack([0, 1, "tx.exec", [[["kv.incr", [f"n{i}"]] for i in range(20)]]])
        for _ in range(50):
            c = Client(self.daemon.url)
            c.send(body * 5)
            c.close()
        end = time.monotonic() + 10
        while self.client.call("sys.stats")["wire"]["connections"] > 1 and time.monotonic() < end:
            time.sleep(0.002)
        self.assertEqual(len(set(self.client.call("kv.mget", *[f"n{i}" for i in range(20)]))), 1)

    def test_while_modules_are_reloaded(self):
        over = threading.Event()

        def reload():
            with Client(self.daemon.url, timeout=60) as c:
                while not over.is_set():
                    c.call("module.reload", "kv")
        thread = threading.Thread(target=reload)
        thread.start()
        try:
            def work(c, dice):
                for _ in range(self.ROUNDS):
                    c.call("tx.exec", [["kv.incr", ["a"]], ["kv.incr", ["b"]], ["queue.push", ["q", 1]],
                                       ["queue.pop", ["q"], {"ack": False, "wait_ms": 60000}]])
            self.all_at_once(work)
        finally:
            over.set()
            thread.join()
        self.assertEqual(self.client.call("kv.mget", "a", "b"), [self.CLIENTS * self.ROUNDS] * 2)


class Hostile(Broker):
    def test_shapes(self):
        for commands in (None, 1, "x", {}, {"a": []}):
            self.assertEqual(self.refused(commands).name, "EARG", commands)
        for part in (None, 1, "kv.get", [], {}, ["kv.get"], ["kv.get", "a"], ["kv.get", {}], [1, []], [b"kv.get", ["a"]],
                     ["kv.get", ["a"], []], ["kv.get", ["a"], {}, 1], [["kv.get"], ["a"]], ["kv.get", ["a"], {1: 2}],
                     ["kv.get", []], ["kv.get", ["a", "b"]], ["kv.get", [None]], ["kv.get", ["a"], {"ns": 1}]):
            error = self.refused([["kv.set", ["a", 1]], part, part])
            self.assertEqual((error.name, error.details), ("EARG", {"index": 1}), part)
        self.assertEqual(self.refused([["\ud800".encode("utf-8", "surrogatepass").decode("latin-1") * 100, []]]).name,
                         "ENOCMD")
        self.assertIsNone(self.client.call("kv.get", "a"))

    def test_one_in_another(self):
        inner = []
        for _ in range(4):
            inner = [["tx.exec", [inner]]]
        error = self.refused(inner)
        self.assertEqual((error.name, error.details), ("EUNSUPPORTED", {"index": 0}))

    def test_very_many(self):
        get = ["kv.get", ["a"]]
        self.assertEqual(self.client.call("tx.exec", [get] * 4096), [None] * 4096)
        self.assertEqual(self.refused([get] * 4097).name, "ELIMIT")
        self.assertEqual(self.refused([None] * 1000000).name, "ELIMIT")
        self.assertEqual(self.refused([["kv.mget", list(range(60000))]] * 2 + [["kv.mget", list(range(70000))]]).details,
                         {"index": 2})
        keys = [["kv.mset", [word for key in range(n * 1000, n * 1000 + 1000) for word in (key, n)]] for n in range(200)]
        revisions = self.client.call("tx.exec", keys)
        self.assertEqual(len({revision for each in revisions for revision in each}), 1)
        self.assertEqual(self.client.call("kv.count"), 200000)
        self.assertEqual(self.client.call("tx.exec", [["kv.del", list(range(200000))[i::200]] for i in range(200)]),
                         [1000] * 200)

    def test_answers_that_grow(self):
        self.client.call("kv.set", "big", b"x" * 1000000)
        error = self.refused([["kv.get", ["big"]]] * 4096)
        self.assertEqual((error.name, error.details), ("ELIMIT", {"index": 16}))
        self.assertEqual(len(self.client.call("tx.exec", [["kv.get", ["big"]]] * 16)), 16)

    def test_anything(self):
        dice = random.Random(4)

        def value(depth):
            kind = dice.randrange(9 if depth > 0 else 6)
            if kind < 6:
                return [None, True, dice.randrange(-5, 5), 1.5, "kv.set", b"a"][kind]
            if kind == 8:
                return {str(i): value(depth - 1) for i in range(dice.randrange(3))}
            return [value(depth - 1) for _ in range(dice.randrange(4))]
        methods = ["kv.set", "kv.get", "kv.incr", "kv.mset", "queue.push", "queue.pop", "queue.ack", "tx.exec", "kv.scan", "x"]

        def part():
            if dice.random() < 0.1:
                return value(3)
            return [dice.choice(methods), [value(2) for _ in range(dice.randrange(4))]]
        for _ in range(2000):
            options = {"on_error": dice.choice(["abort", "continue"])}
            if dice.random() < 0.2:
                options["if"] = value(3)
            try:
                self.client.call("tx.exec", [part() for _ in range(dice.randrange(5))], **options)
            except WherryError as error:
                self.assertNotEqual(error.name, "EINTERNAL", error.text)
        self.assertEqual(self.client.call("sys.ping"), "PONG")


if __name__ == "__main__":
    unittest.main()
