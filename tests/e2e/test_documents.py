#!/usr/bin/python3
"""What the documents show is true: the bytes in include/wherry/README.md, the modules in modules/README.md and
examples/hello, and what is said to be answered."""

import os
import shlex
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd  # noqa: E402
from wherry_py import Client  # noqa: E402

URL = "tcp://127.0.0.1:1973"  # as the documents have it


class Daemon(Wherryd):
    def __init__(self, *modules):
        super().__init__()
        self.modules = modules

    def command(self):
        return super().command() + [word for module in self.modules for word in ("-m", module)]


def blocks(path, language):
    with open(os.path.join(TOP, path), encoding="utf-8") as text:
        return [block.partition("```")[0] for block in text.read().split(f"```{language}\n")[1:]]


def run(words, directory=TOP):
    return subprocess.run(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


class Protocol(unittest.TestCase):
    def test_examples(self):
        found = blocks("include/wherry/README.md", "hex")
        self.assertGreater(len(found), 4)
        with Daemon() as daemon:
            for protocol in ("pair1", "req"):
                with Client(daemon.url, protocol) as client:
                    for block in found:
                        self.replay(client, block)

    def replay(self, client, block):
        lines = [line.partition("#")[0].split() for line in block.splitlines() if line.strip()]
        sent = bytes.fromhex("".join(byte for line in lines if line[0] == ">" for byte in line[1:]))
        want = [byte for line in lines if line[0] == "<" for byte in line[1:]]
        client.send(sent)
        got = client.recv().hex(" ").split()
        if want[-1] == "...":
            want.pop()
            self.assertGreater(len(got), len(want), block)
            got = got[:len(want)]
        self.assertEqual([".." if w == ".." else g for g, w in zip(got, want)], want, block)
        self.assertEqual(len(got), len(want), block)


class Modules(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def transcript(self, daemon, text):
        """Lines `$ command` and what it answers; one that shows no answer only has to succeed."""
        for piece in text.split("$ ")[1:]:
            command, _, want = piece.partition("\n")
            want = want.strip()
            done = run(shlex.split(command.replace(URL, daemon.url)))
            if want:
                self.assertEqual(done.stdout.strip(), want, command)
            else:
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_ten_minutes(self):
        (code,) = blocks("modules/README.md", "c")
        build, _start = blocks("modules/README.md", "sh")[0].strip().splitlines()
        with open(os.path.join(self.directory, "visits.c"), "w", encoding="utf-8") as source:
            source.write(code)
        built = run(shlex.split(build) + ["-Werror", "-I", os.path.join(TOP, "include")], self.directory)
        self.assertEqual(built.returncode, 0, built.stdout)
        with Daemon(os.path.join(self.directory, "visits.so")) as daemon:
            for text in blocks("modules/README.md", "console"):
                self.transcript(daemon, text)

    def test_hello(self):
        prefix, build = os.path.join(self.directory, "prefix"), os.path.join(self.directory, "build")
        os.mkdir(prefix)
        os.symlink(os.path.join(TOP, "include"), os.path.join(prefix, "include"))
        for words in (["cmake", "-S", "examples/hello", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"],
                      ["cmake", "--build", build]):
            done = run(words)
            self.assertEqual(done.returncode, 0, done.stdout)
        with open(os.path.join(TOP, "examples", "hello", "README.md"), encoding="utf-8") as readme:
            shown = [line.strip() for line in readme if line.startswith("    ")]
        with Daemon(os.path.join(build, "hello.so")) as daemon:
            self.transcript(daemon, "\n".join(shown[shown.index(next(s for s in shown if s.startswith("$"))):]))


if __name__ == "__main__":
    unittest.main()
