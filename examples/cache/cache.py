#!/usr/bin/python3
"""A cache in front of a slow database: two servers, each with a cache of its own, and the broker's between them.

A price is looked for in this process, then in the broker, where it lives for a minute, then in the database.  What is kept in
the process is watched: when somebody changes a price, every server knows at once.
"""

import threading
import time

import wherry

DATABASE = {"tea": 3, "coffee": 4}
MINUTE_MS = 60000


class Prices:
    """What one server knows."""

    def __init__(self):
        self.client = wherry.connect(name="server")
        self.lock = threading.Lock()
        self.local = {}  # what is kept here
        self.newest = {}  # the revision of each price that we were last told of
        self.gaps = 0
        self.watch = self.client.watch("price.*", callback=self.changed, on_gap=self.missed)

    def get(self, item):
        """The price, and where it was found."""
        with self.lock:
            if item in self.local:
                return self.local[item], "here"
            gaps = self.gaps
        price, revision, place = self.look_up(item)
        with self.lock:
            if gaps == self.gaps and revision >= self.newest.get(item, 0):  # it did not change while we looked
                self.local[item] = price
        return price, place

    def look_up(self, item):
        entry = self.client.kv.entry(f"price.{item}")
        if entry:
            return entry[0], entry[1], "in the broker"
        price = DATABASE[item]
        revision = self.client.kv.set(f"price.{item}", price, ttl_ms=MINUTE_MS, nx=True)
        if revision is None:  # somebody else was faster, and may know better
            return self.look_up(item)
        return price, revision, "in the database"

    def change(self, item, price):
        DATABASE[item] = price
        self.client.kv.set(f"price.{item}", price, ttl_ms=MINUTE_MS)

    def changed(self, change):
        item = change.key.partition(".")[2]
        with self.lock:
            self.newest[item] = change.revision
            if change.event in ("del", "expire"):
                self.local.pop(item, None)
            elif item in self.local:
                self.local[item] = change.value

    def missed(self, gap):
        """Something may have changed that we were not told of: begin anew."""
        with self.lock:
            self.gaps += 1
            self.local.clear()

    def close(self):
        self.watch.close()
        self.client.close()


def main():
    ann, bob = Prices(), Prices()

    def ask(name, server, until=lambda price, place: True):
        while not until(*(answer := server.get("tea"))):
            time.sleep(0.01)  # the news is on its way
        print(f"{name}: tea costs %d, found %s" % answer)

    ask("ann", ann)
    ask("ann", ann)
    ask("bob", bob)
    ask("bob", bob)
    print("the price changes")
    ann.change("tea", 5)
    ask("bob", bob, lambda price, place: price == 5)
    print("the broker forgets it")
    ann.client.kv.del_("price.tea")
    ask("bob", bob, lambda price, place: place != "here")
    ask("bob", bob)
    ann.close()
    bob.close()


if __name__ == "__main__":
    main()
