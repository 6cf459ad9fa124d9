"""kv.so is replaced again and again while eight clients hammer it: nobody sees more of it than EAGAIN, nothing leaks, and
what was acknowledged is there."""

import json
import os
import subprocess
import sys
import time
import unittest

from servers import Wherryd
from wherry_py import Client

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = 8
MIB = 1024 * 1024


def mappings(broker):
    """How many mappings the process has: a module has five or six."""
    with open(f"/proc/{broker.process.pid}/maps") as maps:
        return sum(1 for _ in maps)


class Reload(unittest.TestCase):
    def start(self, broker):
        words = [sys.executable, os.path.join(HERE, "hammer.py"), broker.url]
        for number in range(CLIENTS):
            client = subprocess.Popen(words + [f"c{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.addCleanup(client.kill)
            yield client

    def await_clients(self, client):
        """All are there, and have been answered."""
        end = time.monotonic() + 60
        while client.call("sys.stats")["wire"]["connections"] < CLIENTS + 1 or client.call("kv.count") < CLIENTS:
            self.assertLess(time.monotonic(), end, "the clients do not come")
            time.sleep(0.01)

    def finish(self, clients):
        for client in clients:
            out, _ = client.communicate(timeout=120)
            self.assertEqual(client.returncode, 0)
            yield json.loads(out)

    def acknowledged(self, results):
        for result in results:
            yield from ((key, count) for key, count in result["counts"].items() if count)
            yield from ((key, bytes.fromhex(value)) for key, value in result["values"].items())

    def test_a_thousand_reloads_under_load(self):
        with Wherryd() as broker, Client(broker.url, timeout=60) as client:
            reloads = 1000 if not broker.sanitized() else 100
            clients = list(self.start(broker))
            self.await_clients(client)
            settled = (0, 0, 0)
            for number in range(reloads):
                self.assertIs(client.call("module.reload", "kv"), True)
                if number == reloads // 4:
                    settled = mappings(broker), broker.descriptors(), broker.resident()
            after = mappings(broker), broker.descriptors(), broker.resident()
            results = list(self.finish(clients))
            again = sum(result["again"] for result in results)
            counted = sum(sum(result["counts"].values()) for result in results)
            print(f"\n    {reloads} reloads, {counted} counts acknowledged, {again} times EAGAIN; "
                  f"mappings {settled[0]} -> {after[0]}, resident {settled[2] / MIB:.1f} -> {after[2] / MIB:.1f} MiB")
            self.assertGreater(counted, 0)
            self.assertEqual(client.call("module.show", "kv")["reloads"], reloads)
            self.assertEqual(dict(client.call("kv.getall")), dict(self.acknowledged(results)))
            self.assertNotIn("module leaked", broker.read_log())
            self.assertLessEqual(after[1], settled[1])
            if not broker.sanitized():  # with one there are too few reloads to have settled
                self.assertLessEqual(after[0], settled[0] + 10)
                self.assertLess(after[2], settled[2] + 8 * MIB)


if __name__ == "__main__":
    unittest.main()
