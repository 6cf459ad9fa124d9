#!/usr/bin/python3
"""Publish/subscribe as its users meet it: pushed to duplex connections, fetched over REQ; retained messages, groups, gaps,
requests, wills.

    WHERRY_BUILD=build/debug tests/e2e/test_pubsub.py
"""

import os
import signal
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd  # noqa: E402
from wherry_py import Client, WherryError  # noqa: E402

WILL = """
import sys
sys.path.insert(0, sys.argv[1])
from wherry_py import Client
c = Client(sys.argv[2])
c.call("session.will", "will.killed", [1, "gone"], retain=True)
print("ready", flush=True)
sys.stdin.read()
"""


class Broker(unittest.TestCase):
    options = {"sys_interval": "1s", "max_subscriptions": 300}

    @classmethod
    def setUpClass(cls):
        cls.daemon = Wherryd(**cls.options)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        if cls.daemon.stop() != 0:
            raise AssertionError("wherryd ended badly")

    def setUp(self):
        self.clients = []
        self.client = self.connect()

    def tearDown(self):
        for client in self.clients:
            client.close()

    def connect(self, protocol="pair1"):
        client = Client(self.daemon.url, protocol, 30.0)
        self.clients.append(client)
        return client

    def refused(self, name, client, method, *params, **options):
        with self.assertRaises(WherryError) as caught:
            client.call(method, *params, **options)
        self.assertEqual(caught.exception.name, name)
        return str(caught.exception)

    def messages(self, client, count):
        """So many messages, each (subscription, seq, [topic, payload, headers]), and how many were told as lost."""
        got, lost = [], 0
        while len(got) + lost < count:
            method, (subscription, seq, missed, rows) = client.notification()
            self.assertEqual(method, "messages")
            lost += missed
            got += [(subscription, seq + i, row) for i, row in enumerate(rows)]
        return got, lost


class Cases(Broker):
    def test_two_subscribers(self):  # P1
        a, b = self.connect(), self.connect()
        one, two = a.call("pubsub.subscribe", "p1"), b.call("pubsub.subscribe", "p1")
        self.assertNotEqual(one, two)
        self.assertGreater(min(one, two), 0)
        self.assertEqual(self.client.call("pubsub.publish", "p1", "hello"), 2)
        self.assertEqual(self.messages(a, 1)[0], [(one, 1, ["p1", "hello", None])])
        self.assertEqual(self.messages(b, 1)[0], [(two, 1, ["p1", "hello", None])])
        self.assertEqual(a.call("pubsub.unsubscribe", one), 1)
        self.assertEqual(self.client.call("pubsub.publish", "p1", "world"), 1)
        self.assertEqual(self.messages(b, 1)[0], [(two, 2, ["p1", "world", None])])
        self.assertEqual(a.call("sys.ping"), "PONG")
        self.assertEqual(a.notifications, [])

    def test_nobody_and_unknown_ids(self):  # P2
        self.assertEqual(self.client.call("pubsub.publish", "p2", "hello"), 0)
        self.assertGreater(self.client.call("pubsub.subscribe", "p2"), 0)
        text = self.refused("ENOKEY", self.client, "pubsub.unsubscribe", 1973000)
        self.assertIn("no subscription 1973000", text)

    def test_a_subscriber_vanishes(self):  # P3
        gone = self.connect()
        number = gone.call("pubsub.subscribe", "p3")
        self.assertEqual(self.client.call("pubsub.publish", "p3", 1), 1)
        self.client.call("pubsub.subscribe", "$sys.session.>")
        gone.close()
        while self.client.notification()[1][3][0][1]["event"] != "down":
            pass
        self.assertEqual(self.client.call("pubsub.publish", "p3", 1), 0)
        self.refused("ENOKEY", self.client, "pubsub.unsubscribe", number)

    def test_only_the_owner_ends_it(self):  # P5
        other = self.connect()
        number = self.client.call("pubsub.subscribe", "p5")
        self.refused("ENOKEY", other, "pubsub.unsubscribe", number)
        self.assertEqual(other.call("pubsub.publish", "p5", 1), 1)

    def test_order_of_each_publisher(self):  # P5
        count, publishers = 2000, 4
        number = self.client.call("pubsub.subscribe", "order.*", max_messages=count * publishers, max_bytes=1 << 24)

        def publish(which):
            with Client(self.daemon.url, "pair1", 30.0) as c:
                for begin in range(0, count, 100):
                    c.frame([("pubsub.publish", f"order.{which}", i) for i in range(begin, begin + 100)])

        threads = [threading.Thread(target=publish, args=(i,)) for i in range(publishers)]
        for thread in threads:
            thread.start()
        got, lost = self.messages(self.client, count * publishers)
        for thread in threads:
            thread.join()
        self.assertEqual(lost, 0)
        self.assertEqual([seq for _, seq, _ in got], list(range(1, count * publishers + 1)))
        for which in range(publishers):
            self.assertEqual([row[1] for _, _, row in got if row[0] == f"order.{which}"], list(range(count)))
        self.client.call("pubsub.unsubscribe", number)

    def test_a_slow_one_delays_nobody(self):  # P5
        slow, fast = self.connect(), self.connect()
        slow.call("pubsub.subscribe", "slow", max_messages=10)
        fast.call("pubsub.subscribe", "slow", max_messages=100000, max_bytes=1 << 26)
        payload = "x" * 8192
        for _ in range(60):  # more than sockets hold, unread
            self.client.frame([("pubsub.publish", "slow", payload)] * 50)
        got, lost = self.messages(fast, 3000)
        self.assertEqual((len(got), lost), (3000, 0))
        got, lost = self.messages(slow, 3000)
        self.assertGreater(lost, 0)
        self.assertEqual(len(got) + lost, 3000)
        self.assertEqual(got[-1][1], 3000)  # numbered as if nothing had been lost

    def test_fetching(self):
        req = self.connect("req")
        self.refused("ESTALE", req, "session.fetch")
        number = req.call("pubsub.subscribe", "fetch.*")
        self.client.frame([("pubsub.publish", "fetch.a", i) for i in range(5)])
        self.assertEqual(req.call("session.fetch", max=3),
                         [["messages", [number, 1, 0, [["fetch.a", i, None] for i in range(3)]]]])
        self.assertEqual(req.call("session.fetch"),
                         [["messages", [number, 4, 0, [["fetch.a", i, None] for i in range(3, 5)]]]])
        self.assertEqual(req.call("session.fetch", wait_ms=1), [])
        timer = threading.Timer(0.05, lambda: self.client.call("pubsub.publish", "fetch.b", "late"))
        timer.start()
        self.assertEqual(req.call("session.fetch", wait_ms=20000), [["messages", [number, 6, 0, [["fetch.b", "late", None]]]]])
        timer.join()

    def test_groups(self):
        members = [self.connect() for _ in range(3)]
        for c in members:
            c.call("pubsub.subscribe", "group.>", group="g", max_messages=10000)
        watcher = self.connect()
        watcher.call("pubsub.subscribe", "group.>", max_messages=10000)
        self.assertEqual(self.client.call("pubsub.publish", "group.x", 0), 2)
        self.client.frame([("pubsub.publish", "group.x", i) for i in range(1, 300)])
        self.messages(watcher, 300)
        got = []
        for c in members:
            c.call("sys.ping")
            shown = c.call("pubsub.subscriptions")[0]
            rows, lost = self.messages(c, shown["delivered"] + shown["pending"])
            self.assertEqual(lost, 0)
            got += [row[1] for _, _, row in rows]
        self.assertEqual(sorted(got), list(range(300)))

    def test_sticky_members(self):
        members = [self.connect() for _ in range(3)]
        for c in members:
            c.call("pubsub.subscribe", "sticky", group="g", sticky="user")
        self.client.frame([("pubsub.publish", "sticky", i, {"headers": {"user": i % 7}}) for i in range(140)])
        homes = {}
        for which, c in enumerate(members):
            shown = c.call("pubsub.subscriptions")[0]
            for _, _, row in self.messages(c, shown["delivered"] + shown["pending"])[0]:
                homes.setdefault(row[2]["user"], set()).add(which)
        self.assertEqual(sorted(homes), list(range(7)))
        self.assertTrue(all(len(home) == 1 for home in homes.values()))

    def test_conflated(self):
        req = self.connect("req")
        req.call("pubsub.subscribe", "conflate.*", overflow="conflate")
        self.client.frame([("pubsub.publish", f"conflate.{i % 2}", i) for i in range(10)])
        (_, (_, seq, lost, rows)), = req.call("session.fetch")
        self.assertEqual((seq, lost, [row[1] for row in rows]), (9, 8, [8, 9]))

    def test_who_asks_to_be_disconnected(self):
        full = self.connect("req")
        full.call("pubsub.subscribe", "full", overflow="disconnect", max_messages=2)
        self.client.call("pubsub.subscribe", "$sys.session.>")
        self.client.frame([("pubsub.publish", "full", i) for i in range(3)])
        while self.client.notification()[1][3][0][1]["event"] != "down":
            pass

    def test_everything_adds_up(self):
        before = self.client.call("sys.stats")["messages"]
        listeners = [self.connect("req") for _ in range(4)]
        for i, c in enumerate(listeners):
            c.call("pubsub.subscribe", "sum", max_messages=5 + i, overflow=["drop_oldest", "drop_newest"][i % 2])
        self.client.frame([("pubsub.publish", "sum", i) for i in range(50)])
        told = fetched = 0
        for c in listeners:
            for _, (_, _, lost, rows) in c.call("session.fetch"):
                told, fetched = told + lost, fetched + len(rows)
        self.assertEqual(fetched, 5 + 6 + 7 + 8)
        self.assertEqual(told, 45 + 43)  # the gap at the end of a drop_newest comes with its next message
        after = self.client.call("sys.stats")["messages"]
        matched, delivered, dropped = (after[name] - before[name] for name in ("matched", "delivered", "dropped"))
        self.assertEqual((matched, delivered, dropped), (200, 26, 174))

    def test_flood_of_subscriptions(self):
        c = self.connect()
        answers = c.frame([("pubsub.subscribe", f"flood.{i}.*") for i in range(302)])
        self.assertEqual([getattr(a, "name", None) for a in answers[299:]], [None, "ELIMIT", "ELIMIT"])
        self.assertEqual(self.client.call("pubsub.publish", "flood.299.x", 1), 1)
        self.assertEqual(self.client.call("pubsub.publish", "flood.300.x", 1), 0)

    def test_hostile_topics(self):
        for topic in ("", ".", "a.", ".a", "a..b", "a.>.b.>", "\0", "a\0b", "*", ">", "a.*", "x" * 513, "$", "$sys.a"):
            with self.subTest(topic):
                with self.assertRaises(WherryError) as caught:
                    self.client.call("pubsub.publish", topic, 1)
                self.assertIn(caught.exception.name, ("EARG", "EDENIED"))
        for topic in ("x" * 512, "a*.b", "a>b", "ü.ß", " . ", ".".join("x" * 256)):
            self.assertEqual(self.client.call("pubsub.publish", topic, 1), 0)

    # --- retained -----------------------------------------------------------------------------------------------------

    def test_retained(self):
        self.client.call("pubsub.publish", "kept.a", 1, retain=True, headers={"x": 1})
        self.client.call("pubsub.publish", "kept.b", 2, retain=True, ttl_ms=20)
        c = self.connect()
        number = c.call("pubsub.subscribe", "kept.a", retained=True)
        self.assertEqual(self.messages(c, 1)[0], [(number, 1, ["kept.a", 1, {"retained": True, "x": 1}])])
        while len(self.client.call("pubsub.retained", "kept.>")) > 1:
            pass
        self.client.call("pubsub.publish", "kept.a", None, retain=True)
        self.assertEqual(self.client.call("pubsub.retained", "kept.>"), [])

    def test_retained_first_then_live(self):
        """Whoever subscribes while a counter runs sees it from some number on, and then every one."""
        stop, last = threading.Event(), []

        def publish():
            with Client(self.daemon.url, "pair1", 30.0) as c:
                i = 0
                while not stop.is_set():
                    c.frame([("pubsub.publish", "live", i + k, {"retain": True}) for k in range(20)])
                    i += 20
                last.append(i - 1)

        thread = threading.Thread(target=publish)
        thread.start()
        while not self.client.call("pubsub.retained", "live"):
            pass
        try:
            for _ in range(20):
                c = self.connect()
                c.call("pubsub.subscribe", "live", retained=True, max_messages=100000)
                got, lost = self.messages(c, 40)
                numbers = [row[1] for _, _, row in got]
                self.assertEqual(lost, 0)
                self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
                self.assertEqual([row[2] for _, _, row in got], [{"retained": True}] + [None] * (len(got) - 1))
                self.clients.remove(c)
                c.close()
        finally:
            stop.set()
            thread.join()
        self.assertEqual(self.client.call("pubsub.retained", "live")[0]["payload"], last[0])

    # --- requests -----------------------------------------------------------------------------------------------------

    def test_requests(self):
        self.refused("ENORESP", self.client, "pubsub.request", "rpc.add", [1, 2])
        server = self.connect()
        server.call("pubsub.subscribe", "rpc.*", group="servers")
        asked = [self.client.begin("pubsub.request", "rpc.add", [i, i]) for i in range(50)]
        for _, _, (_, (a, b), headers) in self.messages(server, 50)[0]:
            self.assertEqual(server.call("pubsub.publish", headers["reply_to"], a + b), 1)
            self.refused("ENORESP", server, "pubsub.publish", headers["reply_to"], a + b)
        self.assertEqual([self.client.end(number) for number in asked], [2 * i for i in range(50)])
        self.refused("ETIMEOUT", self.client, "pubsub.request", "rpc.add", 1, timeout_ms=1)

    def test_a_reply_as_part_of_a_transaction(self):
        server = self.connect()
        server.call("pubsub.subscribe", "tx.rpc")
        asked = self.client.begin("pubsub.request", "tx.rpc", "work")
        (_, _, (_, _, headers)), = self.messages(server, 1)[0]
        failing = [["pubsub.publish", [headers["reply_to"], "never"]], ["kv.incr", ["tx.text"]]]
        server.call("kv.set", "tx.text", "no number")
        self.refused("EARG", server, "tx.exec", failing)
        server.call("tx.exec", [["kv.set", ["tx.done", True]], ["pubsub.publish", [headers["reply_to"], "done"]]])
        self.assertEqual(self.client.end(asked), "done")

    def test_who_asked_is_gone(self):
        server, asker = self.connect(), self.connect()
        server.call("pubsub.subscribe", "left.rpc")
        self.client.call("pubsub.subscribe", "$sys.session.>")
        asker.begin("pubsub.request", "left.rpc", 1)
        (_, _, (_, _, headers)), = self.messages(server, 1)[0]
        asker.close()
        while self.client.notification()[1][3][0][1]["event"] != "down":
            pass
        self.refused("ENORESP", server, "pubsub.publish", headers["reply_to"], 1)

    # --- wills and what the broker tells --------------------------------------------------------------------------------

    def test_will_of_a_killed_client(self):
        self.client.call("pubsub.subscribe", "will.>")
        child = subprocess.Popen([sys.executable, "-c", WILL, os.path.join(HERE, "..", "support"), self.daemon.url],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with child:
            self.assertEqual(child.stdout.readline(), b"ready\n")
            child.send_signal(signal.SIGKILL)
        (_, _, row), = self.messages(self.client, 1)[0]
        self.assertEqual(row, ["will.killed", [1, "gone"], None])
        self.assertEqual(self.client.call("pubsub.retained", "will.killed")[0]["payload"], [1, "gone"])

    def test_wills_that_are_not_executed(self):
        self.client.call("pubsub.subscribe", "will2.>", "$sys.session.>")
        clean, cleared, last = self.connect(), self.connect(), self.connect()
        clean.call("session.will", "will2.clean", 1)
        clean.call("session.close")
        cleared.call("session.will", "will2.cleared", 1)
        cleared.call("session.will", None)
        cleared.close()
        last.call("session.will", "will2.last", 1)
        last.call("session.will", "will2.last", 2)
        last.close()
        seen = []
        while len(seen) < 1 or sum(topic.startswith("$sys") for topic, _ in seen) < 3:
            _, (_, _, _, rows) = self.client.notification()
            seen += [(row[0], row[1]) for row in rows if row[0].startswith("will2") or row[1]["event"] == "down"]
            if [row for row in seen if row[0].startswith("will2")] and sum(t.startswith("$sys") for t, _ in seen) >= 3:
                break
        self.assertEqual([row for row in seen if row[0].startswith("will2")], [("will2.last", 2)])
        self.refused("EDENIED", self.client, "session.will", "$sys.x", 1)
        self.refused("EARG", self.client, "session.will", "a..b", 1)

    def test_what_the_broker_tells(self):
        self.client.call("pubsub.subscribe", "$sys.broker.connections", "$sys.module.*")
        self.client.call("module.reload", "lock")
        seen = {}
        while len(seen) < 2:
            _, (_, _, _, rows) = self.client.notification()
            seen.update({row[0]: row[1] for row in rows})
        self.assertEqual(seen["$sys.module.lock"]["event"], "reloaded")
        self.assertGreaterEqual(seen["$sys.broker.connections"], 1)
        hidden = self.connect()
        hidden.call("pubsub.subscribe", ">", "*.*")
        self.client.call("module.reload", "lock")
        self.assertEqual(hidden.call("sys.ping"), "PONG")
        self.assertEqual(hidden.notifications, [])  # a wildcard in front does not stand for $sys


if __name__ == "__main__":
    unittest.main()
