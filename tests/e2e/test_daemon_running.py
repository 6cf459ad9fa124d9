#!/usr/bin/python3
"""wherryd as an operator runs it: reloads, logs and their rotation, the service manager.

    WHERRY_BUILD=build/debug tests/e2e/test_daemon_running.py
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from daemon import BUILD, TEST_MODULES, WAIT_S, WHERRYD, Case, Load, await_true, environment, run  # noqa: E402


class Reload(Case):
    def test_hot_options_change_others_are_named(self):
        path = self.listening("max_parked = 5\nmodule \"kv\" { max_keys = 10 }\n")
        with self.running("-c", path, "--set", "max_key=100") as broker:
            broker.call("sys.config", "max_args", 100)
            self.listening("max_parked = 6\nmax_key = 200\ncheck_modules = true\nmodule \"kv\" { max_keys = 11 }\n"
                           f'namespace "fresh" {{ }}\nmodule "{TEST_MODULES}/counter.so" {{ }}\n'
                           f'listen "ipc://{self.dir}/other.sock" {{ }}\n')
            broker.send(signal.SIGHUP)
            broker.await_log("configuration reloaded")
            got = broker.call("sys.config")
            self.assertEqual([got[name] for name in ("max_parked", "max_key", "max_args", "check_modules", "kv.max_keys")],
                             [6, 100, 100, False, 11])
            log = broker.read()
            for words in ('option changed" option=max_parked from=5 to=6', "option=kv.max_keys from=10 to=11",
                          "what=check_modules needs=\"a restart\"", "what=listeners needs=\"a restart\""):
                self.assertIn(words.replace('changed" ', "changed "), log)
            self.assertIn("fresh", str(broker.call("ns.list")))
            self.assertIn("counter", broker.call("sys.info")["modules"])
            self.assertFalse(os.path.exists(self.path("other.sock")))
            # What is left out goes back to its default, but for what the file never set.
            self.listening("")
            broker.send(signal.SIGHUP)
            broker.await_log("configuration reloaded", 2)
            got = broker.call("sys.config")
            self.assertEqual([got[name] for name in ("max_parked", "max_args", "kv.max_keys")], [1024, 100, 10000])
            self.assertIn("what=\"module counter\" needs=", broker.read())
            self.assertEqual(broker.end(), 0)

    def test_a_fault_changes_nothing(self):
        path = self.listening("max_parked = 5\n")
        with self.running("-c", path) as broker:
            before = broker.call("sys.config"), broker.call("sys.info")["modules"]
            for count, (text, words) in enumerate([
                    ("max_parked = 6\nmax_fram = 1\n", f"{path}:3: there is no option"),
                    ('max_parked = 6\nmodule "kv" { max_keys = 0 }\n', "max_keys"),
                    ('max_parked = 6\nmodule "kv" { max_kes = 5 }\n', "max_kes"),
                    (f'max_parked = 6\nmodule "{TEST_MODULES}/counter.so" {{ }}\nmodule "{TEST_MODULES}/failing.so" {{ }}\n',
                     "failing")], 1):
                self.listening(text)
                broker.send(signal.SIGHUP)
                broker.await_log("reload refused", count)
                self.assertIn(words, broker.read().splitlines()[-1])
                self.assertEqual((broker.call("sys.config"), broker.call("sys.info")["modules"]), before)
            os.unlink(path)
            broker.send(signal.SIGHUP)
            broker.await_log("No such file")
            self.assertEqual(broker.end(), 0)

    def test_under_load_nobody_notices(self):
        path = self.listening("max_parked = 5\n")
        with self.running("-c", path) as broker, Load(broker.url, 8) as load:
            good = bad = 0
            for n in range(60):
                wrong = n % 3 == 2
                self.listening(f"max_parked = {n + 10}\nmax_key = {n + 100}\ncheck_modules = {n % 2}\n" +
                               ("max_fram = 1\n" if wrong else f'module "kv" {{ max_keys = {n + 10} }}\n'))
                broker.send(signal.SIGHUP)
                good, bad = good + (not wrong), bad + wrong
                broker.await_log("configuration reloaded" if not wrong else "reload refused", bad if wrong else good)
            load.end()
            self.assertEqual((load.faults, min(load.counts) > 0), ([], True))
            self.assertEqual(broker.call("sys.config", "max_parked"), 10 + 58)
            self.assertEqual(broker.end(), 0)

    def test_a_terminal_that_closes_ends_it_though_it_has_a_file(self):
        path = self.listening("")
        master, slave = os.openpty()
        with open(self.path("errors"), "wb") as errors:
            process = subprocess.Popen(["setsid", "--ctty", WHERRYD, "-c", path], stdin=slave, stderr=errors,
                                       env=environment())
        os.close(slave)
        try:
            await_true(lambda: b" ready " in open(self.path("errors"), "rb").read(), lambda: "ready")
            process.send_signal(signal.SIGHUP)  # somebody's, while the terminal is there
            await_true(lambda: b"reloaded" in open(self.path("errors"), "rb").read(), lambda: "the reload")
            os.close(master)
            self.assertEqual(process.wait(WAIT_S), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


class Logs(Case):
    def test_json_lines(self):
        with self.running("--log-format", "json", "-v", "-m", f"{TEST_MODULES}/counter.so", WHERRY_STRANGE="\"\udcff\n") as broker:
            broker.call("sys.config", "log_format", "text")
            broker.call("module.unload", "counter")
            broker.await_log(" info ")
            broker.call("sys.config", "log_format", "json")
            self.assertEqual(broker.end(), 0)
            text = [line for line in broker.read().splitlines() if not line.startswith("{")]
            lines = [json.loads(line) for line in broker.read().splitlines() if line.startswith("{")]
        self.assertGreater(len(text), 0)
        events = [line["event"] for line in lines]
        self.assertEqual([events[-1], "ready" in events, "module loaded" in events], ["stopping", True, True])
        for line in lines:
            self.assertEqual(list(line)[:3], ["time", "level", "event"])
            self.assertTrue(all(isinstance(value, str) for value in line.values()))

    def test_rotation_under_load_loses_no_line(self):
        log = self.path("w.log")
        with self.running("--log-file", log, log=log) as broker:
            rotations, stop = 0, threading.Event()

            def rotate():
                nonlocal rotations
                while not stop.is_set():
                    os.rename(log, f"{log}.{rotations}")
                    rotations += 1
                    broker.send(signal.SIGUSR1)
                    await_true(lambda: os.path.exists(log) and "log reopened" in broker.read(), lambda: "the new file")
            rotator = threading.Thread(target=rotate)
            rotator.start()
            loads = 0
            while rotations < 10:
                loads += 1
                broker.call("module.load", f"{TEST_MODULES}/counter.so")
                broker.call("module.unload", "counter")
            stop.set()
            rotator.join()
            self.assertEqual(broker.end(), 0)
        lines = [line for path in glob.glob(f"{log}*") for line in open(path).read().splitlines(keepends=True)]
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info|debug) .*\n$")
        self.assertEqual([sum(words in line for line in lines) for words in (" module loaded module=counter", " module unloaded ")],
                         [loads, loads])
        self.assertEqual(sum(" log reopened " in line for line in lines), rotations)

    def test_a_log_that_can_not_be_opened(self):
        status, _, error = run("-l", f"ipc://{self.dir}/w.sock", "--log-file", "/nonexistent/log")
        self.assertEqual((status, error), (1, "wherryd: log_file: can't open /nonexistent/log: No such file or directory\n"))
        os.mkdir(self.path("logs"))
        with self.running("--log-file", self.path("logs/w.log"), log=self.path("logs/w.log")) as broker:
            os.rename(self.path("logs"), self.path("moved"))
            broker.log = self.path("moved/w.log")
            broker.send(signal.SIGUSR1)
            broker.await_log("log not reopened")
            self.assertEqual(broker.end(), 0)
            self.assertIn(" stopping", broker.read())


class Service(Case):
    """The protocol of sd_notify(3), against a socket of the test's own."""

    def listen(self, name):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.settimeout(WAIT_S)
        manager.bind(name)
        return manager

    def expect(self, manager, *words):
        got = manager.recv(4096).decode().split("\n")
        for word in words:
            self.assertTrue(any(re.fullmatch(word, line) for line in got), (word, got))

    def test_ready_reloading_stopping(self):
        for name, told in ((self.path("notify"), self.path("notify")), ("\0wherry-%d" % os.getpid(), "@wherry-%d" % os.getpid())):
            with self.subTest(socket=told):
                manager, path = self.listen(name), self.listening("")
                with self.running("-c", path, NOTIFY_SOCKET=told) as broker:
                    self.expect(manager, "READY=1", f"STATUS=serving ipc://{self.dir}/w.sock")
                    before = time.clock_gettime(time.CLOCK_MONOTONIC)
                    broker.send(signal.SIGHUP)
                    got = manager.recv(4096).decode().split("\n")
                    self.assertEqual(got[0], "RELOADING=1")
                    self.assertGreaterEqual(int(got[1].removeprefix("MONOTONIC_USEC=")) / 1e6, before)
                    self.expect(manager, "READY=1", "STATUS=serving .*")
                    self.file("wrong = 1\n")
                    broker.send(signal.SIGHUP)
                    self.expect(manager, "RELOADING=1")
                    self.expect(manager, "READY=1", "STATUS=reload refused.*")
                    self.assertEqual(broker.end(), 0)
                    self.expect(manager, "STOPPING=1", "EXTEND_TIMEOUT_USEC=35000000")  # drain_timeout for the answers and each module

    def test_watchdog(self):
        manager = self.listen(self.path("notify"))
        with self.running(NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="100000") as broker:
            self.expect(manager, "READY=1")
            for _ in range(5):
                self.expect(manager, "WATCHDOG=1")
            self.assertEqual(broker.end(), 0)
        with self.running(NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="100000", WATCHDOG_PID="1") as broker:
            while b"READY=1" not in manager.recv(4096):
                pass
            self.assertEqual(broker.end(), 0)
            self.expect(manager, "STOPPING=1")  # and no watchdog before

    def test_a_service_s_own_directory_has_the_socket(self):
        words = f"listening url=ipc://{self.dir}/wherry.sock"
        with open(self.path("errors"), "w+") as errors:
            process = subprocess.Popen([WHERRYD], stdin=subprocess.DEVNULL, stderr=errors,
                                       env=environment(RUNTIME_DIRECTORY=self.dir))
            try:  # it ends at once where somebody has the default port
                await_true(lambda: words in open(self.path("errors")).read() or process.poll() is not None, lambda: words)
            finally:
                process.terminate()
                process.wait(WAIT_S)
            errors.seek(0)
            self.assertIn(words, errors.read())

    def test_the_unit_is_fine(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        prefix = self.path("prefix")
        done = subprocess.run(["cmake", "--install", BUILD, "--component", "service", "--prefix", prefix],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        os.mkdir(os.path.join(prefix, "bin"))
        shutil.copy(WHERRYD, os.path.join(prefix, "bin"))
        unit = os.path.join(prefix, "lib/systemd/system/wherry.service")
        with open(unit) as text:
            self.assertIn(f"ExecStart={prefix}/bin/wherryd -c {prefix}/etc/wherry/wherry.conf", text.read())
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        conf = os.path.join(prefix, "etc/wherry/wherry.conf")
        if os.path.exists(conf):
            self.assertEqual(run("-t", "-c", conf)[0], 0)


if __name__ == "__main__":
    unittest.main()
