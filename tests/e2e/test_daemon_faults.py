#!/usr/bin/python3
"""wherryd in bad luck: what hangs, what is full, what is half written, what is hostile.  TERM must end it all the same.

    WHERRY_BUILD=build/debug tests/e2e/test_daemon_faults.py
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from daemon import TEST_MODULES, WAIT_S, WHERRYD, Case, Load, await_true, environment, run  # noqa: E402
from wherry_py import Client, WherryError  # noqa: E402

SLOW = f"{TEST_MODULES}/slow_load.so"
PACKAGING = os.path.abspath(os.path.join(HERE, "..", "..", "broker", "packaging"))


class Started(Case):
    def starting(self, *flags, **options):
        """A wherryd that need not become ready."""
        with open(self.path("errors"), "wb") as errors:
            process = subprocess.Popen([WHERRYD, *flags], env=environment(), cwd=self.dir,
                                       **({"stdin": subprocess.DEVNULL, "stderr": errors} | options))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def errors(self):
        with open(self.path("errors"), errors="replace") as errors:
            return errors.read()


class Hanging(Started):
    def await_thread(self, process, name):
        """Until it runs a thread of that name, which it does as soon as it handles signals."""
        def there():
            tasks = f"/proc/{process.pid}/task"
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/comm") as comm:
                    if comm.read().strip() == name:
                        return True
            return False
        await_true(there, lambda: name)

    def test_a_start_that_takes_long_can_be_ended(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.starting("-l", f"ipc://{self.dir}/w.sock", "-m", SLOW)
            self.await_thread(process, "wherry:control")
            process.send_signal(number)
            self.assertEqual(process.wait(WAIT_S), -number)

    def test_a_wish_that_comes_while_it_starts_is_kept(self):
        path = self.listening(f'max_parked = 5\nmodule "{SLOW}" {{ takes = 500ms }}\n')
        process = self.starting("-c", path)
        self.await_thread(process, "wherry:control")
        self.listening(f'max_parked = 6\nmodule "{SLOW}" {{ takes = 500ms }}\n')
        process.send_signal(signal.SIGHUP)
        await_true(lambda: "option=max_parked from=5 to=6" in self.errors(), self.errors)
        process.terminate()
        self.assertEqual(process.wait(WAIT_S), 0)

    def test_a_reload_that_hangs_does_not_keep_it(self):
        path = self.listening("")
        with self.running("-c", path) as broker:
            self.listening(f'module "{SLOW}" {{ takes = 60s }}\n')
            broker.send(signal.SIGHUP)
            await_true(lambda: "reload" in [job["what"] for job in jobs(broker)], lambda: "the reload")
            self.assertEqual(broker.call("sys.ping"), "PONG")
            broker.send(signal.SIGTERM)
            broker.await_log(" stopping")
            await_true(lambda: broker.send(signal.SIGTERM) or broker.process.poll() is not None, lambda: "its end")
            self.assertEqual(broker.process.returncode, 1)
            self.assertIn("ended at once", broker.read())

    def test_a_configuration_from_a_pipe_is_read_once(self):
        os.mkfifo(self.path("fifo"))
        process = self.starting("-c", self.path("fifo"))
        with open(self.path("fifo"), "w") as fifo:
            fifo.write(f'listen "ipc://{self.dir}/w.sock" {{ }}\nmax_parked = 7\n')
        await_true(lambda: " ready " in self.errors(), self.errors)
        process.send_signal(signal.SIGHUP)
        await_true(lambda: "reload refused" in self.errors(), self.errors)
        self.assertIn("is no regular file: it can't be read again", self.errors())
        with Client(f"ipc://{self.dir}/w.sock") as client:
            self.assertEqual(client.call("sys.config", "max_parked"), 7)
        process.terminate()
        self.assertEqual(process.wait(WAIT_S), 0)

    def test_a_log_that_is_a_pipe_is_not_waited_for(self):
        log = self.path("log")
        os.mkfifo(log)
        status, _, error = run("-l", f"ipc://{self.dir}/w.sock", "--log-file", log)
        self.assertEqual((status, error), (1, f"wherryd: log_file: can't open {log}: No such device or address\n"))
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        process = self.starting("-l", f"ipc://{self.dir}/w.sock", "--log-file", log)
        await_true(lambda: os.path.exists(self.path("w.sock")), lambda: "its socket")
        with Client(f"ipc://{self.dir}/w.sock") as client:
            for _ in range(400):  # several lines each, and the pipe holds 64 KiB
                client.call("module.load", f"{TEST_MODULES}/counter.so")
                client.call("module.unload", "counter")
        process.terminate()
        self.assertEqual(process.wait(WAIT_S), 0)
        os.close(reader)

    def test_a_standard_error_that_nobody_reads_does_not_keep_it(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.starting("-l", f"ipc://{self.dir}/w.sock", stderr=writer)
        self.assertIn(b"ready", read_until(reader, b"ready"))
        os.set_blocking(writer, False)
        fill(writer)
        os.set_blocking(writer, True)
        os.close(writer)
        await_true(lambda: process.terminate() or process.poll() is not None, lambda: "its end")
        self.assertEqual(process.returncode, 1)

    def test_a_manager_that_does_not_listen_does_not_keep_it(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(self.path("notify"))
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                other.connect(self.path("notify"))
                other.setblocking(False)
                fill(other.fileno())
                with self.running(NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="100000") as broker:
                    self.assertEqual(broker.call("sys.ping"), "PONG")
                    self.assertEqual(broker.end(), 0)


def jobs(broker):
    return broker.call("sys.jobs")


def fill(descriptor):
    for size in (100, 1):
        try:
            while os.write(descriptor, b"x" * size) > 0:
                pass
        except BlockingIOError:
            pass


def read_until(descriptor, words):
    got = b""
    while words not in got:
        more = os.read(descriptor, 4096)
        if not more:
            raise AssertionError(f"it ended: {got}")
        got += more
    return got


class Reloads(Case):
    def test_a_storm_of_half_written_files(self):
        lines = "max_parked = 77\nmax_key = 777\nmax_args = 7777\nmodule \"kv\" { max_keys = 77 }\nnamespace \"late\" { }\n"
        path = self.listening(lines)
        with self.running("-c", path) as broker, Load(broker.url, 8) as load:
            with open(path) as text:
                whole = text.read()
            for cut in range(0, len(whole), 2):
                with open(path, "r+") as out:
                    out.truncate(0)
                    out.write(whole[:cut])
                    out.flush()
                    broker.send(signal.SIGHUP)
                    out.write(whole[cut:])
                broker.send(signal.SIGHUP)
            await_true(lambda: broker.read().count("reload") > 10, broker.read)
            await_true(lambda: not broker.send(signal.SIGHUP) and
                       [broker.call("sys.config", name) for name in ("max_parked", "max_key", "max_args", "kv.max_keys")] ==
                       [77, 777, 7777, 77], broker.read)
            load.end()
            self.assertEqual((load.faults, min(load.counts) > 0), ([], True))
            self.assertEqual(broker.end(), 0)

    def test_an_include_that_is_no_file_is_refused(self):
        os.mkfifo(self.path("fifo"))
        self.assertEqual(run("-t", "-c", self.file('include "fifo"\n')),
                         (1, "", f"wherryd: {self.path('w.conf')}:1: include \"{self.path('fifo')}\": is no regular file\n"))

    def test_files_that_can_not_be_read(self):
        os.mkdir(self.path("directory"))
        os.symlink("circle", self.path("circle"))
        for path, why in ((self.path("directory"), "Is a directory"), (self.path("circle"), "Too many levels of symbolic links"),
                          ("/dev/zero", "longer than a configuration may be (4 MiB)"), ("", "No such file or directory")):
            with self.subTest(path=path):
                named = path or '""'
                self.assertEqual(run("-t", "-c", path), (1, "", f"wherryd: {named}: {why}\n"))

    def test_a_circle_of_symbolic_links_is_a_circle(self):
        os.symlink("w.conf", self.path("link"))
        os.symlink(".", self.path("here"))
        for text in ('include "link"\n', 'include "here/w.conf"\n', 'include "here/here/li*"\n'):
            status, _, error = run("-t", "-c", self.file(text))
            self.assertEqual((status, "the file includes itself" in error), (1, True), error)


class Hostile(Case):
    def test_nothing_steers_the_terminal(self):
        escape = "\x1b[31m\x9b31m\r\n"
        for flags, more in ((("-l", escape + "://"), {}), (("-c", escape), {}), (("--set", f"max_frame={escape}"), {}),
                            (("--set", f"{escape}=1"), {}), (("-m", f"./{escape}"), {}), (("--log-file", f"/{escape}/x"), {}),
                            ((), {"WHERRY_LISTEN": escape}), ((), {f"WHERRY_MAX_{escape}": "1"}),
                            ((), {"WHERRY_MODULES": f"/{escape}"}), (("-d", f"/{escape}/x"), {})):
            listen = () if "-l" in flags or "WHERRY_LISTEN" in more else ("-l", f"ipc://{self.dir}/none/w.sock")
            status, _, error = run(*listen, *flags, **more)
            with self.subTest(flags=flags, more=more):
                self.assertNotEqual(status, 0)
                self.assertNotRegex(error, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")
                for line in error.splitlines():
                    self.assertRegex(line, r"^(wherryd: |Try 'wherryd --help'\.$|\d{4}-\d\d-\d\dT)")

    def test_long_variables(self):
        with self.running(**{"WHERRY_" + "A" * 100000: "1", "WHERRY_": "1"}) as broker:
            self.assertIn("environment: WHERRY_AAAAAAA", broker.read())
            self.assertIn("environment: WHERRY_ is no option", broker.read())
            self.assertEqual(broker.end(), 0)
        status, _, error = run("-t", WHERRY_MAX_FRAME="9" * 100000)
        self.assertEqual((status, len(error) < 1000), (1, True))

    def test_json_lines_hold_whatever_a_client_says(self):
        names = ["".join(chr(code) for code in range(low, low + 16)) for low in range(1, 0xa1, 16)]
        names += ["\"\\{}\n", "\u202e\u2028", "x" * 5000, "\\u0000", "é" * 300, "\"" * 600]
        with self.running("--log-format", "json", "-v", "--set", "slowlog_us=0") as broker:
            for name in names:
                for words in (("module.load", f"/{name}"), ("module.unload", name), ("session.hello", ), (name, )):
                    try:
                        broker.call(*words, **({"client": name, "version": 1} if "hello" in words[0] else {}))
                    except WherryError:
                        pass
            self.assertEqual(broker.end(), 0)
            for line in broker.read().splitlines():
                self.assertIsInstance(json.loads(line), dict)


class Storage(Started):
    """Logs where there is no room, or no place."""

    def test_a_full_disk(self):
        process = self.starting("-l", f"ipc://{self.dir}/w.sock", "--log-file", "/dev/full")
        await_true(lambda: os.path.exists(self.path("w.sock")), lambda: "its socket")
        with Client(f"ipc://{self.dir}/w.sock") as client:
            for _ in range(50):
                process.send_signal(signal.SIGUSR1)
                self.assertEqual(client.call("sys.ping"), "PONG")
        process.terminate()
        self.assertEqual(process.wait(WAIT_S), 0)

    def test_a_small_file_system_that_fills_and_empties(self):
        place = self.path("small")
        os.mkdir(place)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True).returncode:
            self.skipTest("no right to mount a tmpfs")
        self.addCleanup(subprocess.run, ["umount", "-l", place])
        log = f"{place}/w.log"
        with self.running("--log-file", log, log=log) as broker:
            with open(f"{place}/ballast", "wb", buffering=0) as ballast:
                try:
                    while ballast.write(b"x" * 512):
                        pass
                except OSError:
                    pass
            for _ in range(30):
                broker.call("module.load", f"{TEST_MODULES}/counter.so")
                broker.call("module.unload", "counter")
                broker.send(signal.SIGUSR1)
            os.rename(log, f"{log}.1")  # no room for another
            broker.send(signal.SIGUSR1)
            self.assertEqual(broker.call("sys.ping"), "PONG")
            os.unlink(f"{place}/ballast")
            await_true(lambda: not broker.send(signal.SIGUSR1) and "log reopened" in broker.read(), broker.read)
            self.assertEqual(broker.end(), 0)
            lines = broker.read()
            with open(f"{log}.1") as old:
                lines += old.read()
        for line in lines.splitlines()[1:]:
            self.assertRegex(line, r"^(\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info|debug) .*)?")
        self.assertIn(" stopping\n", lines)

    def test_a_storm_while_the_directory_goes_and_comes(self):
        os.mkdir(self.path("logs"))
        log = self.path("logs/w.log")
        with self.running("--log-file", log, log=log) as broker, Load(broker.url, 4) as load:
            for count in range(20):
                os.rename(self.path("logs"), self.path(f"gone{count}"))
                for _ in range(10):
                    broker.send(signal.SIGUSR1)
                os.mkdir(self.path("logs"))
                await_true(lambda: not broker.send(signal.SIGUSR1) and os.path.exists(log), lambda: log)
            load.end()
            self.assertEqual(load.faults, [])
            self.assertEqual(broker.end(), 0)
            self.assertIn(" stopping\n", broker.read())

    def test_logrotate_under_load(self):
        if not shutil.which("logrotate"):
            self.skipTest("no logrotate")
        os.mkdir(self.path("logs"))
        os.mkdir(self.path("bin"))
        log = self.path("logs/w.log")
        with open(os.path.join(PACKAGING, "wherry.logrotate")) as text:
            self.file(text.read().replace("/var/log/wherry", self.path("logs")), "logrotate.conf")
        os.chmod(self.path("logrotate.conf"), 0o644)
        with self.running("--log-file", log, log=log) as broker, Load(broker.url, 4) as load:
            self.file(f'#!/bin/sh\ncase "$*" in\n"is-active --quiet wherry.service") ;;\n'
                      f'"kill --kill-who=main --signal=USR1 wherry.service") kill -USR1 {broker.process.pid} ;;\n'
                      f'*) exit 1 ;;\nesac\n', "bin/systemctl")
            os.chmod(self.path("bin/systemctl"), 0o755)
            loads = 0
            for count in range(1, 5):
                done = subprocess.run(["logrotate", "-f", "-s", self.path("state"), self.path("logrotate.conf")],
                                      env=environment(PATH=self.path("bin") + ":" + os.environ["PATH"]), capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                for _ in range(20):
                    broker.call("module.load", f"{TEST_MODULES}/counter.so")
                    broker.call("module.unload", "counter")
                    loads += 1
                await_true(lambda: "log reopened" in broker.read(), broker.read)
            load.end()
            self.assertEqual(load.faults, [])
            self.assertEqual(broker.end(), 0)
        text = ""
        for name in os.listdir(self.path("logs")):
            with open(self.path(f"logs/{name}"), "rb") as part:
                data = part.read()
            text += (subprocess.run(["gzip", "-dc"], input=data, capture_output=True).stdout if name.endswith(".gz") else data).decode()
        self.assertEqual([text.count(words) for words in (" module loaded module=counter", " log reopened ")], [loads, 4])
        self.assertEqual(sorted(os.listdir(self.path("logs"))), ["w.log", "w.log.1", "w.log.2.gz", "w.log.3.gz", "w.log.4.gz"])


if __name__ == "__main__":
    unittest.main()
