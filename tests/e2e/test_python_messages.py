#!/usr/bin/python3
"""The Python package listens: subscriptions by iterator and callback, gaps that are told, requests and replies."""

import asyncio
import logging
import os
import random
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from python_clients import WAIT_S, Served, both, until, wherry  # noqa: E402
from scripted import Bare, Raw, Scripted  # noqa: E402
from wherry_py import pack  # noqa: E402


class Listening(Served):
    def setUp(self):
        super().setUp()
        self.client = self.connect()


@both
class Subscriptions(Listening):
    def test_messages_in_order(self):  # P1
        with self.client.subscribe("room.*", "log.>") as messages:
            for n in range(50):
                self.client.pubsub.publish(f"room.{n % 3}", n, headers={"n": n})
            self.client.pubsub.publish("log.a.b", b"raw")
            self.client.pubsub.publish("other", "not ours")
            got = [next(messages) for _ in range(51)]
        self.assertEqual([(m.topic, m.payload, m.headers) for m in got],
                         [(f"room.{n % 3}", n, {"n": n}) for n in range(50)] + [("log.a.b", b"raw", {})])
        self.assertEqual([m.seq for m in got], list(range(got[0].seq, got[0].seq + 51)))
        self.assertFalse(any(m.gap for m in got))

    def test_two_subscribers(self):  # P1 P5
        first, second = self.client.subscribe("t"), self.connect().subscribe("t")
        self.assertEqual(self.client.pubsub.publish("t", "hello"), 2)
        self.assertEqual((next(first).payload, next(second).payload), ("hello", "hello"))
        first.close()
        self.assertEqual(list(first), [])
        self.assertEqual(self.client.pubsub.publish("t", "world"), 1)
        self.assertEqual(next(second).payload, "world")

    def test_what_came_before_it_was_closed_can_be_taken(self):
        messages = self.client.subscribe("t")
        self.client.pubsub.publish("t", 1)
        until(lambda: self.pending(messages))
        messages.close()
        self.assertEqual([message.payload for message in messages], [1])
        until(lambda: self.client.pubsub.topics() == [])

    def pending(self, messages):
        return len(getattr(messages, "inner", messages)._mailbox.items)

    def test_get(self):
        messages = self.client.subscribe("t")
        self.assertIsNone(messages.get(0.01))
        self.client.pubsub.publish("t", None)
        self.assertEqual(messages.get(WAIT_S).topic, "t")
        waiting = self.in_thread(messages.get)
        messages.close()
        self.assertIsNone(waiting.result(WAIT_S))

    def test_a_callback(self):
        got, done = [], threading.Event()

        def heard(message):
            got.append(message.payload)
            if message.payload == 2:
                raise ValueError("in a callback")
            if len(got) == 5:
                done.set()
        with self.assertLogs("wherry", logging.ERROR) as logs:
            with self.client.subscribe("t", callback=heard):
                for n in range(5):
                    self.client.pubsub.publish("t", n)
                self.assertTrue(done.wait(WAIT_S))
        self.assertEqual((got, len(logs.records)), (list(range(5)), 1))

    def test_retained(self):
        self.client.pubsub.publish("state.a", "on", retain=True)
        self.client.pubsub.publish("state.b", "off", retain=True)
        with self.client.subscribe("state.*", retained=True) as messages:
            self.client.pubsub.publish("state.a", "off", retain=True)
            got = [(m.topic, m.payload) for m in (next(messages) for _ in range(3))]
        self.assertEqual(sorted(got[:2]), [("state.a", "on"), ("state.b", "off")])
        self.assertEqual(got[2], ("state.a", "off"))

    def test_a_group(self):
        members = [self.connect().subscribe("jobs", group="g") for _ in range(3)]
        for n in range(30):
            self.assertEqual(self.client.pubsub.publish("jobs", n), 1)
        until(lambda: sum(map(self.pending, members)) == 30)
        got = []
        for member in members:
            member.close()
            got += [message.payload for message in member]
        self.assertEqual(sorted(got), list(range(30)))

    def test_refused(self):
        for filters in (("a..b",), ("",), ("x" * 513,), ()):
            with self.assertRaises(wherry.ArgumentError):
                self.client.subscribe(*filters)
        with self.assertRaises(wherry.ArgumentError):
            self.client.subscribe("a", overflow="nonsense")
        self.assertEqual(self.client.pubsub.topics(), [])

    def test_what_the_broker_dropped_is_told(self):
        """A subscription of three messages whose reader is away: what is missing is counted."""
        client, gaps = self.proxied(), []
        messages = client.subscribe("t", max_messages=3, on_gap=gaps.append)
        self.proxy.hold_answers()
        for n in range(5000):
            self.client.pubsub.publish("t", b"x" * 5000 + b"%d" % n)
        self.proxy.release_answers()
        self.client.pubsub.publish("t", "last")
        got = lost = 0
        last = None
        for message in messages:
            got, lost = got + 1, lost + message.gap.lost
            self.assertFalse(message.gap.reconnected)
            if last is not None:
                self.assertEqual(message.seq, last + 1 + message.gap.lost)
            last = message.seq
            if message.payload == "last":
                break
        self.assertEqual(got + lost, 5001)
        self.assertGreater(lost, 0)
        self.assertEqual(sum(gap.lost for gap in gaps), lost)

    def test_what_nobody_takes_out_is_dropped_and_told(self):
        messages = self.client.subscribe("t")
        inner = getattr(messages, "inner", messages)
        inner._feed._kept = 10
        for n in range(100):
            self.client.pubsub.publish("t", n)
        self.client.sys.ping()
        message = next(messages)
        self.assertEqual(message.gap.lost, message.payload)

    def test_request_and_reply(self):
        server = self.connect()
        questions = server.subscribe("add")
        answer = self.in_thread(self.client.pubsub.request, "add", [1, 2], timeout_ms=WAIT_S * 1000)
        question = next(questions)
        server.reply(question, sum(question.payload))
        self.assertEqual(answer.result(WAIT_S), 3)
        with self.assertRaises(wherry.NobodyListens):
            server.reply(question, "too late")
        with self.assertRaises(wherry.NobodyListens):
            self.client.pubsub.request("nobody", 1)
        self.client.pubsub.publish("add", 5)
        with self.assertRaises(wherry.NobodyListens):
            server.reply(next(questions), 1)

    def test_required(self):
        with self.assertRaises(wherry.NobodyListens):
            self.client.pubsub.publish("t", 1, require=1)

    def test_closed_while_somebody_waits(self):
        for how in ("subscription", "client"):
            client = self.connect()
            messages = client.subscribe("t")
            waiting = self.in_thread(lambda: list(messages))
            (messages if how == "subscription" else client).close()
            self.assertEqual(waiting.result(WAIT_S), [])

    def test_published_in_a_transaction(self):
        messages = self.client.subscribe("t")
        with self.assertRaises(wherry.WherryError):
            with self.client.transaction() as tx:
                tx.pubsub.publish("t", "never")
                tx.kv.cas("none", 1, 2)
        with self.client.transaction() as tx:
            tx.pubsub.publish("t", "now")
        self.assertEqual(next(messages).payload, "now")


@both
class Reconnecting(Listening):
    def test_the_gap_is_told(self):
        client, gaps = self.proxied(), []
        messages = client.subscribe("t", on_gap=gaps.append)
        self.client.pubsub.publish("t", 1)
        self.assertEqual(next(messages).payload, 1)
        self.proxy.cut()
        until(lambda: self.client.pubsub.publish("t", "again") == 1)
        message = next(messages)
        self.assertEqual((message.payload, message.gap.reconnected), ("again", True))
        self.assertEqual([gap.reconnected for gap in gaps], [True])
        self.client.pubsub.publish("t", 2)
        self.assertFalse(next(messages).gap)

    def test_subscribed_while_nobody_is_there(self):
        client = self.proxied()
        self.proxy.refuse()
        until(lambda: not client.connected)
        waiting = self.in_thread(client.subscribe, "t")
        self.proxy.accept()
        messages = waiting.result(WAIT_S)
        self.client.pubsub.publish("t", 1)
        message = next(messages)
        self.assertEqual((message.payload, bool(message.gap)), (1, False))

    def test_a_closed_one_does_not_come_back(self):
        client = self.proxied()
        client.subscribe("t").close()
        client.subscribe("u")
        self.proxy.cut()
        until(lambda: self.client.pubsub.publish("u", 1) == 1)
        self.assertEqual(self.client.pubsub.publish("t", 1), 0)

    def test_cut_at_random(self):
        """A publisher counts; whoever listens through a connection that is cut misses nothing without being told."""
        client, stop, rng = self.proxied(), threading.Event(), random.Random(2)
        messages = client.subscribe("t")

        def publish():
            n = 0
            while not stop.is_set():
                self.client.pubsub.publish("t", n)
                n += 1
            until(lambda: self.client.pubsub.publish("t", "end") == 1)

        def cut():
            for _ in range(25):
                threading.Event().wait(rng.uniform(0, 0.05))
                self.proxy.cut()
            stop.set()
        publisher, cutter = self.in_thread(publish), self.in_thread(cut)
        last, gaps = -1, 0
        for message in messages:
            gaps += message.gap.reconnected
            if message.payload == "end":
                break
            if message.gap.reconnected:
                self.assertGreater(message.payload, last)
            else:
                self.assertEqual(message.payload, last + 1 + message.gap.lost)
            last = message.payload
        publisher.result(WAIT_S)
        cutter.result(WAIT_S)
        self.assertGreater(gaps, 0)


class Tasks(Listening, unittest.TestCase):
    def connect(self):
        client = wherry.connect(self.url)
        self.addCleanup(client.close)
        return client

    def test_cancelled(self):
        """A cancelled wait takes nothing out; a cancelled subscribe() leaves nothing behind."""
        async def run():
            async with wherry.aio.connect(self.url) as client:
                messages = await client.subscribe("t")
                got = []
                for n in range(200):
                    await client.pubsub.publish("t", n)
                    try:
                        got.append((await asyncio.wait_for(messages.__anext__(), random.choice((0, 0.0002, 0.01)))).payload)
                    except asyncio.TimeoutError:
                        pass
                while len(got) < 200:
                    got.append((await messages.get(WAIT_S)).payload)
                self.assertEqual(got, list(range(200)))
                for turns in range(6):
                    task = asyncio.ensure_future(client.subscribe("u"))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    task.cancel()
                    for done in await asyncio.gather(task, return_exceptions=True):
                        if not isinstance(done, BaseException):  # it was faster
                            await done.close()
                while await client.pubsub.publish("u", 1):
                    await asyncio.sleep(0.001)
        asyncio.run(run())

    def test_a_coroutine_as_callback(self):
        async def run():
            async with wherry.aio.connect(self.url) as client:
                done, got = asyncio.Event(), []

                async def heard(message):
                    await client.kv.incr("heard")
                    got.append(message.payload)
                    if len(got) == 10:
                        done.set()
                await client.subscribe("t", callback=heard)
                await asyncio.gather(*(client.pubsub.publish("t", n) for n in range(10)))
                await asyncio.wait_for(done.wait(), WAIT_S)
                self.assertEqual((got, await client.kv.get("heard")), (list(range(10)), 10))
        asyncio.run(run())


@both
class Liars:
    """Deliveries that are none."""

    def broker(self, note):
        answer = Raw(b"\x01" + note)
        return self.enterContext(Scripted({"session.hello": {}, "sys.commands": [], "pubsub.subscribe": 7, "go": answer}))

    def test_deliveries_that_are_none(self):
        for params in ([7], [7, 1, 0, [["t", 1]]], [7, 1, 0, 5], [7, 1, 0, [5]], [7, "x", 0, [["t", 1, None]]]):
            client = self.connect(self.broker(pack([2, "messages", params])).url, backoff=0.01)
            client.subscribe("t")
            client.call("go")
            self.assertEqual(client.sys.ping(repeatable=True), True)

    def test_deliveries_to_nobody(self):
        noted = []
        client = self.connect(self.broker(pack([2, "messages", [8, 1, 0, [["t", 1, None]]]])).url,
                              on_note=lambda method, params: noted.append((method, params)))
        messages = client.subscribe("t")
        client.call("go")
        until(lambda: noted)
        self.assertEqual(noted, [("messages", [8, 1, 0, [["t", 1, None]]])])
        self.assertIsNone(messages.get(0))

    def test_a_delivery_before_its_answer(self):
        """The broker may say what comes before it says whose it is."""
        note = pack([2, "messages", [7, 1, 0, [["t", "early", None]]]])
        frame = lambda number: note + b"\x94\x01" + pack(number) + b"\xc0\x07"  # noqa: E731
        broker = self.enterContext(Early(frame))
        messages = self.connect(broker.url).subscribe("t")
        self.assertEqual(messages.get(WAIT_S).payload, "early")


class Early(Scripted):
    def __init__(self, frame):
        super().__init__({"session.hello": {}, "sys.commands": []})
        self.frame = frame

    def _responses(self, requests):
        for request in requests:
            if request[2] == "pubsub.subscribe":
                yield self.frame(request[1])
            else:
                yield from super()._responses([request])


if __name__ == "__main__":
    unittest.main()
