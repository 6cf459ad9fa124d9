#!/usr/bin/python3
"""What is in examples/.  The modules: each builds as its README says, answers what its README shows, leaks nothing, imports
nothing but the C library, and passes the conformance run.  The programs: their pages run as printed."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "abi")]

import symbols  # noqa: E402
import transcripts  # noqa: E402
from servers import Wherryd, default_build  # noqa: E402
from wherry_py import Client  # noqa: E402

WAIT_S = 120

# The one that is asked for, and the distribution's: they may be years apart.
RUSTCS = sorted({path for path in (shutil.which("rustc"), shutil.which("rustc", path="/usr/bin")) if path})


def run(words, **options):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)


class Daemon(Wherryd):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def command(self):
        return super().command() + ["-m", self.module]


class Example(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.bin = os.path.join(default_build(), "bin")

    def built(self, example, module, *options):
        """With the README's lines, but for where the header is."""
        path = tempfile.mkdtemp(dir=self.directory)
        for words in (["cmake", "-S", os.path.join(TOP, "examples", example), "-B", path,
                       f"-DWHERRY_INCLUDE={os.path.join(TOP, 'include')}", *options], ["cmake", "--build", path]):
            done = run(words)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("warning:", done.stdout)
        return os.path.join(path, f"{module}.so")


class Documented(Example):
    def check(self, example, module, *options):
        path = self.built(example, module, *options)
        with Daemon(path) as daemon:
            transcripts.replay(self, transcripts.indented(os.path.join(TOP, "examples", example, "README.md")),
                               WHERRY_URL=daemon.url, PATH=self.bin + os.pathsep + os.environ["PATH"])
            self.leaves_nothing(daemon, module)
        self.assertEqual(list(symbols.faults(f"example/{example}", path, symbols.listed())), [])
        self.conforms(path)

    def leaves_nothing(self, daemon, module):
        for _ in range(3):
            self.assertTrue(daemon.call("module.reload", module))
        self.assertTrue(daemon.call("module.unload", module))
        self.assertNotIn("leak", daemon.read_log())
        self.assertNotIn("left", daemon.read_log())

    def conforms(self, path):
        wherryd = os.path.join(self.bin, "wherryd")
        self.assertIn("--conformance", run([wherryd, "--help"]).stdout)
        done = run([wherryd, "--conformance", path, "--seed", "1", "--seconds", "3"], cwd=self.directory)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_hello(self):
        self.check("hello", "hello")

    def test_ratelimit(self):
        self.check("ratelimit", "ratelimit")

    def test_bloom(self):
        for compiler in filter(shutil.which, ("g++", "clang++")):
            with self.subTest(compiler):
                self.check("bloom", "bloom", f"-DCMAKE_CXX_COMPILER={compiler}")

    @unittest.skipUnless(RUSTCS, "no rustc here: examples/counter-rust is not built")
    def test_counter_in_rust(self):
        for rustc in RUSTCS:
            with self.subTest(rustc):
                self.check("counter-rust", "counter", f"-DRUSTC={rustc}")


class Programs(Example):
    """The console blocks of examples/NAME/README.md, one after another, in a copy of the folder."""

    def copy(self, name):
        folder = os.path.join(self.directory, name)
        shutil.copytree(os.path.join(TOP, "examples", name), folder)
        return folder

    def page(self, name):
        return list(transcripts.blocks(os.path.join(TOP, "examples", name, "README.md"), "console"))

    def replay(self, name):
        with Wherryd() as broker:
            env = transcripts.environment(self.directory, default_build(), broker)
            transcripts.replay_in_shell(self, self.page(name), self.copy(name), env)

    def test_work_queue(self):
        self.replay("work-queue")

    def test_cache(self):
        self.replay("cache")

    @unittest.skipUnless(shutil.which("nngcat"), "no nngcat")
    def test_telemetry(self):
        self.replay("telemetry")

    def test_chat(self):
        """Two terminals at once: the page's blocks are Ada's, Bob's, Ada's, and Ada's after Bob was killed."""
        first, second, answer, end = self.page("chat")
        with Wherryd() as broker:
            where = {"cwd": self.copy("chat"), "env": transcripts.environment(self.directory, default_build(), broker)}
            with Terminal(self, first, **where) as ada, Terminal(self, second, **where) as bob:
                ada.goes_on(answer)
                bob.process.kill()
                ada.goes_on(end)
                ada.process.stdin.close()
                self.assertEqual(ada.process.wait(WAIT_S), 0)


class Terminal:
    """A program in a terminal: a block that begins with its command; lines behind > are typed, others are printed."""

    def __init__(self, test, block, **where):
        command, _, rest = block.partition("\n")
        self.test = test
        self.process = subprocess.Popen(command.removeprefix("$ ").split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, **where)
        self.guard = threading.Timer(WAIT_S, self.process.kill)
        self.guard.start()
        self.goes_on(rest)

    def goes_on(self, block):
        for line in block.splitlines():
            if line.startswith("> "):
                self.process.stdin.write(line[2:] + "\n")
                self.process.stdin.flush()
            else:
                self.test.assertEqual(self.process.stdout.readline(), line + "\n")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.guard.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()


class Promises(Example):
    """What a transcript can't show."""

    def until(self, condition):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end)

    def test_a_bucket_fills_and_vanishes(self):
        with Daemon(self.built("ratelimit", "ratelimit")) as daemon, Client(daemon.url) as client:
            def take(key, **options):
                return client.call("ratelimit.take", key, **options)
            self.assertEqual(take("a", rate=20, burst=1), {"allowed": True, "remaining": 0, "retry_ms": 0})
            self.until(lambda: take("a", rate=20, burst=1)["allowed"])
            self.until(lambda: client.call("kv.exists", "a") == [False])
            day = {"rate": 1, "per_ms": 86400000, "burst": 1000000}
            self.assertTrue(take("b", cost=999999, **day)["allowed"])
            refused = take("b", cost=2, **day)
            self.assertEqual((refused["allowed"], refused["remaining"]), (False, 1))
            self.assertIn(refused["retry_ms"], range(86300000, 86400001))

    def test_a_filter_never_says_no_by_mistake(self):
        with Daemon(self.built("bloom", "bloom")) as daemon, Client(daemon.url) as client:
            client.call("bloom.create", "f", 2000)
            calls = [("bloom.add", "f", f"item {i}") for i in range(2000)]
            added = [answer for answer in client.frame(calls)]
            found = client.frame([("bloom.has", "f", f"item {i}") for i in range(2000)])
            others = client.frame([("bloom.has", "f", f"other {i}") for i in range(2000)])
            self.assertTrue(all(found))
            self.assertEqual(client.call("bloom.info", "f")["items"], sum(added))
            self.assertLess(sum(others), 60)  # 20 are promised; the hash has no key, so it is as many every time


if __name__ == "__main__":
    unittest.main()
