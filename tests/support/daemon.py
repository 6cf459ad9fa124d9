"""wherryd with flags and an environment of the test's own, in a directory that goes with the test."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from servers import default_build
from wherry_py import Client, WherryError

BUILD = default_build()
WHERRYD = os.path.join(BUILD, "bin", "wherryd")
TEST_MODULES = os.path.join(BUILD, "tests", "modules")
WAIT_S = 30


def environment(**more):
    return {name: value for name, value in os.environ.items() if not name.startswith("WHERRY_")} | more


def run(*flags, **more):
    done = subprocess.run([WHERRYD, *flags], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WAIT_S,
                          env=environment(**more))
    return done.returncode, done.stdout, done.stderr


def await_true(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what()}")
        time.sleep(0.01)


class Running:
    """A wherryd with the test's flags, ready; its standard error is the file .errors."""

    def __init__(self, directory, *flags, log=None, **more):
        self.url = f"ipc://{directory}/w.sock"
        self.errors = os.path.join(directory, "errors")
        self.log = log or self.errors
        listen = () if any(flag in ("-l", "-c") for flag in flags) or "WHERRY_LISTEN" in more else ("-l", self.url)
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([WHERRYD, *listen, *flags], stdin=subprocess.DEVNULL, stderr=errors,
                                            env=environment(**more), cwd=directory)
        self.await_log("ready")

    def read(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as log:
            return log.read()

    def await_log(self, words, count=1):
        def there():
            if self.process.poll() is not None:
                with open(self.errors, errors="replace") as errors:
                    raise AssertionError(f"wherryd ended, {self.process.returncode}:\n{errors.read()}")
            return self.read().count(words) >= count
        await_true(there, lambda: f"{words}:\n{self.read()}")

    def call(self, *words, **options):
        with Client(self.url) as client:
            return client.call(*words, **options)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        self.send(number)
        return self.process.wait(WAIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Load:
    """Clients that set and get until they are told to stop, and what went wrong for them."""

    def __init__(self, url, clients):
        self.stop, self.faults, self.counts = threading.Event(), [], [0] * clients
        self.threads = [threading.Thread(target=self.run, args=(url, n)) for n in range(clients)]

    def run(self, url, number):
        try:
            with Client(url) as client:
                while not self.stop.is_set():
                    client.frame([("kv.set", f"k{number}", self.counts[number]), ("kv.get", f"k{number}")])
                    self.counts[number] += 1
        except (WherryError, OSError) as fault:
            self.faults.append(fault)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def __exit__(self, *unused):
        self.end()


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        self.addCleanup(shutil.rmtree, self.dir, True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def file(self, text, name="w.conf"):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as out:
            out.write(text)
        return self.path(name)

    def listening(self, text, name="w.conf"):
        """A configuration that listens on the test's socket."""
        return self.file(f'listen "ipc://{self.dir}/w.sock" {{ }}\n{text}', name)

    def running(self, *flags, **more):
        return Running(self.dir, *flags, **more)
