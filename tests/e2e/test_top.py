#!/usr/bin/python3
"""wherry top: what it shows is what sys.stats says; on a terminal, in a pipe, as JSON.

    WHERRY_BUILD=build/debug tests/e2e/test_top.py
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import terminal  # noqa: E402
from servers import Wherryd, default_build, free_port  # noqa: E402
from terminal import Terminal  # noqa: E402
from wherry_py import pack, unpack_all  # noqa: E402

BUILD = default_build()
WHERRY = os.path.join(BUILD, "bin", "wherry")
WAIT_S = 60


def run(*args, url):
    done = subprocess.run([WHERRY, "-u", url, *args], capture_output=True, text=True, timeout=WAIT_S,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def row(text, name):
    """The cells of a command's row."""
    found = re.search(rf"^{re.escape(name)} +(.*)$", text, re.M)
    return re.split(r" {2,}", found[1].strip()) if found else None


class Scripted:
    """A broker that answers sys.stats and sys.info with what it is told to; first: another answer to begin with."""

    def __init__(self, stats, info, *first):
        self.answers = {"sys.stats": [*first, stats], "sys.info": [info]}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            while True:
                threading.Thread(target=self._speak, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            return

    def _answer(self, method):
        answers = self.answers.get(method, [True])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _speak(self, stream):
        try:
            with stream, stream.makefile("rb") as bytes_in:
                stream.sendall(b"\0SP\0\0\x11\0\0")
                bytes_in.read(8)
                while len(head := bytes_in.read(8)) == 8:
                    message = bytes_in.read(struct.unpack(">Q", head)[0])
                    answers = b"".join(pack([1, number, None, self._answer(method)])
                                       for _, number, method, *_ in unpack_all(message[4:]))
                    stream.sendall(struct.pack(">QI", len(answers) + 4, 1) + answers)
        except OSError:
            return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class Plain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(BUILD).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def test_a_snapshot_is_what_the_broker_says(self):
        for _ in range(12):
            self.broker.call("kv.get", "a")
        stats = self.broker.call("sys.stats")["commands"]
        status, out, errors = run("top", "--once", "--interval", "0.2", url=self.broker.url)
        self.assertEqual((status, errors), (0, ""))
        self.assertIn(f"wherryd 0.1.0 at {self.broker.url}   pid {self.broker.process.pid}   up ", out)
        self.assertEqual(row(out, "kv.get")[-2:], [str(stats["kv.get"]["calls"]), str(stats["kv.get"]["errors"])])
        self.assertEqual(row(out, "command"), ["calls/s", "errors/s", "p50", "p99", "p99.9", "calls", "errors"])
        self.assertNotIn("\x1b", out)

    def test_not_a_terminal_is_once(self):
        status, out, _ = run("top", "--interval", "0.1", url=self.broker.url)
        self.assertEqual((status, out.count("wherryd 0.1.0")), (0, 1))
        status, out, _ = run("top", "--interval", "0.1", "-n", "3", url=self.broker.url)
        self.assertEqual((status, out.count("wherryd 0.1.0")), (0, 3))

    def test_json(self):
        self.broker.call("kv.set", "a", 1)
        with self.assertRaises(Exception):
            self.broker.call("kv.set", "a")
        stats = self.broker.call("sys.stats")["commands"]
        status, out, errors = run("-o", "json", "top", "--interval", "0.2", "-n", "2", url=self.broker.url)
        told = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((status, errors, len(told)), (0, "", 2))
        for one in told:
            self.assertAlmostEqual(one["seconds"], 0.2, delta=0.2)
            self.assertEqual(one["keys"], self.broker.call("kv.count"))
            self.assertEqual({name: one["commands"]["kv.set"][name] for name in ("calls", "errors")},
                             {name: stats["kv.set"][name] for name in ("calls", "errors")})
            self.assertEqual(one["commands"]["kv.set"]["calls_s"], 0)
            self.assertGreater(one["commands"]["sys.stats"]["calls_s"], 0)
        once = run("-o", "json", "top", "--once", "--interval", "0.1", url=self.broker.url)[1]
        self.assertEqual(len(once.splitlines()), 1)

    def gets(self):
        return self.broker.call("sys.stats")["commands"].get("kv.get", {}).get("calls", 0)

    def test_rates_are_those_of_the_interval(self):
        before = self.gets()
        with subprocess.Popen([WHERRY, "-u", self.broker.url, "bench", "get", "--rate", "500", "--seconds", "60",
                               "--keys", "10"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench:
            try:
                end = time.monotonic() + WAIT_S
                while self.gets() == before and time.monotonic() < end:
                    time.sleep(0.01)
                told = json.loads(run("-o", "json", "top", "--once", "--interval", "2", url=self.broker.url)[1])
            finally:
                bench.send_signal(signal.SIGINT)
                bench.wait(WAIT_S)
        self.assertAlmostEqual(told["commands"]["kv.get"]["calls_s"], 500, delta=100)
        self.assertGreaterEqual(told["requests_s"], told["commands"]["kv.get"]["calls_s"])
        self.assertGreater(told["bytes_in_s"], 500 * 20)
        self.assertGreaterEqual(told["connections"], 9)
        self.assertGreater(told["commands"]["kv.get"]["p50_us"], 0)
        self.assertGreaterEqual(told["commands"]["kv.get"]["p99_us"], told["commands"]["kv.get"]["p50_us"])

    def test_percentiles_are_of_the_interval_and_what_is_not_told_is_a_dash(self):
        before = {"commands": {"a.b": {"calls": 100, "buckets": [[1000, 50], [2000, 50]]}}}
        now = {"commands": {"a.b": {"calls": 200, "buckets": [[1000, 50], [2000, 50], [3000, 60], [9000, 39],
                                                              [70000, 1]]}}}
        with Scripted(now, {"pid": 1, "started_ms": 5}, before) as broker:
            told = json.loads(run("-o", "json", "top", "--once", "--interval", "0.1", url=broker.url)[1])
            self.assertEqual([told["commands"]["a.b"][name] for name in ("p50_us", "p99_us", "p999_us")], [3, 9, 70])
            self.assertAlmostEqual(told["commands"]["a.b"]["calls_s"] * told["seconds"], 100, delta=0.001)
            self.assertIsNone(told["requests_s"])
            self.assertIn("requests             - /s", run("top", "--once", "--interval", "0.1", url=broker.url)[1])

    def test_a_broker_that_does_not_say_who_it_is(self):
        for before, now, rates in ((100, 105, (5, 7)), (100, 5, (None, 7))):
            first = {"router": {"requests": before, "errors": 0}}
            with Scripted({"router": {"requests": now, "errors": 7}}, {}, first) as broker:
                told = json.loads(run("-o", "json", "top", "--once", "--interval", "0.1", url=broker.url)[1])
                for name, rate in zip(("requests_s", "errors_s"), rates):
                    if rate is None:
                        self.assertIsNone(told[name])
                    else:
                        self.assertAlmostEqual(told[name] * told["seconds"], rate, delta=0.001)
        with Scripted({}, {}) as broker:
            self.assertIn("   pid -   up -   ", run("top", "--once", "--interval", "0.1", url=broker.url)[1])

    def test_nothing_the_broker_says_drives_the_terminal(self):
        evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\nX"
        stats = {"commands": {evil: {"calls": 1}}, "namespaces": {evil: {"keys": 7}}, "router": evil}
        with Scripted(stats, {"version": evil, "pid": evil}) as broker:
            for args in (["top"], ["-o", "json", "top"]):
                status, out, _ = run(*args, "--once", "--interval", "0.1", url=broker.url)
                self.assertEqual(status, 0)
                self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", out))
                self.assertIn("?]0;owned??[2J??31m X", out)

    def test_what_is_no_map_is_no_fault(self):
        for stats in (None, 5, [], {}, {"commands": 3}, {"commands": {"x": 1, 5: {}}},
                      {"commands": {"x": {"buckets": [1]}}}):
            with Scripted(stats, stats) as broker:
                self.assertEqual(run("top", "--once", "--interval", "0.1", url=broker.url)[0], 0)

    def test_no_broker(self):
        status, out, errors = run("top", "--once", url=f"tcp://127.0.0.1:{free_port()}")
        self.assertEqual((status, out), (75, ""))
        self.assertIn("no broker answers", errors)

    def test_wrong_usage(self):
        for args, why in [(["--interval", "0"], "--interval takes seconds"), (["--interval"], "takes a value"),
                          (["-n", "0"], "-n takes a number"), (["--bogus"], "no option --bogus"), (["x"], "not x"),
                          (["--once", "-n", "2"], "--once is one interval")]:
            with self.subTest(args=args):
                status, out, errors = run("top", *args, url=self.broker.url)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(why, errors)


@unittest.skipIf(terminal.missing, terminal.missing)
class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(BUILD).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def start(self, *args, url=None, columns=100, rows=30, **env):
        """In a shell, so that one can see what is left behind."""
        command = f'trap : INT; echo BEFORE; "$WHERRY" top {" ".join(args)}; echo "ENDED $?"; read line'
        env = {"WHERRY": WHERRY, "WHERRY_URL": url or self.broker.url} | env
        screen = Terminal(["sh", "-c", command], env, columns, rows)
        self.addCleanup(screen.close)
        screen.await_text("errors/s")
        return screen

    @staticmethod
    def ask(screen, form):
        return screen.tmux("display-message", "-p", form).strip()

    @staticmethod
    def top_pid(screen):
        with open(f"/proc/{screen.pid()}/task/{screen.pid()}/children") as children:
            return int(children.read().split()[0])

    def expect_restored(self, screen, status):
        screen.await_text(f"ENDED {status}")
        self.assertEqual(screen.rows()[:2], ["BEFORE", f"ENDED {status}"])
        self.assertEqual(self.ask(screen, "#{alternate_on} #{cursor_flag} #{wrap_flag}"), "0 1 1")
        screen.type("echoed")
        screen.await_text("echoed")

    def test_it_shows_what_the_broker_says(self):
        screen = self.start("--interval", "0.2")
        for i in range(57):
            self.broker.call("kv.set", i, i)
        calls = self.broker.call("sys.stats")["commands"]["kv.set"]["calls"]
        screen.await_true(lambda: (row(screen.text(), "kv.set") or [""] * 7)[5] == str(calls), "the count of kv.set")
        screen.await_match(rf"keys +{self.broker.call('kv.count')} ")
        self.assertNotIn("BEFORE", screen.text())
        screen.type("q")
        self.expect_restored(screen, 0)

    def test_keys(self):
        screen = self.start("--interval", "1")
        screen.await_text("sorted by calls/s", "every 1 s")
        for shown in ("errors/s", "p50", "p99", "calls", "name", "calls/s"):
            screen.type("s")
            screen.await_text(f"sorted by {shown} ")
        screen.type("+")
        screen.await_text("every 2 s")
        screen.type("--")
        screen.await_text("every 0.5 s")
        screen.type("p")
        screen.await_text("PAUSED")
        self.broker.call("sys.jobs")
        screen.type("p")
        screen.await_gone("PAUSED")
        screen.await_text("sys.jobs")
        screen.type("", "C-c")
        self.expect_restored(screen, 0)

    def test_sorted_by_name(self):
        for method in ("kv.count", "sys.jobs", "ns.list"):
            self.broker.call(method)
        screen = self.start("--interval", "0.2")
        screen.type("sssss")
        screen.await_text("sorted by name")
        names = re.findall(r"^([a-z]+\.[a-z]+) ", screen.text(), re.M)
        self.assertGreaterEqual(len(names), 4)
        self.assertEqual(names, sorted(names))

    def test_it_fits_the_terminal(self):
        screen = self.start("--interval", "0.2")
        for columns, rows in ((50, 14), (20, 5), (140, 40), (80, 24)):
            screen.resize(columns, rows)
            screen.await_true(lambda: ("q quit" in screen.text()) == (rows > 10), "the new size")
            self.assertLessEqual(len(screen.rows()), rows)
            self.assertTrue(screen.rows()[0].startswith("wherryd 0.1.0"))
        screen.type("q")
        screen.await_text("ENDED 0")

    def test_it_ends_after_so_many(self):
        screen = self.start("--interval", "0.1", "-n", "3")
        self.expect_restored(screen, 0)

    def test_signals_restore_the_terminal(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGABRT):
            with self.subTest(number):
                screen = self.start()
                os.kill(self.top_pid(screen), number)
                screen.await_text(f"ENDED {128 + number}")
                self.assertEqual(self.ask(screen, "#{alternate_on} #{cursor_flag}"), "0 1")
                self.assertIn("BEFORE", screen.rows()[0])
                screen.type("echoed")
                screen.await_text("echoed")

    def test_stopped_and_continued(self):
        screen = Terminal(["bash", "--norc", "-i"], {"WHERRY_URL": self.broker.url, "PS1": "shell$ "})
        self.addCleanup(screen.close)
        screen.type(f"{WHERRY} top --interval 0.2", "Enter")
        screen.await_text("q quit")
        screen.type("", "C-z")
        screen.await_text("Stopped")
        self.assertEqual(self.ask(screen, "#{alternate_on} #{cursor_flag} #{wrap_flag}"), "0 1 1")
        screen.type("fg", "Enter")
        screen.await_text("q quit")
        self.assertEqual(self.ask(screen, "#{alternate_on}"), "1")
        screen.type("q")
        screen.await_true(lambda: self.ask(screen, "#{alternate_on}") == "0", "the shell's screen")

    def test_ctrl_z_without_a_shell_stops_nothing(self):
        screen = self.start("--interval", "0.2")
        screen.type("", "C-z")
        # Keys of the moment in which it gave the terminal back are lost.
        screen.await_true(lambda: (screen.type("+"), "every 0.2 s" not in screen.text())[1], "another interval")
        screen.type("q")
        self.expect_restored(screen, 0)

    def test_no_color(self):
        self.assertIn("\x1b[7m", self.start().styled())
        self.assertNotIn("\x1b[", self.start(NO_COLOR="1").styled())

    def test_a_dumb_terminal_gets_a_snapshot(self):
        screen = self.start("--interval", "0.1", TERM="dumb")
        screen.await_text("BEFORE", "errors/s", "ENDED 0")

    def test_the_broker_is_lost_and_comes_back(self):
        broker = Wherryd(BUILD).start()
        self.addCleanup(lambda: broker.stop())
        screen = self.start("--interval", "0.2", url=broker.url, columns=60, rows=16)
        broker.process.kill()
        broker.process.wait()
        screen.await_text("LOST, trying again")
        self.assertIn("errors/s", screen.text())
        again = Again(broker).start()
        self.addCleanup(again.stop)
        screen.await_gone("LOST")
        screen.resize(100, 16)
        screen.await_text(f"pid {again.process.pid} ")
        screen.type("q")
        self.expect_restored(screen, 0)


class Again(Wherryd):
    """A broker at the port where another one was."""

    def __init__(self, other):
        super().__init__(BUILD)
        self.there = other.port

    @property
    def url(self):
        return f"tcp://127.0.0.1:{self.there}"

    def connect(self, *args, **more):
        self.port = self.there
        return super().connect(*args, **more)


if __name__ == "__main__":
    unittest.main()
