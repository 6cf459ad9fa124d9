#!/usr/bin/python3
"""The programs in examples/ that speak to a broker: each builds on an installation as its README says, and does what its
README shows, line by line.  What is typed into a program stands behind `>`."""

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import transcripts  # noqa: E402
from servers import Wherryd, default_build  # noqa: E402


def run(words, **options):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)


class Terminal:
    """A program that somebody sits in front of."""

    def __init__(self, test, command, **options):
        self.test = test
        self.process = subprocess.Popen(["bash", "-c", f"exec {command}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, **options)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        test.addCleanup(self.end)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def type(self, text):
        self.process.stdin.write(text + "\n")

    def expect(self, line):
        self.test.assertEqual(self.lines.get(timeout=30), line)

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.test.assertEqual(self.process.wait(30), 0)
        self.reader.join()
        self.process.stdout.close()


class Programs(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if Wherryd(default_build()).sanitized():
            raise unittest.SkipTest("an installation of a sanitized build needs its runtime")
        cls.prefix = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.prefix.cleanup)
        done = run(["cmake", "--install", default_build(), "--prefix", cls.prefix.name])
        assert done.returncode == 0, done.stdout

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def built(self, example):
        """In a folder that looks like the example's."""
        folder = os.path.join(TOP, "examples", example)
        for name in os.listdir(folder):
            os.symlink(os.path.join(folder, name), os.path.join(self.directory, name))
        for words in (["cmake", "-S", folder, "-B", "build", f"-DCMAKE_PREFIX_PATH={self.prefix.name}"],
                      ["cmake", "--build", "build"]):
            done = run(words, cwd=self.directory)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("warning:", done.stdout)
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as text:
            shown = re.findall(r"(?:^    .*\n)+", text.read(), flags=re.M)
        return [[line[4:] for line in block.splitlines()] for block in shown if block.startswith("    $ ")]

    def broker(self):
        broker = Wherryd(default_build())
        broker.__enter__()
        self.addCleanup(broker.__exit__, None, None, None)
        programs = os.path.join(default_build(), "bin") + os.pathsep + os.environ["PATH"]
        self.options = {"cwd": self.directory, "env": os.environ | {
            "WHERRY_URL": broker.url, "PATH": programs,
            "LD_LIBRARY_PATH": os.path.join(default_build(), "lib")}}
        return broker

    def shell(self, command, answer):
        done = run(["bash", "-c", command], **self.options)
        pattern = ".*".join(re.escape(part) for part in answer.split("..."))
        self.assertRegex(done.stdout.rstrip("\n"), re.compile(rf"\A{pattern}\Z", re.S), command)

    def test_chat(self):
        """Both sit down; then what is typed is typed, and what is shown comes."""
        first, second = self.built("chat")
        self.broker()
        rooms = []
        for block in (first, second):
            room = Terminal(self, block[0][2:], **self.options)
            room.expect(block[1])
            rooms.append((room, block[2:]))
        for line in second[2:]:
            if line.startswith("> "):
                rooms[1][0].type(line[2:])
        for room, lines in rooms:
            for line in lines:
                if not line.startswith("> "):
                    room.expect(line)
                elif lines is rooms[0][1]:
                    room.type(line[2:])

    def test_cache(self):
        (block,) = self.built("cache")
        self.broker()
        cache, commands = None, list(block)
        while commands:
            line = commands.pop(0)
            if line.startswith("$ build/cache"):
                cache = Terminal(self, line[2:], **self.options)
            elif line.startswith("$ "):
                self.shell(line[2:], commands.pop(0))
            elif line.startswith("> "):
                cache.type(line[2:])
            else:
                cache.expect(line)

    def test_work_queue(self):
        (block,) = self.built("work-queue")
        self.broker()
        for command, answer in transcripts.pieces("\n".join(block) + "\n"):
            self.shell(command, answer)

    def test_a_worker_that_is_killed(self):
        """Its lines are counted all the same, and once."""
        self.built("work-queue")
        broker = self.broker()
        text = "\n".join(f"line {number} of many" for number in range(3000)) + "\n"
        with open(os.path.join(self.directory, "text"), "w", encoding="utf-8") as out:
            out.write(text)
        self.shell("build/push < text", "pushed 3000 lines")
        workers = [subprocess.Popen(["build/worker"], stdout=subprocess.PIPE, text=True, **self.options)
                   for _ in range(3)]
        while broker.call("kv.get", "words") in (None, 0):
            pass
        workers[0].send_signal(signal.SIGKILL)
        done = [worker.communicate(timeout=60)[0] for worker in workers]
        self.assertEqual([worker.returncode for worker in workers], [-signal.SIGKILL, 0, 0])
        self.assertEqual(broker.call("kv.get", "words"), 12000)
        self.assertNotIn("", done[1:])


if __name__ == "__main__":
    unittest.main()
