#!/usr/bin/python3
"""The command line: what is typed, what comes out, how it ends.

    WHERRY_BUILD=build/debug tests/e2e/test_cli.py
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd, default_build, free_port  # noqa: E402

BUILD = default_build()
WHERRY, WHERRYD = (os.path.join(BUILD, "bin", name) for name in ("wherry", "wherryd"))
START_S, STOP_S = 30, 30
UNKNOWN_DIRECTORY = "/nonexistent-wherry"


def plain_environment():
    """Without what the programs would take for settings of theirs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WHERRY_")}


def run(program, *args, url=None, stdin=b"", env=None):
    """Runs it to its end: (exit status, standard output, standard error as text)."""
    environment = plain_environment() | (env or {})
    if url:
        environment["WHERRY_URL"] = url
    done = subprocess.run([program, *args], input=stdin, capture_output=True, timeout=60, env=environment)
    return done.returncode, done.stdout, done.stderr.decode()


class Started:
    """A wherryd whose flags are the test's, once it is ready; its lines so far are in .log."""

    def __init__(self, *flags):
        self.process = subprocess.Popen([WHERRYD, *flags], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        env=plain_environment())
        self.log = ""
        try:
            self.await_line(" ready ")
        except BaseException:
            self.kill()
            raise
        # Whoever writes to a pipe that nobody reads would wait one day.  A daemon: Ctrl-C does not wait for it.
        self.reader = threading.Thread(target=self._read_rest, daemon=True)
        self.reader.start()

    def await_line(self, words):
        for line in self.process.stderr:
            self.log += line
            if words in line:
                return
        raise AssertionError(f"wherryd ended, {self.process.wait(STOP_S)}:\n{self.log}")

    def _read_rest(self):
        self.log += self.process.stderr.read()

    def urls(self):
        return re.search(r'urls="?([^"\n]*)', self.log)[1].split()

    def end(self, number=signal.SIGTERM):
        """Answers the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        status = self.process.wait(STOP_S)
        self.reader.join()
        self.process.stderr.close()
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
            self.wait()


class CommandLine(unittest.TestCase):
    """wherry, against one broker."""

    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd(BUILD).start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def setUp(self):
        self.assertEqual(self.wherry("kv.clear")[0], 0)

    def wherry(self, *args, **more):
        return run(WHERRY, *args, url=self.broker.url, **more)

    def expect(self, args, out, status=0):
        got = self.wherry(*args)
        self.assertEqual((got[0], got[1].decode(), got[2]), (status, out, ""))

    def expect_error(self, args, status, text):
        got = self.wherry(*args)
        self.assertEqual((got[0], got[1]), (status, b""))
        self.assertIn(text, got[2])

    def set(self, value):
        self.assertEqual(self.wherry("kv.set", "k", value)[0], 0)

    def test_values_for_people(self):
        for value, shown in [("hello", "hello"), ("12", "12"), ("-5", "-5"), ("1.5", "1.5"), ("0.1", "0.1"),
                             ("2.0", "2.0"), ("true", "true"), ("null", "(nil)"), ("007", "007"), ("", ""),
                             ('"12"', "12"), ("Glücksburg", "Glücksburg"), ("@@home", "@home"),
                             ("18446744073709551615", "18446744073709551615"),
                             ("-9223372036854775808", "-9223372036854775808"),
                             ("[1, \"two\", [3]]", "1\ntwo\n[3]"), ("[]", "(empty)"), ("{}", "(empty)"),
                             ('{"a": 1, "b": "x"}', "a: 1\nb: x"), ('{"$tuple": [1, "x"]}', "1\nx"),
                             ('{"$time": "2026-01-31T12:00:00.5Z"}', "2026-01-31T12:00:00.5Z"),
                             ('[{"a": 1, "long": "xy"}, {"a": "zzz", "long": null}]', "a    long\n1    xy\nzzz  "),
                             ("{not json", "{not json")]:
            with self.subTest(value=value):
                self.set(value)
                self.expect(["kv.get", "k"], shown + "\n")

    def test_json_loses_nothing(self):
        for value in ['""', '[""]', '{"": ""}', '12', '1.0', '1e+300', '"x\\u0000y"', 'null', 'true', '[1, [2, []]]', '{"a": {"b": [1]}}', '{}',
                      '{"$bin": "AAEC/w=="}', '{"$bin": ""}', '{"$tuple": [1, {"$tuple": []}]}', '{"$str": "/w=="}',
                      '{"$time": "1969-12-31T23:59:59.000000001Z"}', '{"$time": "2026-01-31T12:00:00Z"}',
                      '{"$time": "@300000000000"}', '{"$ext": [5, "AAE="]}', '{"$ext": [-1, "AA=="]}',
                      '{"$map": [[1, "one"], [{"$bin": "AA=="}, 2]]}', '{"$map": [["$bin", 1]]}', '{"$real": "nan"}',
                      '{"$real": "-inf"}', '{"$bin": "AA==", "b": 1}', '"Glücksburg"', '18446744073709551615']:
            with self.subTest(value=value):
                self.set(value)
                self.expect(["-o", "json", "kv.get", "k"], value + "\n")

    def test_json_is_json(self):
        for value in ['"x\\u007f\\u009b"', '{"quote\\"": ["\\n"]}', '0.1']:
            self.set(value)
            self.assertEqual(json.loads(self.wherry("-o", "json", "kv.get", "k")[1]), json.loads(value))

    def test_what_is_no_value_is_refused(self):
        for value, why in [('{"$bin": "A"}', "$bin takes base64"), ('{"$bin": "A=A="}', "$bin takes base64"),
                           ('{"$tuple": 1}', "$tuple takes a list"), ('{"$time": "noon"}', "$time takes"),
                           ('{"$ext": [200, ""]}', "$ext takes"), ('{"$map": [[1]]}', "$map takes"),
                           ("18446744073709551616", "an integer is"), ("[18446744073709551616]", "too large"),
                           ("1e999", "too large"), ("@" + UNKNOWN_DIRECTORY, f"{UNKNOWN_DIRECTORY}: No such file"),
                           ("@/", "wherry: /: Is a directory"), ("@", "@ takes the name of a file"),
                           ('{"$time": "2026-02-30T12:00:00Z"}', "$time takes"), ('{"$time": "@9223372036854775808"}', "$time takes"),
                           ('{"$bin": "AAAA\\u0000AAAA"}', "$bin takes base64"), ("@/dev/zero", "more than can be sent"),
                           ("[" * 500 + "]" * 500, "nested too deeply")]:
            with self.subTest(value=value[:40]):
                self.expect_error(["kv.set", "k", value], 2, why)

    def test_files_and_streams_carry_bytes(self):
        data = bytes(range(256)) * 1000
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            self.set("@" + file.name)
        self.assertEqual(self.wherry("-o", "raw", "kv.get", "k"), (0, data, ""))
        self.assertEqual(self.wherry("kv.get", "k"), (0, data + b"\n", ""))
        self.assertEqual(self.wherry("kv.set", "k", "-", stdin=b"\0piped")[0], 0)
        self.expect(["-o", "json", "kv.get", "k"], '{"$bin": "%s"}\n' % base64.b64encode(b"\0piped").decode())

    def test_raw_of_others_is_msgpack(self):
        self.set("[1, null]")
        self.assertEqual(self.wherry("-o", "raw", "kv.get", "k"), (0, b"\x92\x01\xc0", ""))
        self.set('""')
        self.assertEqual(self.wherry("-o", "raw", "kv.get", "k"), (0, b"", ""))
        self.set('"bare"')
        self.assertEqual(self.wherry("-o", "raw", "kv.get", "k"), (0, b"bare", ""))

    def test_a_terminal_is_not_driven_by_what_is_stored(self):
        self.set('"\\u001b[2J\\u009b\\u007f"')
        master, slave = os.openpty()
        try:
            environment = os.environ | {"WHERRY_URL": self.broker.url}
            done = subprocess.run([WHERRY, "kv.get", "k"], stdout=slave, env=environment, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(os.read(master, 1000), b"\\x1b[2J\\xc2\\x9b\\x7f\r\n")
        finally:
            os.close(master)
            os.close(slave)

    def test_options(self):
        self.assertEqual(self.wherry("kv.set", "k", "1", "--ttl-ms", "60000")[0], 0)
        entry = json.loads(self.wherry("-o", "json", "kv.entry", "k")[1])
        self.assertTrue(0 < entry[2] <= 60000)
        self.expect(["kv.set", "k", "2", "--nx"], "(nil)\n")
        self.assertEqual(self.wherry("kv.set", "--ttl_ms=60000", "k", "--nx=false", "3")[0], 0)
        self.expect(["kv.get", "k"], "3\n")
        self.assertEqual(self.wherry("kv.set", "--", "--nx", "--ttl-ms")[0], 0)
        self.expect(["kv.get", "--", "--nx"], "--ttl-ms\n")

    def test_raw_values_are_text(self):
        for value in ["12", "true", "@/nowhere", "-", '{"a": 1}', "null", ""]:
            with self.subTest(value=value):
                self.assertEqual(self.wherry("-r", "kv.set", "k", value, "--ttl-ms", "60000")[0], 0)
                self.expect(["-o", "json", "kv.get", "k"], json.dumps(value) + "\n")
        status, _, error = run("/bin/sh", "-c", f"{WHERRY} -r kv.set k \"$(printf '\\377')\"", url=self.broker.url)
        self.assertEqual(status, 2)
        self.assertIn("UTF-8", error)

    def test_a_namespace_for_whatever_follows(self):
        self.wherry("ns.create", "flagged")
        self.assertEqual(self.wherry("--ns", "flagged", "kv.set", "k", "there")[0], 0)
        self.expect(["kv.get", "k"], "(nil)\n")
        self.expect(["--ns=flagged", "kv.get", "k"], "there\n")
        self.expect_error(["--ns", "nowhere", "kv.get", "k"], 1, "ENOKEY")

    def test_wrong_options_are_explained(self):
        self.expect_error(["kv.set", "k", "1", "--ttll-ms", "5"], 2, "kv.set has no option --ttll-ms; it has --ttl-ms")
        self.expect_error(["kv.set", "k", "1", "--ttl-ms"], 2, "--ttl-ms takes a value")
        self.expect_error(["kv.set", "k", "1", "--nx", "--nx"], 2, "given twice: --nx")
        self.expect_error(["kv.set", "k", "1", "--=3"], 2, "no option has such a name")

    def test_every_command_takes_a_namespace(self):
        self.wherry("ns.create", "orders")
        self.expect(["kv.del", "k", "--ns", "orders"], "0\n")
        self.set("here")
        self.assertEqual(self.wherry("kv.set", "k", "there", "--ns=orders", "--nx")[0], 0)
        self.expect(["kv.get", "k"], "here\n")
        self.expect(["kv.get", "--ns", "orders", "k"], "there\n")
        self.expect_error(["kv.get", "k", "--ns", "nowhere"], 1, "ENOKEY")
        self.assertIn(b"  --ns: the namespace", self.wherry("kv.count", "--help")[1])
        self.assertIn("; it has --ns", self.wherry("kv.get", "k", "--nss", "orders")[2])

    def test_errors_of_the_broker(self):
        self.expect_error(["kv.gte", "k"], 1, 'wherry: ENOCMD: unknown command "kv.gte"; did you mean kv.get?')
        self.expect_error(["kv.set", "k"], 1, "wherry: EARG: kv.set takes at least 2 arguments")
        self.expect_error(["kv.set", "[1]", "x"], 1, "wherry: EARG: ")

    def test_help_of_a_command_comes_from_the_broker(self):
        status, out, error = self.wherry("kv.set", "--help")
        self.assertEqual((status, error), (0, ""))
        self.assertTrue(out.startswith(b"kv.set key value [--ttl-ms VALUE]"), out)
        self.assertIn(b"--nx: only if the key does not exist", out)
        self.expect_error(["kv.nope", "--help"], 1, "ENOCMD")
        self.assertIn(b"  kv.mget     Answers the values in place", self.wherry("kv", "--help")[1])
        self.assertEqual(self.wherry("kv.set", "k", "1", "--help"), (status, out, error))
        self.assertTrue(self.wherry("kv.mset", "--help")[1].startswith(b"kv.mset key value ... [--ns VALUE]\n"))
        self.assertTrue(self.wherry("kv.mget", "--help")[1].startswith(b"kv.mget key... [--ns VALUE]\n"))

    def test_tables(self):
        status, out, _ = self.wherry("sys.commands")
        lines = out.decode().splitlines()
        self.assertEqual(status, 0)
        self.assertTrue(lines[0].startswith("name "))
        self.assertTrue(any(re.match(r"kv\.get +kv +", line) for line in lines), lines)

    def test_help_and_version(self):
        status, out, error = run(WHERRY, "--help")
        self.assertEqual((status, error), (0, ""))
        self.assertTrue(out.startswith(b"wherry: any command of a Wherry broker.\n"))
        self.assertRegex(run(WHERRY, "--version")[1].decode(), r"^wherry \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for args in [["kv"], ["-x", "sys.ping"], ["-o", "xml", "sys.ping"], ["-t", "soon", "sys.ping"], ["-t", "-1", "sys.ping"],
                     ["-u", "nonsense", "sys.ping"], ["-u", "tcp://127.0.0.1:99999", "sys.ping"], ["-u", "tls+tcp://127.0.0.1:1", "sys.ping"], ["", "x"]]:
            with self.subTest(args=args):
                status, out, error = self.wherry(*args)
                self.assertEqual((status, out), (2, b""), error)
                self.assertTrue(error.startswith(("wherry: ", WHERRY)), error)

    def test_who_leaves_out_the_module_is_told_of_it(self):
        for word, near in [("get", "kv.get"), ("GET", "kv.get"), ("ping", "sys.ping"), ("info", "session.info or sys.info"), ("pip", "pipe")]:
            self.expect_error([word, "k"], 2, f'wherry: unknown subcommand "{word}"; did you mean {near}?')
        self.expect_error(["frobnicate"], 2, "commands of the broker have a dot")
        status, _, error = run(WHERRY, "ping", url=f"tcp://127.0.0.1:{free_port()}")
        self.assertEqual((status, "did you mean pipe?" in error), (2, True))

    def test_nobody_answers(self):
        url = f"tcp://127.0.0.1:{free_port()}"
        status, out, error = run(WHERRY, "sys.ping", url=url)
        self.assertEqual((status, out), (75, b""))
        self.assertIn(f"wherry: no broker answers at {url}: Connection refused", error)
        self.assertIn("wherryd", error)
        status, _, error = run(WHERRY, "-u", f"ipc://{UNKNOWN_DIRECTORY}/s", "sys.ping")
        self.assertEqual(status, 75)

    def test_a_broker_that_says_nothing_times_out(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = "tcp://127.0.0.1:%d" % silent.getsockname()[1]
            status, _, error = run(WHERRY, "-t", "0.2", "sys.ping", url=url)
        self.assertEqual(status, 75)
        self.assertIn("did not answer in time", error)

    def test_a_broker_that_goes_away(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def hang_up():
                peer = server.accept()[0]
                peer.sendall(b"\0SP\0\0\x11\0\0")
                peer.recv(1)
                peer.close()
            thread = threading.Thread(target=hang_up)
            thread.start()
            status, out, error = run(WHERRY, "kv.incr", "k", url="tcp://127.0.0.1:%d" % server.getsockname()[1])
            thread.join()
        self.assertEqual((status, out), (1, b""))
        self.assertIn("ESTALE: the broker closed the connection", error)
        self.assertIn("whether", error)

    def test_the_flag_wins_over_the_environment(self):
        status, out, _ = run(WHERRY, "-u", self.broker.url, "sys.ping", url="tcp://127.0.0.1:1")
        self.assertEqual((status, out), (0, b"PONG\n"))

    def test_a_deep_value_is_written_raw(self):
        deep = "[" * 80 + "1" + "]" * 80
        self.assertEqual(self.wherry("sys.config", "max_depth", "100")[0], 0)
        self.addCleanup(self.wherry, "sys.config", "max_depth", "24")
        self.set(deep)
        self.assertEqual(self.wherry("-o", "raw", "kv.get", "k"), (0, b"\x91" * 80 + b"\x01", ""))
        self.expect_error(["kv.get", "k"], 1, "-o raw writes it as it is")

    def test_closed_streams_are_not_mistaken_for_the_connection(self):
        for closed, args, status, words in [(">&-", "sys.ping", 1, "standard output"), ("<&-", "sys.ping", 0, "PONG"),
                                            ("<&-", "kv.set k -", 2, "the standard input: "), ("2>&-", "kv.gte k", 1, "")]:
            with self.subTest(closed=closed, args=args):
                got, out, error = run("/bin/sh", "-c", f"{WHERRY} {args} {closed}", url=self.broker.url)
                self.assertEqual(got, status)
                self.assertIn(words, out.decode() + error)

    def test_a_reader_that_has_enough(self):
        done = subprocess.run(f"{WHERRY} sys.commands | head -n 1", shell=True, capture_output=True, timeout=60,
                              env=os.environ | {"WHERRY_URL": self.broker.url})
        self.assertEqual((done.returncode, done.stdout[:5], done.stderr), (0, b"name ", b""))

    def test_a_closed_output_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WHERRY, "-u", self.broker.url, "sys.ping"], stdout=full, stderr=subprocess.PIPE,
                                  timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


if __name__ == "__main__":
    unittest.main()
