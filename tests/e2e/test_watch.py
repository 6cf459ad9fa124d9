#!/usr/bin/python3
"""What becomes of keys, for those who watch them: kv.watch over real sockets, pushed and fetched.

    WHERRY_BUILD=build/debug tests/e2e/test_watch.py
"""

import os
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd  # noqa: E402
from wherry_py import Client, Refused, WherryError  # noqa: E402


class Watch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Wherryd()
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        assert cls.daemon.stop() == 0

    def setUp(self):
        self.writer = self.client()
        self.writer.call("kv.clear")

    def client(self, protocol="pair1"):
        client = Client(self.daemon.url, protocol)
        self.addCleanup(client.close)
        return client

    def watch(self, *keys, **options):
        watcher = self.client()
        return watcher, watcher.call("kv.watch", *keys, **options)

    def told(self, watcher, count=1):
        notes = [watcher.notification() for _ in range(count)]
        self.assertTrue(all(method == "watch" for method, _ in notes), notes)
        return [params for _, params in notes]

    def assert_error(self, name, call, *args, **options):
        with self.assertRaises(WherryError) as caught:
            call(*args, **options)
        self.assertEqual(caught.exception.name, name)

    # --- what is told (acceptance W1) ----------------------------------------------------------------------------

    def test_put_cas_del_expire_in_order_with_value_and_revision(self):
        watcher, watch = self.watch("k", initial=True)
        first = self.writer.call("kv.set", "k", "initial")
        second = self.writer.call("kv.set", "k", {"deep": [1, 2]})
        _, third = self.writer.call("kv.cas", "k", {"deep": [1, 2]}, 7)
        self.writer.call("kv.del", "k")
        self.writer.call("kv.set", "k", 1, ttl_ms=20)
        events = self.told(watcher, 7)
        self.assertEqual([event[:4] for event in events], [
            [watch, "state", "k", None], [watch, "put", "k", "initial"], [watch, "put", "k", {"deep": [1, 2]}],
            [watch, "cas", "k", 7], [watch, "del", "k", None], [watch, "put", "k", 1], [watch, "expire", "k", None]])
        revisions = [event[4] for event in events]
        self.assertEqual(revisions[0], 0)
        self.assertEqual(revisions[1:4], [first, second, third])
        self.assertEqual(revisions, sorted(set(revisions)))
        self.assertEqual([event[5] for event in events], [0] * 7)

    def test_state_is_what_is_there(self):
        revision = self.writer.call("kv.set", ("tuple", 1), b"x")
        watcher, watch = self.watch(("tuple", 1), initial=True)
        self.assertEqual(self.told(watcher), [[watch, "state", ("tuple", 1), b"x", revision, 0]])

    def test_one_commit_is_one_event_a_key(self):
        watcher, watch = self.watch("a", "b", "a")
        self.writer.call("kv.mset", "a", 1, "b", 2, "a", 3)
        self.writer.call("kv.rename", "a", "b")
        events = self.told(watcher, 4)
        self.assertEqual(sorted(event[1:4] for event in events[:2]), [["put", "a", 3], ["put", "b", 2]])
        self.assertEqual(sorted(event[1:4] for event in events[2:]), [["del", "a", None], ["put", "b", 3]])

    def test_what_fails_is_not_told(self):
        watcher, _ = self.watch("k", "end")
        self.writer.call("kv.set", "k", "text")
        self.assert_error("EARG", self.writer.call, "kv.incr", "k")
        self.writer.call("kv.cas", "k", "other", 1)
        self.assertIsNone(self.writer.call("kv.set", "k", 1, nx=True))
        self.writer.call("kv.set", "end", 1)
        self.assertEqual([event[1:4] for event in self.told(watcher, 2)], [["put", "k", "text"], ["put", "end", 1]])

    def test_clear_is_told_key_by_key(self):
        for i in range(300):
            self.writer.call("kv.set", f"c{i}", i)
        watcher, _ = self.watch("c*")
        self.writer.call("kv.clear")
        events = self.told(watcher, 300)
        self.assertEqual({event[2] for event in events}, {f"c{i}" for i in range(300)})
        self.assertEqual({event[1] for event in events}, {"del"})

    # --- patterns -------------------------------------------------------------------------------------------------

    def test_patterns_and_keys_of_one_watch_tell_once(self):
        watcher, watch = self.watch("user.*", "user.1", "u[r-t]er.?")
        self.writer.call("kv.set", "user.1", 1)
        self.writer.call("kv.set", "other", 1)
        self.writer.call("kv.set", 5, 1)
        self.writer.call("kv.set", b"user.22", 2)
        self.assertEqual([event[:4] for event in self.told(watcher, 2)],
                         [[watch, "put", "user.1", 1], [watch, "put", b"user.22", 2]])

    def test_initial_state_of_a_pattern_misses_nothing(self):
        for i in range(3000):
            self.writer.call("kv.set", f"p{i}", 0)
        stop = threading.Event()
        done = {}

        def write():
            client = Client(self.daemon.url)
            i = 0
            while not stop.is_set():
                i += 1
                done[f"p{i % 3000}"] = (i, client.call("kv.set", f"p{i % 3000}", i))
            client.close()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            watcher, _ = self.watch("p*", initial=True, max_messages=100000, max_bytes=1 << 24)
            seen, states = {}, set()
            while len(states) < 3000:
                for event in self.told(watcher):
                    self.assertEqual(event[5], 0)
                    if event[2] in seen:
                        self.assertLessEqual(seen[event[2]][1], event[4], "an older state after a newer one")
                    seen[event[2]] = (event[3], event[4])
                    if event[1] == "state":
                        states.add(event[2])
        finally:
            stop.set()
            writer.join()
        self.writer.call("kv.set", "p.end", 1)
        while "p.end" not in seen:
            event = self.told(watcher)[0]
            seen[event[2]] = (event[3], event[4])
        for key, last in done.items():
            self.assertEqual(seen[key], last)

    # --- namespaces, sessions, bounds ----------------------------------------------------------------------------

    def test_a_watch_is_of_its_namespace(self):
        self.writer.call("ns.create", "elsewhere")
        watcher, watch = self.watch("k", ns="elsewhere")
        self.writer.call("kv.set", "k", 1)
        self.writer.call("kv.set", "k", 2, ns="elsewhere")
        self.assertEqual([event[:4] for event in self.told(watcher)], [[watch, "put", "k", 2]])

    def test_unwatch_ends_it_and_only_ones_own(self):
        watcher, watch = self.watch("k")
        other, mine = self.watch("k")
        self.assert_error("ENOKEY", other.call, "kv.unwatch", watch)
        self.assertIs(watcher.call("kv.unwatch", watch), True)
        self.assert_error("ENOKEY", watcher.call, "kv.unwatch", watch)
        self.writer.call("kv.set", "k", 1)
        self.assertEqual(self.told(other)[0][:4], [mine, "put", "k", 1])
        again = watcher.call("kv.watch", "k", initial=True)
        self.assertEqual(self.told(watcher)[0][:4], [again, "state", "k", 1])

    def test_fetched_by_a_client_that_cannot_be_pushed_to(self):
        req = self.client("req")
        self.assert_error("ESTALE", req.call, "session.fetch")
        watch = req.call("kv.watch", "k")
        self.assertEqual(req.call("session.fetch"), [])
        self.writer.call("kv.set", "k", 1)
        self.assertEqual([part[:1] + part[1][:4] for part in req.call("session.fetch", wait_ms=5000)],
                         [["watch", watch, "put", "k", 1]])
        pending = req.begin("session.fetch", wait_ms=20000)
        self.writer.call("kv.set", "k", 2)
        self.assertEqual([part[1][3] for part in req.end(pending)], [2])

    def test_too_many_events_are_told_as_lost(self):
        req = self.client("req")
        req.call("kv.watch", "k", max_messages=10)
        for i in range(25):
            self.writer.call("kv.set", "k", i)
        events = [part[1] for part in req.call("session.fetch", max=100)]
        self.assertEqual([event[3] for event in events], list(range(15, 25)))
        self.assertEqual([event[5] for event in events], [15] + [0] * 9)

    def test_events_as_messages_of_the_brokers_own_topics(self):
        self.writer.call("ns.create", "other.side")
        client = self.client()
        number = client.call("pubsub.subscribe", "$key.>")
        put = self.writer.call("kv.set", "k", 1)
        self.writer.call("kv.cas", "k", 1, 2)
        self.writer.call("kv.del", "k")
        self.writer.call("kv.set", ("t", 1), 1, ns="other.side", ttl_ms=10)
        got = []
        while len(got) < 5:
            method, (of, _, lost, messages) = client.notification()
            self.assertEqual((method, of, lost), ("messages", number, 0))
            got += messages
        self.assertEqual([message[:2] for message in got],
                         [["$key.default.put", "k"], ["$key.default.cas", "k"], ["$key.default.del", "k"],
                          ["$key.other.side.put", ("t", 1)], ["$key.other.side.expire", ("t", 1)]])
        self.assertEqual(got[0][2], {"revision": put})
        client.call("pubsub.unsubscribe", number)
        everything = client.call("pubsub.subscribe", ">")
        self.writer.call("kv.set", "k", 1)  # a leading wildcard does not mean the broker's own
        self.writer.call("pubsub.publish", "end", 1)
        self.assertEqual(client.notification()[1][::3], [everything, [["end", 1, None]]])

    # --- bad input --------------------------------------------------------------------------------------------------

    def test_bad_input(self):
        client = self.client()
        self.assert_error("EARG", client.call, "kv.watch")
        self.assert_error("EARG", client.call, "kv.watch", "[")
        self.assert_error("EARG", client.call, "kv.watch", "*" + "a" * 300)
        self.assert_error("EARG", client.call, "kv.watch", None)
        self.assert_error("EARG", client.call, "kv.watch", "k", max_messages=0)
        self.assert_error("EARG", client.call, "kv.watch", "k", overflow="conflate")
        self.assert_error("ENOKEY", client.call, "kv.unwatch", 99)
        self.assert_error("EDENIED", client.call, "kv.watch_state", 1, 1, "k")

    def test_a_session_watches_so_many_keys(self):
        daemon = Wherryd(max_watched_keys=5, max_watch_patterns=2)
        daemon.start()
        with Client(daemon.url) as client, Client(daemon.url) as other:
            client.call("kv.watch", "a", "b", "c*")
            self.assert_error("ELIMIT", client.call, "kv.watch", "d", "e", "f")
            other.call("kv.watch", "x*")
            self.assert_error("ELIMIT", other.call, "kv.watch", "y*")
        with Client(daemon.url) as client:
            client.call("kv.watch", "a", "b", "c*")
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
