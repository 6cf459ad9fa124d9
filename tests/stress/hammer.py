"""Clients that never stop asking, each a process of its own:

    hammer.py URL NAME      frames of 64: counts on keys of its own, writes and reads back, until standard input ends;
                            prints as JSON what was acknowledged and how often it was asked to try again
"""

import json
import os
import random
import select
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from wherry_py import Client, WherryError  # noqa: E402

KEYS, FRAME = 16, 64


class Hammer:
    def __init__(self, name):
        self.name, self.random = name, random.Random(name)
        self.counts = dict.fromkeys((f"{name}:n{key}" for key in range(KEYS)), 0)
        self.values = dict.fromkeys((f"{name}:v{key}" for key in range(KEYS)), None)
        self.again = 0

    def frame(self):
        counted, kept = list(self.counts), list(self.values)
        for _ in range(FRAME):
            choice = self.random.randrange(3)
            if choice == 0:
                yield "kv.incr", self.random.choice(counted)
            elif choice == 1:
                yield "kv.set", self.random.choice(kept), self.random.randbytes(self.random.randrange(100))
            else:
                yield "kv.get", self.random.choice(counted + kept)

    def check(self, request, answer):
        method, key, *value = request
        if isinstance(answer, WherryError):
            if answer.name != "EAGAIN":
                raise answer
            self.again += 1
        elif method == "kv.incr":
            self.counts[key] += 1
            assert answer == self.counts[key], (request, answer, self.counts[key])
        elif method == "kv.set":
            self.values[key] = value[0]
        else:
            known = self.counts.get(key) or self.values.get(key)
            assert answer == known, (request, answer, known)

    def run(self, url):
        with Client(url) as client:
            while not select.select([sys.stdin], [], [], 0)[0]:
                requests = list(self.frame())
                for request, answer in zip(requests, client.frame(requests)):
                    self.check(request, answer)


if __name__ == "__main__":
    hammer = Hammer(sys.argv[2])
    hammer.run(sys.argv[1])
    print(json.dumps({"counts": hammer.counts, "again": hammer.again,
                      "values": {key: value.hex() for key, value in hammer.values.items() if value is not None}}))
