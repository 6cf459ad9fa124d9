"""Sixty-four sessions talk to each other with everything that may go wrong, while the module is replaced: each delivery
is accounted for, order holds, and nothing stays behind."""

import json
import os
import subprocess
import sys
import time
import unittest

from servers import Wherryd
from wherry_py import Client

HERE = os.path.dirname(os.path.abspath(__file__))
PROCESSES, SESSIONS = 4, 16
MIB = 1024 * 1024


class Messaging(unittest.TestCase):
    def crowd(self, broker, seconds):
        for number in range(PROCESSES):
            words = [sys.executable, os.path.join(HERE, "chatter.py"), str(broker.port), str(number), str(SESSIONS),
                     str(seconds)]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            self.addCleanup(process.kill)
            yield process

    def reload_until(self, client, processes):
        reloads = 0
        while any(process.poll() is None for process in processes):
            self.assertIs(client.call("module.reload", "pubsub"), True)
            reloads += 1
            time.sleep(0.05)  # between reloads; nothing waits for it
        return reloads

    def await_quiet(self, client):
        """All sessions but this one are gone; what is left is this one's."""
        end = time.monotonic() + 60
        while client.call("sys.stats")["wire"]["connections"] > 1:
            self.assertLess(time.monotonic(), end, "sessions do not end")
            time.sleep(0.01)
        return client.call("sys.stats")["messages"]

    def test_a_crowd_talks_while_the_module_is_replaced(self):
        seconds = 300 if os.environ.get("WHERRY_LONG") else 15
        with Wherryd(subscription_bytes="256KiB") as broker, Client(broker.url, timeout=60) as client:
            processes = list(self.crowd(broker, seconds))
            reloads = self.reload_until(client, processes)
            results = [json.loads(process.communicate(timeout=60)[0] or "{}") for process in processes]
            self.assertEqual([process.returncode for process in processes], [0] * PROCESSES)
            total = {name: sum(result.get(name, 0) for result in results)
                     for name in ("published", "heard", "lost", "connections", "again")}
            bus = self.await_quiet(client)
            print(f"\n    {total}, {reloads} reloads; {bus}")
            self.assertGreater(total["heard"], 0)
            self.assertEqual(bus["published"], total["published"])
            self.assertEqual(bus["subscriptions"], 0)
            self.assertEqual(bus["matched"], bus["delivered"] + bus["dropped"] + bus["forgotten"])
            self.assertLessEqual(total["heard"], bus["delivered"])


if __name__ == "__main__":
    unittest.main()
