"""What wherryd's log says about commands that take long, while they do and afterwards."""

import os
import re
import threading
import time
import unittest

from servers import Wherryd
from wherry_py import Client

AWAIT_S = 30


class Slow(unittest.TestCase):
    def start(self, **options):
        broker = Wherryd(**options)
        broker.options["modules"] = "kv " + os.path.join(broker.build, "tests", "modules", "sleeper.so")
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def await_log(self, broker, pattern):
        end = time.monotonic() + AWAIT_S
        while not re.search(pattern, broker.read_log()):
            self.assertLess(time.monotonic(), end, f"not in the log: {pattern}\n{broker.read_log()}")
            time.sleep(0.05)

    def test_a_slow_command_is_logged_without_its_arguments(self):
        broker = self.start()
        broker.call("sleeper.work", 30, password="hunter2", label="private")
        self.await_log(broker, r" warn slow command command=sleeper\.work module=sleeper us=[3-9]\d{4,} ns=default among=1 ")
        self.assertNotIn("private", broker.read_log())
        self.assertNotIn("hunter2", broker.read_log())
        entry = next(e for e in broker.call("sys.slowlog") if e["command"] == "sleeper.work")
        self.assertGreaterEqual(entry["us"], 30000)
        self.assertIn("password=(secret)", entry["args"])
        self.assertRegex(entry["remote"], r"^tcp://127\.0\.0\.1:\d+$")

    def test_lines_are_a_second_apart(self):
        broker = self.start(slowlog_us=0)
        begun = time.monotonic()
        with Client(broker.url) as client:
            for _ in range(500):
                client.call("sys.ping")
            self.assertGreaterEqual(client.call("sys.stats")["router"]["slow"], 500)
        lines = broker.read_log().count("warn slow command")
        self.assertLessEqual(lines, 2 + int(time.monotonic() - begun))
        self.assertGreaterEqual(lines, 1)

    def test_one_that_does_not_end_is_named_while_it_runs(self):
        broker = self.start()
        caller = threading.Thread(target=broker.call, args=("sleeper.work", 4000))
        caller.start()
        self.await_log(broker, r" warn command does not end command=sleeper\.work module=sleeper seconds=\d")
        self.assertTrue(caller.is_alive())
        self.assertEqual(broker.call("kv.set", "a", 1) > 0, True)
        caller.join()

    def test_with_nothing_to_do_no_thread_wakes(self):
        broker = self.start()
        if broker.sanitized() == "thread":
            self.skipTest("the thread sanitizer has a thread of its own that wakes")
        broker.call("kv.set", "a", 1)
        end = time.monotonic() + AWAIT_S
        before, now = 0, broker.switches()
        while before != now:
            self.assertLess(time.monotonic(), end, "its threads go on waking")
            time.sleep(2.5)
            before, now = now, broker.switches()
        caller = threading.Thread(target=broker.call, args=("sleeper.work", 4000))
        caller.start()
        self.await_log(broker, r" warn command does not end command=sleeper\.work ")
        caller.join()


if __name__ == "__main__":
    unittest.main()
