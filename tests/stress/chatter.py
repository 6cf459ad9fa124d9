"""A crowd that talks to itself, in a process of its own: sessions that subscribe, unsubscribe, publish, stop reading, leave
and come again, while they check everything that reaches them.

    chatter.py PORT NUMBER SESSIONS SECONDS     prints what it did as JSON; ends with 1 if anything was wrong

What is checked of each subscription: the numbers of its deliveries rise by what came and what was told as lost, and of
each publisher the messages on a topic come in the order in which it published them.
"""

import collections
import json
import os
import random
import select
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from wherry_py import Client, WherryError  # noqa: E402

TOPICS = [f"chat.{room}.{side}" for room in "abcd" for side in "xyz"]
FILTERS = TOPICS + ["chat.>", "chat.*.x", "chat.a.*", "chat.b.>", "chat.c.*"]
OVERFLOWS = ("drop_oldest", "drop_newest", "conflate")


class Subscription:
    """What a session has heard of one of its subscriptions."""

    def __init__(self, conflates):
        self.conflates, self.next_seq, self.heard, self.lost = conflates, 1, 0, 0
        self.latest = {}

    def take(self, seq, lost, messages):
        assert seq == self.next_seq + lost, f"number {seq} after {self.next_seq} and {lost} lost"
        self.next_seq = seq + len(messages)
        self.heard += len(messages)
        self.lost += lost
        for topic, (who, count), _ in messages:
            assert count > self.latest.get((who, topic), 0), f"{topic} of {who}: {count} is not after the one before"
            self.latest[(who, topic)] = count


class Talker:
    def __init__(self, port, name, source):
        self.port, self.name, self.random = port, name, source
        self.count = 0
        self.totals = collections.Counter()
        self.connect()

    def connect(self):
        self.client = Client(f"tcp://127.0.0.1:{self.port}", timeout=60)
        self.subscriptions = {}
        self.early = []  # what came before its subscription was answered
        self.deaf_until = 0
        self.totals["connections"] += 1

    # --- what it may do --------------------------------------------------------------------------------------------

    def call(self, method, *params, **options):
        """An answer, or None where the module is being replaced."""
        try:
            return self.client.call(method, *params, **options)
        except WherryError as error:
            if error.name not in ("EAGAIN", "ENOCMD"):
                raise
            self.totals["again"] += 1
            return None

    def subscribe(self):
        if len(self.subscriptions) > 8:
            return self.unsubscribe()
        overflow = self.random.choice(OVERFLOWS)
        filters = self.random.sample(FILTERS, self.random.choice((1, 1, 1, 2, 3)))
        number = self.call("pubsub.subscribe", *filters, overflow=overflow, max_messages=self.random.choice((5, 100, 1000)))
        if number is not None:
            self.subscriptions[number] = Subscription(overflow == "conflate")
        return None

    def unsubscribe(self):
        if not self.subscriptions:
            return
        number = self.random.choice(list(self.subscriptions))
        if self.call("pubsub.unsubscribe", number) is not None:
            self.hear()
            del self.subscriptions[number]

    def publish(self):
        requests = []
        for _ in range(self.random.choice((1, 10, 64))):
            self.count += 1
            requests.append(("pubsub.publish", self.random.choice(TOPICS), [self.name, self.count], {}))
        for result in self.client.frame(requests):
            if isinstance(result, WherryError):
                assert result.name in ("EAGAIN", "ENOCMD"), result
                self.totals["again"] += 1
            else:
                self.totals["published"] += 1

    def leave(self):
        self.hear()
        for subscription in self.subscriptions.values():
            self.totals["lost"] += subscription.lost
        self.client.close()
        self.connect()

    def go_deaf(self):
        self.deaf_until = time.monotonic() + self.random.uniform(0.1, 1)

    # --- what reaches it ---------------------------------------------------------------------------------------------

    def hear(self):
        notes, self.client.notifications = self.client.notifications, []
        for method, params in notes:
            if method != "messages":
                continue
            number, seq, lost, messages = params
            if number in self.subscriptions:  # else it was just ended
                self.subscriptions[number].take(seq, lost, messages)
                self.totals["heard"] += len(messages)

    def read_what_is_there(self):
        while select.select([self.client.stream.socket], [], [], 0)[0]:
            self.client._receive()
        self.hear()

    def act(self):
        if time.monotonic() < self.deaf_until:
            return
        acts = ((self.publish, 12), (self.subscribe, 4), (self.unsubscribe, 2), (self.go_deaf, 1), (self.leave, 1))
        self.random.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
        self.read_what_is_there()


def main(port, number, sessions, seconds):
    source = random.Random(1973 + number)
    talkers = [Talker(port, f"{number}.{i}", source) for i in range(sessions)]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        source.choice(talkers).act()
    totals = collections.Counter()
    for talker in talkers:
        talker.hear()
        totals.update(talker.totals)
        for subscription in talker.subscriptions.values():
            totals["lost"] += subscription.lost
        talker.client.close()
    print(json.dumps(totals))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
