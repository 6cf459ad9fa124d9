#!/usr/bin/python3
"""wherry bench: its counts are the broker's, it finds lies, and it leaves nothing behind.

    WHERRY_BUILD=build/debug tests/e2e/test_bench.py
"""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd, default_build, free_port  # noqa: E402
from wherry_py import Client  # noqa: E402

BUILD = default_build()
WHERRY = os.path.join(BUILD, "bin", "wherry")
WAIT_S = 60
FIRST_KEY = "bench:000000000"


class Started:
    """A bench under way."""

    def __init__(self, url, *args):
        environment = os.environ | {"WHERRY_URL": url}
        self.process = subprocess.Popen([WHERRY, "-o", "json", "bench", *args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def end(self):
        """(exit status, what it told or None, standard error)"""
        out, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, json.loads(out) if out else None, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def await_true(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} does not come")
        time.sleep(0.01)


class Bench(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(BUILD).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.broker.call("kv.clear")

    def calls(self, command, of="calls"):
        return self.broker.call("sys.stats")["commands"].get(command, {}).get(of, 0)

    def bench(self, *args):
        with Started(self.broker.url, *args) as bench:
            return bench.end()

    def table(self, *args):
        done = subprocess.run([WHERRY, "-u", self.broker.url, "bench", *args], capture_output=True, text=True,
                              timeout=WAIT_S)
        return done.returncode, done.stdout, done.stderr

    def expect_sums(self, told):
        self.assertEqual(told["sent"], told["answered"] + told["errors"] + told["lost"])

    # --- counts ---

    def test_counts_are_the_brokers(self):
        for workload, commands in [("get", ["kv.get"]), ("set", ["kv.set"]), ("incr", ["kv.incr"]),
                                   ("mixed", ["kv.get", "kv.set"])]:
            with self.subTest(workload):
                before = sum(map(self.calls, commands))
                status, told, errors = self.bench(workload, "--count", "20000", "--keys", "500")
                self.assertEqual((status, errors), (0, ""))
                self.assertEqual((told["sent"], told["answered"], told["wrong"], told["lost"]), (20000, 20000, 0, 0))
                filled = told["filled"] if "kv.set" in commands else 0
                self.assertEqual(sum(map(self.calls, commands)) - before, told["sent"] + filled)
                self.assertEqual((told["removed"], self.broker.call("kv.count")), (500, 0))

    def test_mixed_keeps_the_share(self):
        before = self.calls("kv.set")
        status, told, _ = self.bench("mixed", "--count", "20000", "--keys", "100", "--read-share", "0.7")
        self.assertEqual(status, 0)
        self.assertAlmostEqual((self.calls("kv.set") - before - 100) / 20000, 0.3, delta=0.02)

    def test_any_method(self):
        before = self.calls("kv.exists")
        status, told, _ = self.bench("--count", "1000", "--connections", "3", "kv.exists", "a", "b")
        self.assertEqual((status, told["workload"], told["sent"]), (0, "kv.exists", 1000))
        self.assertEqual(self.calls("kv.exists") - before, 1000)

    def test_options_of_a_method(self):
        status, told, _ = self.bench("--count", "10", "kv.set", "k", "1", "--ttl-ms", "60000")
        self.assertEqual((status, told["answered"]), (0, 10))
        self.assertGreater(self.broker.call("kv.entry", "k")[2], 0)

    def test_errors_by_name(self):
        self.broker.call("kv.set", "text", "no number")
        status, told, errors = self.bench("--count", "50", "kv.incr", "text")
        self.expect_sums(told)
        self.assertEqual((status, told["errors_by_name"], told["answered"]), (1, {"EARG": 50}, 0))
        self.assertIn("EARG", told["first_error"])
        self.assertIn("50 requests were answered with an error", errors)
        self.assertIn("errors: EARG 50; the first: EARG", self.table("--count", "50", "kv.incr", "text")[1])

    def test_percentiles_rise(self):
        _, told, _ = self.bench("--count", "5000", "--keys", "100")
        times = [told["service"][name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 0)
        self.assertIsNone(told["response"])

    def test_warm_up_is_not_measured(self):
        _, told, _ = self.bench("--rate", "500", "--seconds", "1", "--warmup", "0.5", "--keys", "10")
        self.assertEqual(told["sent"], 750)
        self.assertEqual(told["measured"], 500)

    def test_values_of_any_size(self):
        for size in ("0", "31", "32", "255", "256", "64KiB", "1MiB"):
            with self.subTest(size=size):
                status, told, errors = self.bench("mixed", "--count", "100", "--keys", "5", "--size", size, "--verify")
                self.assertEqual((status, told["wrong"], told["read_back"], errors), (0, 0, 5, ""))

    # --- rates ---

    def test_a_rate_is_kept(self):
        status, told, _ = self.bench("--rate", "400/s", "--seconds", "1", "--keys", "10", "--connections", "3")
        self.assertEqual((status, told["sent"], told["unsent"], told["rate_kept"]), (0, 400, 0, True))
        self.assertAlmostEqual(told["seconds"], 1, delta=0.5)
        self.assertGreaterEqual(told["response"]["max_us"], told["service"]["max_us"])

    def test_a_rate_that_can_not_be_kept_is_told(self):
        status, told, _ = self.bench("--rate", "10M", "--seconds", "0.5", "--keys", "100")
        self.assertEqual((status, told["rate_kept"]), (0, False))
        self.expect_sums(told)
        self.assertEqual(told["sent"] + told["unsent"], 5_000_000)
        self.assertLess(told["rate"], 10_000_000)
        _, out, _ = self.table("--rate", "10M", "--seconds", "0.2", "--keys", "100")
        self.assertIn("asked for 10,000,000 requests/s, achieved ", out)
        self.assertIn("The rate could not be kept: ", out)

    def test_response_time_counts_from_when_it_was_due(self):
        """One request at a time, each waiting 50 ms at a slow proxy: at 100/s they are due faster than they end."""
        with Delay(self.broker.port, 0.05) as slow, Started(slow.url, "--rate", "100", "--seconds", "1", "--keys", "1",
                                                            "--connections", "1", "--in-flight", "1") as bench:
            status, told, _ = bench.end()
        self.assertEqual(status, 0)
        self.assertGreater(told["response"]["p50_us"], 4 * told["service"]["p50_us"])

    def test_a_rate_counts_what_came_after_the_warm_up(self):
        """What comes then was due before: there is a rate, and no time was measured."""
        with Delay(self.broker.port, 0.05) as slow:
            for output in ("json", "table"):
                done = subprocess.run([WHERRY, "-u", slow.url, "-o", output, "bench", "--rate", "1000", "--seconds", "0.5",
                                       "--warmup", "0.5", "--keys", "1", "--connections", "1", "--in-flight", "1"],
                                      capture_output=True, text=True, timeout=WAIT_S, stdin=subprocess.DEVNULL)
                self.assertEqual(done.returncode, 0)
                if output == "table":
                    self.assertRegex(done.stdout, r"response time( +-){6}   nothing was measured")
                    continue
                told = json.loads(done.stdout)
                self.assertEqual((told["measured"], told["response"], told["service"]), (0, None, None))
                self.assertGreater(told["rate"], 0)

    # --- what it finds, and what it leaves ---

    def test_a_lie_is_found(self):
        with Started(self.broker.url, "get", "--seconds", "30", "--keys", "3") as bench:
            await_true(lambda: self.calls("kv.get") > 0 and self.broker.call("kv.exists", FIRST_KEY) == [True], "a get")
            before = self.calls("kv.get")
            self.broker.call("kv.set", FIRST_KEY, "a lie")
            await_true(lambda: self.calls("kv.get") > before + 100, "the next gets")
            bench.process.send_signal(signal.SIGINT)
            _, told, errors = bench.end()
        self.assertGreater(told["wrong"], 0)
        self.assertIn(f'kv.get {FIRST_KEY} answered "a lie", not the value that was set', told["first_wrong"])
        self.assertIn(told["first_wrong"], errors)

    def test_increments_that_nobody_made_are_found(self):
        with Started(self.broker.url, "incr", "--seconds", "1", "--keys", "3") as bench:
            await_true(lambda: self.broker.call("kv.exists", FIRST_KEY) == [True], "an increment")
            self.broker.call("kv.incr", FIRST_KEY, 1000)
            status, told, errors = bench.end()
        self.assertEqual((status, told["wrong"], told["differ"]), (1, 0, 1))
        self.assertRegex(errors, rf"1 keys are not as they must be; .* {FIRST_KEY} holds \d+ in the end, not the \d+ "
                                 "that were acknowledged")

    def test_keys_of_others_are_left_alone(self):
        self.broker.call("kv.set", "bench:000000007", "mine")
        status, told, errors = self.bench("--count", "10")
        self.assertEqual((status, told), (1, None))
        self.assertIn("there is a key bench:000000007 already", errors)
        self.assertEqual(self.broker.call("kv.get", "bench:000000007"), "mine")
        self.assertEqual(self.bench("--count", "10", "--prefix", "other:")[0], 0)
        status, told, _ = self.bench("incr", "--count", "10", "--force")
        self.assertEqual((status, told["differ"], self.broker.call("kv.count")), (0, 0, 0))

    def test_keys_can_be_kept(self):
        self.assertEqual(self.bench("set", "--count", "100", "--keys", "1", "--keep")[0], 0)
        self.assertEqual(len(self.broker.call("kv.get", FIRST_KEY)), 64)

    def test_namespace(self):
        if "bench-ns" not in [ns["name"] for ns in self.broker.call("ns.list")]:
            self.broker.call("ns.create", "bench-ns")
        self.assertEqual(self.bench("set", "--count", "100", "--keys", "1", "--keep", "--ns", "bench-ns")[0], 0)
        self.assertEqual(self.broker.call("kv.count"), 0)
        self.assertEqual(self.broker.call("kv.del", FIRST_KEY, ns="bench-ns"), 1)

    def test_interrupted_it_reports_and_removes_its_keys(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            before = self.calls("kv.get")
            with Started(self.broker.url, "--seconds", "600", "--keys", "100") as bench:
                await_true(lambda: self.calls("kv.get") > before, "a get")
                bench.process.send_signal(number)
                status, told, _ = bench.end()
            self.assertEqual((status, told["interrupted"], told["removed"]), (-number, True, 100))
            self.expect_sums(told)
            self.assertEqual(self.calls("kv.get") - before, told["sent"])
            self.assertEqual(self.broker.call("kv.count"), 0)

    def test_interrupted_while_it_looks_for_keys_it_removes_none(self):
        self.broker.call("kv.set", "bench:009999999", "mine")
        for workload in ("set", "incr", "get"):
            before = self.calls("kv.exists")
            with Started(self.broker.url, workload, "--keys", "10M") as bench:
                await_true(lambda: self.calls("kv.exists") > before, "a look")
                bench.process.send_signal(signal.SIGINT)
                status, told, _ = bench.end()
            self.assertEqual((status, told, self.broker.call("kv.get", "bench:009999999")),
                             (-signal.SIGINT, None, "mine"))

    def test_interrupted_while_it_connects(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            with Started(f"tcp://127.0.0.1:{mute.getsockname()[1]}") as bench, mute.accept()[0]:
                bench.process.send_signal(signal.SIGINT)
                self.assertEqual(bench.end(), (-signal.SIGINT, None, ""))

    def test_two_at_once(self):
        with Started(self.broker.url, "incr", "--count", "5000", "--keys", "50", "--prefix", "a") as one, \
                Started(self.broker.url, "mixed", "--count", "5000", "--keys", "50", "--prefix", "a0") as two:
            for bench in (one, two):
                status, told, errors = bench.end()
                self.assertEqual((status, told["answered"], told["wrong"], told["differ"], errors), (0, 5000, 0, 0, ""))
        self.assertEqual(self.broker.call("kv.count"), 0)

    def test_interrupted_while_it_fills_its_keys(self):
        with Started(self.broker.url, "--keys", "10M", "--seconds", "600") as bench:
            await_true(lambda: self.broker.call("kv.count") > 0, "a key")
            bench.process.send_signal(signal.SIGINT)
            status, told, _ = bench.end()
        self.assertEqual((status, told, self.broker.call("kv.count")), (-signal.SIGINT, None, 0))

    # --- the broker's end ---

    def test_a_broker_that_is_killed(self):
        with Wherryd(BUILD) as broker, Started(broker.url, "--seconds", "600", "--keys", "10") as bench:
            await_true(lambda: broker.call("sys.stats")["commands"].get("kv.get", {}).get("calls", 0) > 0, "a get")
            broker.process.kill()
            status, told, errors = bench.end()
        self.assertEqual(status, 1)
        self.expect_sums(told)
        self.assertGreater(told["lost"], 0)
        self.assertGreater(told["answered"], 0)
        self.assertIn("requests were lost: whether they ran is not known", errors)
        self.assertIn("may have stayed behind", errors)

    def test_no_broker(self):
        with Started(f"tcp://127.0.0.1:{free_port()}") as bench:
            status, told, errors = bench.end()
        self.assertEqual((status, told), (75, None))
        self.assertIn("no broker answers", errors)

    # --- its words ---

    def test_wrong_usage(self):
        for args, why in [(["--rate"], "--rate takes a value"), (["--rate", "fast"], "--rate takes a number"),
                          (["--bogus"], "no option --bogus"), (["frob"], "not frob"),
                          (["get", "set"], "set is too much"), (["--keys", "0"], "--keys takes a number from 1"),
                          (["get", "--count", "1.5"], "whole number"),
                          (["--size", "17MiB"], "--size takes"), (["--prefix", "x" * 300], "--prefix is at most"),
                          (["--count", "5", "--warmup", "1"], "--warmup goes with --seconds"),
                          (["--connections", "1000", "--in-flight", "1M"], "--connections times --in-flight"),
                          (["--read-share", "2"], "--read-share"), (["--verify", "kv.get", "a"], "--verify goes with"),
                          (["kv.set", "a", "1", "--bogus", "2"], "--bogus")]:
            with self.subTest(args=args):
                status, told, errors = self.bench(*args)
                self.assertEqual((status, told), (2, None))
                self.assertIn(why, errors)

    def test_the_table(self):
        status, out, errors = self.table("incr", "--count", "1000", "--keys", "10", "--connections", "2",
                                         "--in-flight", "5")
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("incr: 2 connections, up to 5 in flight on each; 10 keys\n", out)
        self.assertRegex(out, r"(?m)^[\d,]+ requests/s \(1,000 answers in [\d.]+ (ms|s)\)$")
        self.assertRegex(out, r"(?m)^ +mean +p50 +p90 +p99 +p99.9 +max$")
        self.assertRegex(out, r"(?m)^service time +([\d.]+ (us|ms|s) +){6}from when it was sent$")
        self.assertIn("sent 1,000 = answered 1,000 + errors 0 + lost 0\n", out)
        self.assertIn("read back: all 10 keys hold what was acknowledged\n", out)
        self.assertIn("removed 10 keys\n", out)

    def test_progress_on_a_terminal(self):
        master, slave = pty.openpty()
        process = subprocess.Popen([WHERRY, "-u", self.broker.url, "bench", "--seconds", "30", "--keys", "10"],
                                   stdout=subprocess.DEVNULL, stderr=slave, env=os.environ | {"TERM": "xterm"})
        os.close(slave)  # then its end is the end of what can be read
        try:
            shown = b""
            while not re.search(rb"\d s  [\d,]+/s  p99 [\d.]+ [um]?s  0 errors  \d+ s left", shown):
                shown += os.read(master, 4096)
        except OSError:
            self.fail(f"no progress is shown: {shown}")
        finally:
            process.send_signal(signal.SIGINT)
            os.close(master)
            process.wait(WAIT_S)


class Delay:
    """Stands between a client and the broker, and hands on what the broker says only after a while."""

    def __init__(self, port, seconds):
        self.port, self.seconds, self.open = port, seconds, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connect = lambda: socket.create_connection(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                client, _ = self.listener.accept()
                broker = self.connect()
                self.open += [client, broker]
                threading.Thread(target=self._carry, args=(client, broker, 0), daemon=True).start()
                threading.Thread(target=self._carry, args=(broker, client, self.seconds), daemon=True).start()
        except OSError:
            return

    @staticmethod
    def _carry(source, to, seconds):
        try:
            while data := source.recv(65536):
                time.sleep(seconds)
                to.sendall(data)
            to.close()
        except OSError:
            return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for stream in self.open:
            stream.close()


if __name__ == "__main__":
    unittest.main()
