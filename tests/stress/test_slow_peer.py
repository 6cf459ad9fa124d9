"""A peer that asks and never reads: the others do not notice, its memory is bounded, in the end it is closed."""

import json
import os
import subprocess
import time
import unittest

from servers import Wherryd
from wherry_py import Client, pack

MIB = 1024 * 1024
VALUE_MIB, ASKED = 1, 400


def load(broker, seconds):
    """100 clients, one request in flight each."""
    program = os.path.join(broker.build, "tests", "load")
    command = [program, "--peer", "wherry", "--port", str(broker.port), "--op", "set", "--conns", "100",
               "--keys", "1000", "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, "a client of the crowd was not answered"
    return json.loads(done.stdout)


def framed(body):
    return (len(body) + 4).to_bytes(8, "big") + b"\0\0\0\1" + body


def ask_without_reading(stream, body, count):
    """Sends as many requests as the broker takes; answers how many."""
    stream.setblocking(False)
    whole, sent = framed(body) * count, 0
    end = time.monotonic() + 5
    while sent < len(whole) and time.monotonic() < end:
        try:
            sent += stream.send(whole[sent:sent + MIB])
        except BlockingIOError:
            time.sleep(0.01)
    return sent // len(framed(body))


def drain(stream):
    """How many bytes still come until the broker's end."""
    stream.setblocking(True)
    stream.settimeout(30)
    total = 0
    try:
        while chunk := stream.recv(MIB):
            total += len(chunk)
    except ConnectionError:
        pass
    return total


class SlowPeer(unittest.TestCase):
    OUTBOX = 4 * MIB

    def test_others_work_on_and_memory_is_bounded(self):
        with Wherryd(outbox_bytes=self.OUTBOX, stall_timeout="60s") as broker:
            broker.call("kv.set", "large", bytes(VALUE_MIB * MIB))
            quiet = load(broker, 2)
            before = broker.resident()
            with broker.connect() as stalled:
                taken = ask_without_reading(stalled, pack([0, 1, "kv.get", ["large"]]), ASKED)
                beside = load(broker, 2)
                grown = broker.resident() - before
            print(f"    the stalled peer asked for {taken} x {VALUE_MIB} MiB; the broker grew by {grown / MIB:.1f} MiB; "
                  f"100 others: p99 {quiet['p99_us'] / 1000:.2f} ms before, {beside['p99_us'] / 1000:.2f} ms beside it")
            self.assertGreater(taken, 20)
            if not broker.sanitized():
                # The outbox, one answer over it, a copy in flight, what the allocator keeps.
                self.assertLess(grown, 2 * self.OUTBOX + 16 * MIB)
                self.assertLess(beside["p99_us"], 5 * quiet["p99_us"] + 20_000)

    def test_it_is_closed_after_the_stall_timeout(self):
        with Wherryd(outbox_bytes=self.OUTBOX, stall_timeout="1s") as broker, Client(broker.url) as watcher:
            watcher.call("kv.set", "large", bytes(VALUE_MIB * MIB))
            with broker.connect() as stalled, broker.connect() as idle:
                ask_without_reading(stalled, pack([0, 1, "kv.get", ["large"]]), ASKED)
                start = time.monotonic()
                while watcher.call("sys.info")["connections"] > 2:
                    self.assertLess(time.monotonic() - start, 20, "the stalled peer is still connected")
                    time.sleep(0.05)
                self.assertGreater(time.monotonic() - start, 0.5)
                self.assertLess(drain(stalled), ASKED * VALUE_MIB * MIB)
                # Whoever only has nothing to say is not stalled.
                idle.sendall(framed(pack([0, 7, "sys.ping", []])))
                self.assertGreater(len(idle.recv(100)), 12)
            self.assertEqual(len(watcher.call("kv.get", "large")), VALUE_MIB * MIB)


if __name__ == "__main__":
    unittest.main()
