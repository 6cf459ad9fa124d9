"""What wherryd leaves behind when a module crashes it: a report in its log, and an end by the signal."""

import os
import re
import signal
import threading
import time
import unittest

from servers import Wherryd
from wherry_py import Client

CRASHER = os.path.join("tests", "modules", "crasher.so")
END_S = 60


class Unread(Wherryd):
    """Its standard error is a pipe that is full and that nobody reads."""

    def command(self):
        path = os.path.join(self.dir, "errors")
        os.mkfifo(path)
        self.pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        try:
            while True:
                os.write(self.pipe, bytes(1))
        except BlockingIOError:
            return ["bash", "-c", 'exec "$0" "$@" 2> errors', *super().command()]

    def stop(self):
        if self.process is not None:
            os.close(self.pipe)
        return super().stop()


class Crash(unittest.TestCase):
    def start(self, **options):
        broker = Wherryd(**options)
        broker.options["modules"] = "kv " + os.path.join(broker.build, CRASHER)
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def crash(self, broker, method, *params, keys=True):
        """Its report, once it has ended."""
        with Client(broker.url) as client:
            if keys:
                client.call("kv.set", "a", 1)
            with self.assertRaises(Exception):
                client.call(method, *params)
        broker.process.wait(END_S)
        return broker.read_log()

    def assert_report(self, log, name, command):
        self.assertRegex(log, rf"(?m)^crash: {name}")
        self.assertRegex(log, r"(?m)^crash: wherryd \d+\.\d+\.\d+, build [0-9a-f]{16,}$")
        self.assertRegex(log, r'(?m)^crash: process \d+, up \d+ s, thread \d+ ".+"$')
        self.assertRegex(log, rf"(?m)^crash: command {re.escape(command)} of module crasher 1\.0$")
        self.assertRegex(log, r"(?m)^crash: memory [1-9]\d* KiB resident$")
        self.assertRegex(log, r"(?m)^crash: module kv \d\S*, loaded at 0x\S+ to 0x\S+, reloads 0, /.*kv\.so$")
        self.assertRegex(log, r"(?m)^crash: module crasher 1\.0, loaded at .*, reloads \d+, /.*crasher\.so$")
        self.assertRegex(log, r"(?m)^crash: #\d+ 0x[0-9a-f]+ crasher 1\.0 \+ 0x[0-9a-f]+$")
        self.assertRegex(log, r"(?m)^crash: #\d+ 0x[0-9a-f]+ wherryd \S+ \+ 0x[0-9a-f]+$")
        self.assertIn("crash: end of the report", log)

    def test_a_fault_is_reported_and_ends_by_the_signal(self):
        broker = self.start()
        log = self.crash(broker, "crasher.read", 0x10)
        self.assert_report(log, "SIGSEGV at address 0x10: nothing is mapped there, in code at 0x", "crasher.read")
        self.assertEqual(broker.process.returncode, -signal.SIGSEGV)

    def test_each_kind(self):
        for method, number, text in (("crasher.abort", signal.SIGABRT, "SIGABRT, in code at 0x"),
                                     ("crasher.trap", signal.SIGILL, "SIGILL at address 0x"),
                                     ("crasher.overflow", signal.SIGSEGV, "SIGSEGV at address 0x")):
            with self.subTest(method):
                broker = self.start()
                log = self.crash(broker, method)
                self.assert_report(log, text, method)
                self.assertEqual(broker.process.returncode, -number)

    def test_in_malloc_with_its_lock_held(self):
        broker = self.start()
        if broker.sanitized():
            self.skipTest("a sanitizer has a malloc of its own")
        log = self.crash(broker, "crasher.heap")
        self.assert_report(log, "SIGABRT, in code at 0x", "crasher.heap")
        self.assertIn("malloc", log)
        self.assertEqual(broker.process.returncode, -signal.SIGABRT)

    def test_of_several_threads_that_crash_one_reports(self):
        broker = self.start()
        log = self.crash(broker, "crasher.crowd")
        self.assertEqual(log.count("crash: wherryd "), 1, log)
        self.assertEqual(log.count("crash: end of the report"), 1, log)
        self.assertEqual(broker.process.returncode, -signal.SIGSEGV)

    def test_what_the_linker_has_locked_for_ever_does_not_keep_it(self):
        """The names of functions are then missing, and nothing else."""
        broker = self.start()
        if broker.sanitized() == "thread":
            self.skipTest("the thread sanitizer holds signals back while another one is handled")
        lingers = os.path.join(broker.build, "tests", "modules", "lingers.so")
        waits = threading.Thread(target=self.assertRaises, args=(Exception, broker.call, "module.load", lingers))
        waits.start()
        end = time.monotonic() + END_S
        while "lingers: here for ever" not in broker.read_log():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        broker.process.send_signal(signal.SIGABRT)  # to its first thread
        broker.process.wait(END_S)
        waits.join()
        log = broker.read_log()
        self.assertRegex(log, r"(?m)^crash: module crasher 1\.0, loaded")
        self.assertRegex(log, r"(?m)^crash: #\d+ 0x[0-9a-f]+ wherryd \S+ \+ 0x[0-9a-f]+$")
        self.assertNotIn("crash: end of the report", log)
        self.assertEqual(broker.process.returncode, -signal.SIGABRT)

    def test_nobody_reads_standard_error(self):
        broker = Unread(log_file="broker.log")
        broker.options["modules"] = os.path.join(broker.build, CRASHER)
        broker.start()
        self.addCleanup(broker.stop)
        self.crash(broker, "crasher.overflow", keys=False)
        with open(os.path.join(broker.dir, "broker.log")) as log:
            text = log.read()
        self.assertIn("crash: command crasher.overflow of module crasher 1.0\n", text)
        self.assertIn("crash: end of the report", text)
        self.assertEqual(broker.process.returncode, -signal.SIGSEGV)

    def test_the_disk_is_full(self):
        broker = self.start(log_file="/dev/full")
        log = self.crash(broker, "crasher.read", 0x10)
        self.assert_report(log, "SIGSEGV at address 0x10", "crasher.read")

    def test_memory_that_was_lent_is_told(self):
        broker = Wherryd(check_modules=True)
        broker.options["modules"] = os.path.join(broker.build, "tests", "modules", "keeps_pointer.so")
        broker.start()
        self.addCleanup(broker.stop)
        broker.call("keeps_pointer.name", "ann")
        log = self.crash(broker, "keeps_pointer.last", keys=False)
        self.assertIn("crash: this memory had been lent to keeps_pointer.name, until that returned\n", log)

    def test_a_reloaded_module_is_told_from_its_old_copy(self):
        broker = self.start()
        broker.call("module.reload", "crasher")
        log = self.crash(broker, "crasher.read", 0x10)
        self.assert_report(log, "SIGSEGV", "crasher.read")
        self.assertRegex(log, r"(?m)^crash: module crasher 1\.0, loaded at .*, reloads 1, ")
        self.assertRegex(log, r"(?m)^crash: module crasher 1\.0, unloaded, its code still mapped at .*, reloads 0, ")

    def test_without_a_command_it_says_so(self):
        broker = self.start()
        broker.process.send_signal(signal.SIGABRT)
        broker.process.wait(END_S)
        log = broker.read_log()
        self.assertRegex(log, rf"(?m)^crash: SIGABRT sent by process {os.getpid()}, in code at 0x")
        self.assertIn("crash: no command was running on this thread\n", log)
        self.assertEqual(broker.process.returncode, -signal.SIGABRT)

    def test_the_log_file_gets_it_too(self):
        broker = Wherryd(log_file="broker.log")
        broker.options["modules"] = os.path.join(broker.build, CRASHER)
        broker.start()
        self.addCleanup(broker.stop)
        with Client(broker.url) as client, self.assertRaises(Exception):
            client.call("crasher.read", 0x10)
        broker.process.wait(END_S)
        with open(os.path.join(broker.dir, "broker.log")) as log:
            text = log.read()
        self.assertIn("crash: command crasher.read of module crasher 1.0\n", text)
        self.assertIn("crash: end of the report", text)
        self.assertIn("crash: end of the report", broker.read_log())


if __name__ == "__main__":
    unittest.main()
