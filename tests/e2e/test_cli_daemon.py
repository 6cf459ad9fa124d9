#!/usr/bin/python3
"""The daemon's command line: flags, file, signals, last words.  Run by tests/support/run_python."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from test_cli import START_S, STOP_S, Started, UNKNOWN_DIRECTORY, WHERRY, WHERRYD, plain_environment, run


class Daemon(unittest.TestCase):
    """wherryd's flags, file, signals and last words."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.ipc = f"ipc://{self.dir}/w.sock"

    def file(self, text, name="w.conf"):
        path = os.path.join(self.dir, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def expect_refused(self, flags, status, *words):
        got, out, error = run(WHERRYD, *flags)
        self.assertEqual((got, out), (status, b""), error)
        for word in words:
            self.assertIn(word, error)

    def await_answer(self, url):
        end = time.monotonic() + START_S
        while run(WHERRY, "sys.ping", url=url)[0] != 0:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_help_and_version(self):
        status, out, error = run(WHERRYD, "--help")
        self.assertEqual((status, error), (0, ""))
        for word in [b"tcp://127.0.0.1:1973", b"max_frame", b"16MiB", b"Examples:", b"SIGTERM"]:
            self.assertIn(word, out)
        self.assertRegex(run(WHERRYD, "-V")[1].decode(), r"^wherryd \d+\.\d+\.\d+\n$")

    def test_ready_means_that_it_answers(self):
        with Started("-l", "tcp://127.0.0.1:0", "-l", self.ipc) as broker:
            self.assertEqual(len(broker.urls()), 2)
            self.assertIn("nothing survives", broker.log)
            for url in broker.urls():
                self.assertEqual(run(WHERRY, "sys.ping", url=url)[:2], (0, b"PONG\n"))
            self.assertEqual(os.stat(os.path.join(self.dir, "w.sock")).st_mode & 0o777, 0o660)
            self.assertEqual(broker.end(), 0)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "w.sock")))

    def test_either_signal_ends_it(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number), Started("-l", self.ipc) as broker:
                self.assertEqual(broker.end(number), 0)
                self.assertIn(" stopping", broker.log)

    def test_a_second_signal_ends_it_at_once(self):
        # A peer that takes nothing of a large answer keeps it draining.
        with Started("-l", self.ipc, "--set", "drain_timeout=30s") as broker, socket.socket(socket.AF_UNIX) as peer:
            self.assertEqual(run(WHERRY, "kv.set", "k", "-", url=self.ipc, stdin=b"x" * (4 << 20))[0], 0)
            peer.connect(os.path.join(self.dir, "w.sock"))
            get = b"\x94\x00\x01\xa6kv.get\x91\xa1k"
            peer.sendall(b"\0SP\0\0\x11\0\0" + b"\x01" + (4 + len(get)).to_bytes(8, "big") + b"\0\0\0\x01" + get)
            self.assertEqual(len(peer.recv(9, socket.MSG_WAITALL)), 9)
            broker.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(broker.process.poll())
            self.assertEqual(broker.end(), 1)
            self.assertIn("ended at once", broker.log)

    def test_a_signal_that_is_sent_twice_at_once_is_one(self):
        # As a terminal that closes does, or whoever signals a process and then its group.
        for _ in range(5):
            with Started("-l", self.ipc) as broker:
                broker.process.send_signal(signal.SIGHUP)
                time.sleep(0.002)
                self.assertEqual(broker.end(signal.SIGTERM), 0)
                self.assertNotIn("ended at once", broker.log)

    def test_log_lines_do_not_go_where_standard_error_was_not(self):
        # The first file that is opened would be descriptor 2.
        process = subprocess.Popen(["/bin/sh", "-c", f"exec {WHERRYD} -l {self.ipc} -d {self.dir}/data 2>&-"])
        try:
            self.await_answer(self.ipc)
            self.assertEqual(os.stat(f"{self.dir}/data/wherryd.lock").st_size, 0)
        finally:
            process.terminate()
            self.assertEqual(process.wait(STOP_S), 0)

    def test_sys_shutdown_ends_it(self):
        with Started("-l", self.ipc) as broker:
            run(WHERRY, "sys.shutdown", url=self.ipc)
            self.assertEqual(broker.wait(), 0)

    def test_nohup_keeps_it(self):
        command = f"trap '' HUP; exec {WHERRYD} -l {self.ipc}"
        process = subprocess.Popen(["/bin/sh", "-c", command], stderr=subprocess.PIPE, text=True)
        try:
            while " ready " not in process.stderr.readline():
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGHUP)
            self.assertEqual(run(WHERRY, "sys.ping", url=self.ipc)[0], 0)
        finally:
            process.terminate()
            process.communicate()
        self.assertEqual(process.returncode, 0)

    def test_wrong_usage(self):
        self.expect_refused(["--bogus"], 2, "--help")
        self.expect_refused(["kv"], 2, '"kv" is no flag')
        self.expect_refused(["-l"], 2)
        self.expect_refused(["-l", "nonsense"], 2, '"nonsense" is no URL to listen on')
        self.expect_refused(["-l", "tcp://127.0.0.1:1", "-l", "tcp://127.0.0.1:1"], 2, "tcp://127.0.0.1:1 is given twice")
        self.expect_refused(["-l", "tls+tcp://127.0.0.1:0"], 2, "tls_cert", "tls_key", "file")
        self.expect_refused(["--set", "max_frame"], 2, "--set takes NAME=VALUE")
        self.expect_refused(["--set", "=5"], 2, "--set takes NAME=VALUE")
        self.expect_refused(["--set", "max_fram=1"], 2, 'did you mean "max_frame"?')
        self.expect_refused(["--set", "max_frame=1"], 2, "max_frame", "out of bounds")

    def test_a_file_is_refused_with_its_line(self):
        path = self.file("max_frame = 1MiB\n\nmax_conections = 5\n")
        self.expect_refused(["-c", path], 1, f'{path}:3: there is no option "max_conections"; did you mean "max_connections"?')
        path = self.file('listen "tcp://127.0.0.1:0" {\n insecur = true\n}\n')
        self.expect_refused(["-c", path], 1, f'{path}:2: a listener has no option "insecur"; did you mean "insecure"?')
        path = self.file('listen "tcp://127.0.0.1:0" {\n')
        self.expect_refused(["-c", path], 1, f"{path}:", "is not closed")
        self.expect_refused(["-c", os.path.join(self.dir, "none")], 1, "No such file or directory")

    def test_a_socket_of_a_broker_that_died_is_taken_over(self):
        with Started("-l", self.ipc) as broker:
            broker.kill()
        self.assertTrue(os.path.exists(os.path.join(self.dir, "w.sock")))
        with Started("-l", self.ipc) as broker:
            self.expect_refused(["-l", self.ipc], 1, self.ipc, "in use")
            self.assertEqual(run(WHERRY, "sys.ping", url=self.ipc)[0], 0)
            self.assertEqual(broker.end(), 0)

    def test_paths_that_can_not_be(self):
        long = "x" * 200
        self.expect_refused(["-l", f"ipc:///{long}"], 1, "at most 107 bytes")
        self.expect_refused(["-l", f"ipc://{self.dir}/none/w.sock"], 1, "does not exist")
        self.expect_refused(["-l", f"ipc://{self.file('x', 'plain')}"], 1, "no socket")
        self.expect_refused(["-l", self.ipc, "-d", self.file("x", "plain")], 1, "is no directory")
        self.expect_refused(["-l", self.ipc, "-d", f"{UNKNOWN_DIRECTORY}/data"], 1, "No such file")

    def test_flags_win_over_the_file(self):
        path = self.file(f'listen "ipc://{self.dir}/file.sock" {{ mode = 0600 }}\nmax_parked = 7\nmax_key = 100\n'
                         'namespace "orders" { }\n')
        with Started("-c", path) as broker:
            self.assertEqual(broker.urls(), [f"ipc://{self.dir}/file.sock"])
            self.assertEqual(os.stat(os.path.join(self.dir, "file.sock")).st_mode & 0o777, 0o600)
        with Started("--set", "max_parked=8", "-l", self.ipc, "-c", path) as broker:
            self.assertEqual(broker.urls(), [self.ipc])
            self.assertEqual(run(WHERRY, "sys.config", "max_parked", url=self.ipc)[1], b"8\n")
            self.assertEqual(run(WHERRY, "sys.config", "max_key", url=self.ipc)[1], b"100\n")
            self.assertIn(b"orders", run(WHERRY, "ns.list", url=self.ipc)[1])
            self.assertEqual(broker.end(), 0)

    def test_only_loopback_is_listened_on_plainly(self):
        self.expect_refused(["-l", "tcp://0.0.0.0:0"], 1, "insecure")
        with Started("-l", "tcp://0.0.0.0:0", "--insecure") as broker:
            self.assertEqual(broker.end(), 0)
        with Started("-c", self.file('listen "tcp://0.0.0.0:0" { insecure = true }\n')) as broker:
            self.assertEqual(broker.end(), 0)

    def test_a_taken_port_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            url = "tcp://127.0.0.1:%d" % taken.getsockname()[1]
            self.expect_refused(["-l", url], 1, url, "in use")

    def test_quiet_and_verbose(self):
        process = subprocess.Popen([WHERRYD, "-q", "-l", self.ipc], stderr=subprocess.PIPE, text=True,
                                   env=plain_environment())
        try:
            self.assertIn(" warn ", process.stderr.readline())
        finally:
            process.terminate()
            rest = process.communicate()[1]
        self.assertEqual((process.returncode, rest), (0, ""))
        with Started("-v", "-l", self.ipc):
            self.assertEqual(run(WHERRY, "sys.config", "log_level", url=self.ipc)[1], b"debug\n")

    def test_one_data_directory_one_broker(self):
        data = os.path.join(self.dir, "data")
        with Started("-d", data, "-l", self.ipc):
            self.expect_refused(["-d", data, "-l", "tcp://127.0.0.1:0"], 1, "in use by another broker")
        with Started("-d", data, "-l", self.ipc) as broker:
            self.assertEqual(broker.end(), 0)

    def test_a_module_that_is_not_there(self):
        self.expect_refused(["-m", f"{UNKNOWN_DIRECTORY}/x.so", "-l", self.ipc], 1, "x.so")

    def test_modules_can_be_left_out(self):
        with Started("--set", "modules=", "-l", self.ipc) as broker:
            self.assertEqual(run(WHERRY, "kv.get", "a", url=self.ipc)[0], 1)
            self.assertEqual(broker.end(), 0)

    def test_options_of_modules(self):
        self.expect_refused(["--set", "kv.no_such=1", "-l", self.ipc], 1, "no_such")


if __name__ == "__main__":
    unittest.main()
