#!/usr/bin/python3
"""Messages, queues and watched keys from the command line: sub, pub, watch, push, pop, worker.

    WHERRY_BUILD=build/debug tests/e2e/test_cli_messages.py
"""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd, default_build  # noqa: E402
from wherry_py import Client  # noqa: E402

WHERRY = os.path.join(default_build(), "bin", "wherry")


class Shell(unittest.TestCase):
    """A broker, and wherry run against it."""

    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd()
        cls.broker.start()
        cls.client = Client(cls.broker.url, timeout=30)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        assert cls.broker.stop() == 0

    def environment(self):
        plain = {name: value for name, value in os.environ.items() if not name.startswith("WHERRY_")}
        return plain | {"WHERRY_URL": self.broker.url}

    def wherry(self, *words, stdin="", status=0):
        done = subprocess.run([WHERRY, *words], input=stdin, capture_output=True, text=True, timeout=60,
                              env=self.environment())
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def out(self, *words, **more):
        return self.wherry(*words, **more).stdout

    def start(self, *words):
        process = subprocess.Popen([WHERRY, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.environment())
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def await_true(self, condition):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end, "it does not happen")
            time.sleep(0.01)

    def finished(self, process, status=0):
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, status, err)
        return out, err


class Messages(Shell):
    def subscribed(self, filter_, *more):
        process = self.start("sub", filter_, *more)
        self.await_true(lambda: any(row["filter"] == filter_ for row in self.topics()))
        return process

    def topics(self):
        return self.client.call("pubsub.topics")

    def test_what_is_published_is_printed(self):
        process = self.subscribed("news.>", "--count", "3")
        self.assertEqual(self.out("pub", "news.a", "hello there"), "1\n")
        self.out("pub", "news.b", '{"n": [1, 2]}', "--headers", '{"from": "me"}')
        self.out("pub", "news.c", "a\nb\x1b[31m")
        self.assertEqual(self.finished(process)[0],
                         'news.a hello there\nnews.b {"n": [1, 2]}\nnews.c a\\nb\\x1b[31m\n')

    def test_as_json_and_raw(self):
        process, raw = self.start("-o", "json", "sub", "j.*", "-n", "1"), self.start("-o", "raw", "sub", "j.*", "-n", "1")
        self.await_true(lambda: sum(row["subscriptions"] for row in self.topics() if row["filter"] == "j.*") == 2)
        self.out("pub", "j.x", '"text"', "--headers", '{"k": 1}')
        said = json.loads(self.finished(process)[0])
        self.assertEqual(said, {"topic": "j.x", "payload": "text", "headers": {"k": 1}, "seq": 1, "lost": 0})
        self.assertEqual(self.finished(raw)[0], "text\n")

    def test_retained_comes_first(self):
        self.out("pub", "--retain", "lamp.hall", "on")
        self.assertEqual(self.out("sub", "lamp.*", "--retained", "-n", "1"), "lamp.hall on\n")

    def test_lines_are_messages(self):
        process = self.subscribed("lines", "-n", "3")
        self.assertEqual(self.out("pub", "lines", "--lines", stdin="one\n2\n@three\n"), "published 3, failed 0\n")
        self.assertEqual(self.finished(process)[0], "lines one\nlines 2\nlines @three\n")

    def test_nobody_listens(self):
        self.assertEqual(self.out("pub", "nobody.here", "x"), "0\n")
        self.assertIn("ENORESP", self.wherry("pub", "nobody.here", "x", "--require", "1", status=1).stderr)
        self.assertIn("2 of 2 failed; first at line 1: ENORESP",
                      self.wherry("pub", "nobody.here", "--lines", "--require", "1", stdin="a\nb\n", status=1).stderr)

    def test_ctrl_c_ends_it_with_a_summary(self):
        process = self.subscribed("end.*")
        self.out("pub", "end.x", "1")
        self.assertEqual(process.stdout.readline(), "end.x 1\n")
        process.send_signal(signal.SIGINT)
        self.assertRegex(self.finished(process)[1], r"^1 message in \d+\.\d s, 0 lost\n$")

    def test_a_restarted_broker_is_told(self):
        broker = Wherryd()
        broker.start()
        process = subprocess.Popen([WHERRY, "-u", broker.url, "sub", ">"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment())
        self.addCleanup(self.end, process)
        self.await_true(lambda: broker.call("pubsub.topics"))
        broker.process.kill()
        broker.process.wait()
        with open(broker.log, "ab") as log:
            broker.process = subprocess.Popen([*self.again(broker)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                              cwd=broker.dir)
        self.assertIn("what was published in between was missed", process.stderr.readline())
        broker.call("pubsub.publish", "still.here", 1)
        self.assertEqual(process.stdout.readline(), "still.here 1\n")
        process.send_signal(signal.SIGTERM)
        self.assertIn("1 time without a connection", self.finished(process)[1])
        broker.stop()

    @staticmethod
    def again(broker):
        return [os.path.join(broker.build, "bin", "wherryd"), "-l", broker.url, "-c",
                os.path.join(broker.dir, "wherryd.conf")]

    def test_wrong_usage(self):
        for words in (["sub"], ["sub", "--count", "0", "a"], ["sub", "--what", "a"], ["sub", "a", "--overflow"],
                      ["pub", "a", "b", "--lines"], ["watch"], ["pop"], ["pop", "q", "--wait", "x"], ["worker", "q"],
                      ["worker", "--exec", "true"], ["worker", "q", "-p", "0", "--exec", "true"]):
            self.assertIn("wherry --help", self.wherry(*words, status=2).stderr, words)
        self.assertIn("EARG", self.wherry("sub", "a..b", status=1).stderr)


class Keys(Shell):
    def test_events_as_they_happen(self):
        self.out("kv.set", "w.a", "one")
        process = self.start("watch", "w.*", "--initial", "-n", "4")
        self.assertRegex(process.stdout.readline(), r"^state w\.a one @\d+\n$")
        self.out("kv.set", "w.b", '{"x": [1]}')
        self.out("kv.cas", "w.a", "one", "two")
        self.out("kv.del", "w.b")
        lines = self.finished(process)[0].splitlines()
        self.assertEqual([line.rpartition(" @")[0] for line in lines][-3:],
                         ['put w.b {"x": [1]}', "cas w.a two", "del w.b null"])

    def test_as_json(self):
        self.out("kv.set", "json.key", "5")
        said = json.loads(self.out("-o", "json", "watch", "json.key", "--initial", "-n", "1"))
        self.assertEqual((said["event"], said["key"], said["value"], said["lost"]), ("state", "json.key", 5, 0))


class Queues(Shell):
    def stats(self, queue):
        return self.client.call("queue.stats", queue)

    def test_push_and_pop(self):
        self.assertEqual(self.out("push", "q1", "a", "b"), "1\n2\n")
        self.assertEqual(self.out("push", "q1", "urgent", "--priority", "9"), "3\n")
        self.assertEqual(self.out("pop", "q1", "-n", "3"), "urgent\na\nb\n")
        self.wherry("pop", "q1", status=75)
        self.assertEqual(self.stats("q1")["reserved"], 0)

    def test_pop_as_json_and_for_good(self):
        self.out("push", "q2", '{"n": 1}', "--headers", '{"h": "x"}')
        said = json.loads(self.out("-o", "json", "pop", "q2", "--no-ack"))
        self.assertEqual((said["queue"], said["value"], said["headers"], said["attempt"]), ("q2", {"n": 1}, {"h": "x"}, 1))
        self.assertEqual(self.stats("q2")["reserved"], 0)

    def test_pop_waits(self):
        process = self.start("pop", "q3", "--wait", "30")
        self.await_true(lambda: self.client.call("sys.stats")["router"]["parked"] == 1)
        self.out("push", "q3", "late")
        self.assertEqual(self.finished(process)[0], "late\n")

    def test_what_cannot_be_printed_is_not_acknowledged(self):
        self.out("push", "q4", "precious")
        with open("/dev/full", "w") as full:
            done = subprocess.run([WHERRY, "pop", "q4"], stdout=full, stderr=subprocess.PIPE, env=self.environment(),
                                  timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.stats("q4")["reserved"], 1)

    def test_lines_of_json(self):
        self.assertEqual(self.out("push", "q5", "--json", stdin="1\n[2]\n"), "pushed 2, failed 0\n")
        self.assertIn("1 of 3 failed; first at line 2: EARG: it is no JSON",
                      self.wherry("push", "q5", "--json", stdin="1\nx\n3\n", status=1).stderr)
        self.assertEqual(self.out("pop", "q5", "-n", "4"), "1\n[2]\n1\n3\n")

    # --- worker ----------------------------------------------------------------------------------------------------

    def test_worker_gives_value_and_names(self):
        self.out("push", "w1", "text", "--headers", '{"trace-id": "t 1", "n": 5}')
        out = self.out("worker", "w1", "-n", "1", "--exec", "sh", "-c",
                       'cat; echo "|$WHERRY_QUEUE|$WHERRY_ID|$WHERRY_ATTEMPT|$WHERRY_HEADER_TRACE_ID|$WHERRY_HEADER_N"')
        self.assertEqual(out, "text|w1|1|1|t 1|5\n")
        stats = self.stats("w1")
        self.assertEqual((stats["ready"], stats["reserved"], stats["delayed"]), (0, 0, 0))

    def test_status_decides(self):
        self.client.call("queue.create", "w2", max_attempts=2, backoff=[1])
        self.out("push", "w2", "x")
        done = self.wherry("worker", "w2", "-n", "2", "--exec", "sh", "-c", "echo broken >&2; exit 3")
        self.assertIn("attempt 1: exit status 3: broken", done.stderr)
        dead = self.client.call("queue.peek", "w2.dlq")
        self.assertEqual([message["headers"]["x-error"] for message in dead], ["exit status 3: broken"])

    def test_not_now_comes_later(self):
        self.out("push", "w3", "x")
        self.wherry("worker", "w3", "-n", "1", "--delay-ms", "60000", "--exec", "sh", "-c", "exit 75")
        self.assertEqual(self.stats("w3")["delayed"], 1)

    def test_a_command_need_not_read(self):
        self.out("push", "w4", "--lines", stdin="x" * 200000)
        self.wherry("worker", "w4", "-n", "1", "--exec", "true")
        self.assertEqual(self.stats("w4")["ready"], 0)

    def test_a_command_that_is_not_there(self):
        self.out("push", "w5", "x")
        process = self.start("worker", "w5", "--exec", "/nonexistent/program")
        self.assertIn("/nonexistent/program can't be run", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        self.finished(process)
        self.assertEqual(self.stats("w5")["ready"] + self.stats("w5")["delayed"], 1)

    def test_sigterm_waits_for_what_runs(self):
        self.out("push", "w6", "a", "b")
        marker = f"{self.broker.dir}/began"
        process = self.start("worker", "w6", "--exec", "sh", "-c", f"echo >{marker}; sleep 1; cat")
        self.await_true(lambda: os.path.exists(marker))
        process.send_signal(signal.SIGTERM)
        out, err = self.finished(process)
        self.assertEqual((out, "1 done" in err), ("a", True), err)
        stats = self.stats("w6")
        self.assertEqual((stats["ready"], stats["reserved"]), (1, 0))

    def test_a_second_signal_kills_and_gives_back(self):
        self.out("push", "w7", "a")
        marker = f"{self.broker.dir}/child"
        process = self.start("worker", "w7", "--exec", "sh", "-c", f"echo $$ >{marker}; sleep 60 & wait")
        self.await_true(lambda: os.path.exists(marker) and os.path.getsize(marker) > 0)
        self.await_true(lambda: process.poll() is not None or process.send_signal(signal.SIGTERM))
        self.finished(process)
        with open(marker) as text:
            group = int(text.read())
        self.await_true(lambda: not self.group_lives(group))
        self.await_true(lambda: self.stats("w7")["ready"] == 1)
        self.assertEqual(self.client.call("queue.pop", "w7")[0]["attempt"], 1)

    @staticmethod
    def group_lives(group):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        return True

    def test_a_killed_worker_loses_nothing(self):
        self.out("push", "w8", "a")
        marker = f"{self.broker.dir}/orphan"
        process = self.start("worker", "w8", "--exec", "sh", "-c", f"echo $$ >{marker}; exec sleep 60 >/dev/null")
        self.await_true(lambda: os.path.exists(marker) and os.path.getsize(marker) > 0)
        process.kill()
        with open(marker) as text:
            os.killpg(int(text.read()), signal.SIGKILL)
        self.await_true(lambda: self.stats("w8")["ready"] == 1)
        self.assertEqual(self.out("worker", "w8", "-n", "1", "--exec", "cat"), "a")

    def test_many_at_once(self):
        self.out("push", "w9", "--lines", stdin="".join(f"{i}\n" for i in range(100)))
        out = self.out("worker", "w9", "-q", "-n", "100", "-p", "8", "--exec", "sh", "-c", 'echo "$(cat)"')
        self.assertEqual(sorted(map(int, out.split())), list(range(100)))


class Bench(Shell):
    def test_every_message_is_accounted_for(self):
        for workload, got in (("pubsub", 5 * 3000), ("queue", 3000)):
            said = json.loads(self.out("-o", "json", "bench", workload, "--connections", "5", "--count", "3000"))
            word = "delivered" if workload == "pubsub" else "acknowledged"
            self.assertEqual((said[word], said["lost"], said["missing"], said["wrong"], said["errors"]), (got, 0, 0, 0, 0))
        self.assertEqual(self.client.call("pubsub.topics"), [])

    def test_what_is_refused_is_told(self):
        broker = Wherryd(config='module "queue" { max_message = 1KiB }\n')
        broker.start()
        done = subprocess.run([WHERRY, "-u", broker.url, "bench", "queue", "--count", "10", "--size", "2KiB"],
                              capture_output=True, text=True, timeout=120, env=self.environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("10 were refused; the first: ", done.stderr)
        broker.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
