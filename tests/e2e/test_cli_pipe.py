#!/usr/bin/python3
"""`wherry pipe` and `wherry < file`: one command a line, one answer a line.  Run by tests/support/run_python."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from scripted import HANG_UP, SILENCE, Scripted
from servers import Wherryd, free_port
from test_cli import BUILD, UNKNOWN_DIRECTORY, WHERRY, run

WAIT_S = 60


class Pipe(unittest.TestCase):
    def setUp(self):
        self.broker = Wherryd(BUILD).start()
        self.addCleanup(self.broker.stop)
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def pipe(self, lines, *args, **more):
        stdin = lines if isinstance(lines, bytes) else ("".join(line + "\n" for line in lines)).encode()
        return run(WHERRY, *args, url=self.broker.url, stdin=stdin, **more)

    def expect(self, lines, answers, *args, status=0, words=""):
        got, out, error = self.pipe(lines, *args)
        self.assertEqual((got, out.decode().splitlines()), (status, answers), error)
        self.assertIn(words, error)
        if not words:
            self.assertEqual(error, "")

    def file(self, content, name="lines"):
        path = os.path.join(self.directory.name, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def test_answers_come_in_order_as_json(self):
        self.expect(["kv.incr a 41", "", "# a comment", "kv.incr a   # one more", "kv.set b 'x \"y\"' --nx", "kv.get b",
                     "kv.set b z --nx", "  kv.mget a b nobody  ", "kv.get -- nobody", "kv.exists b", "sys.ping",
                     "kv.set c -7", "kv.get c", "kv.set c 1.5", "kv.get c", "kv.set c ä", "kv.get c", "kv.incr big 5000000000",
                     "kv.set c 'zwölf \\ 12'", "kv.get c"],
                    ["41", "42", "3", '"x \\"y\\""', "null", '[42, "x \\"y\\"", null]', "null", "[true]", '"PONG"',
                     "4", "-7", "5", "1.5", "6", '"ä"', "5000000000", "8", '"zwölf \\\\ 12"'])

    def test_nothing_is_asked(self):
        for lines in [b"", b"\n\n# nothing\n", b"# no end of line"]:
            self.assertEqual(self.pipe(lines), (0, b"", ""))
        self.assertEqual(self.pipe(b"sys.ping"), (0, b'"PONG"\n', ""))

    def test_files(self):
        path = self.file(b"kv.set a 1\r\nkv.get a\r\n")
        self.assertEqual(run(WHERRY, "pipe", path, url=self.broker.url)[:2], (0, b"1\n1\n"))
        self.assertEqual(self.pipe([f"kv.set photo @{self.file(bytes(range(256)), 'photo')}", "kv.len photo"], "pipe", "-"),
                         (0, b"2\n256\n", ""))
        for args, words in [(["pipe", UNKNOWN_DIRECTORY], "No such file"), (["pipe", "/"], "Is a directory"),
                            (["pipe", "a", "b"], "one file"), (["pipe", "--nope"], "nope"),
                            (["pipe", "--max-line", "0"], "--max-line takes a size"), (["pipe", "--frame", "1x"], "--frame takes")]:
            with self.subTest(args=args):
                status, out, error = self.pipe([], *args)
                self.assertEqual((status, out), (2, b""), error)
                self.assertIn(words, error)

    def test_forms(self):
        lines = ["kv.set a 'two\\nwords'", "kv.set b '\"two\\nlines\"'", "kv.get a", "kv.get b", "kv.get c", "kv.mget a c", "kv.count"]
        self.expect(lines, ["1", "2", "two\\nwords", "two\\nlines", "(nil)", '["two\\\\nwords", null]', "2"], "-o", "table", "pipe")
        self.assertEqual(self.pipe(["kv.get a", "kv.get b"], "-o", "raw", "pipe")[1], b"two\\nwords\ntwo\nlines\n")
        self.expect(["kv.set n 12 --ttl-ms 60000", "kv.get n", "kv.set n @@x", "kv.get n"], ["3", '"12"', "4", '"@@x"'], "-r", "pipe")

    def test_failures_stand_in_their_places(self):
        status, out, error = self.pipe(["kv.set t text", "kv.incr t", "kv.get t", "kv.gte t", "kv.set t"])
        self.assertRegex(out.decode(), r'^1\nerror: EARG: the key.*\n"text"\n'
                                       r'error: ENOCMD: unknown command "kv.gte"; did you mean kv.get\?\n'
                                       r'error: EARG: kv.set takes at least 2 arguments.*\n$')
        self.assertEqual(status, 1)
        self.assertIn("wherry: 3 of 5 failed; first at line 2: EARG: the key", error)

    def test_what_can_not_be_read_is_told_and_the_rest_done(self):
        long = "kv.set long " + "x" * 100
        self.expect(["kv.set a 'b", "kv.set a b \\", "kv.set a -", "kv.set a @" + UNKNOWN_DIRECTORY, "kv.set a 1 --nope 1",
                     "kv.set a 1 --ttl-ms", "kv.set a '{\"$bin\": 1}'", long, "kv.set a\0b 1", "kv.nope 1 --x", "kv.count"],
                    ["error: EARG: a quote is not closed", "error: EARG: it ends in a backslash",
                     "error: EARG: - would be the standard input, where the commands come from; @FILE is a file",
                     f"error: EARG: {UNKNOWN_DIRECTORY}: No such file or directory",
                     "error: EARG: kv.set has no option --nope; it has --ttl-ms, --at-ms, --keep-ttl, --nx, --xx, --rev, --get, --ns",
                     "error: EARG: --ttl-ms takes a value", "error: EARG: $bin takes base64",
                     "error: EARG: it is longer than --max-line allows; @FILE takes a value from a file",
                     "error: EARG: it has a zero byte; bytes are taken from a file, by @FILE",
                     'error: ENOCMD: no command or module "kv.nope"; did you mean "kv.copy"?', "0"],
                    "pipe", "--max-line", "64", status=2, words="wherry: 10 of 11 failed; first at line 1: EARG: a quote")

    def test_a_long_line_without_an_end(self):
        status, out, _ = self.pipe(b"sys.ping\n" + b"x" * 3000000, "pipe", "--max-line", "1MiB")
        self.assertEqual((status, out.splitlines()[0]), (2, b'"PONG"'))
        self.assertEqual(len(out.splitlines()), 2)
        value = b"y" * 3000000
        self.assertEqual(self.pipe(b"kv.set a " + value + b"\nkv.len a\n")[1].splitlines()[1], b"3000000")

    def test_lines_as_files_have_them(self):
        mark = b"\xef\xbb\xbf"
        self.assertEqual(self.pipe(mark + b"kv.set a 1\r\nkv.get a\r\n" + mark + b"kv.get a"),
                         (1, b'1\n1\nerror: ENOCMD: unknown command "' + mark + b'kv.get"; did you mean kv.get?\n',
                          'wherry: 1 of 3 failed; first at line 3: ENOCMD: unknown command "\ufeffkv.get"; did you mean kv.get?\n'))
        self.assertEqual(self.pipe(mark), (0, b"", ""))
        self.assertEqual(self.pipe(mark[:2])[0], 1)
        for line, answer in [(b"kv.set \xff 1", b"error: EARG: text has to be UTF-8; bytes are taken from a file, by @FILE\n"),
                             (b"kv.get @.", b"error: EARG: .: Is a directory\n"), (b"\0", b"error: EARG: it has a zero byte"),
                             (b"kv.get\vb", b'error: ENOCMD: unknown command "kv.get\\x0bb"'), (b"'", b"error: EARG: a quote"),
                             (b"kv.set a @/dev/zero", b"error: EARG: /dev/zero: more than can be sent\n")]:
            with self.subTest(line=line):
                status, out, _ = self.pipe(line + b"\nsys.ping")
                self.assertNotEqual(status, 0)
                self.assertTrue(out.startswith(answer) and out.endswith(b'\n"PONG"\n'), out)

    def most_memory(self, lines, *args):
        """Bytes of the process's largest size, once all lines have their answers."""
        with subprocess.Popen([WHERRY, "-u", self.broker.url, *args, "pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            feeder = threading.Thread(target=lambda: (process.stdin.write(lines + b"sys.ping\n"), process.stdin.flush()))
            feeder.start()
            tail = b""
            while b"PONG" not in tail and (more := process.stdout.read1(1 << 20)):
                tail = (tail + more)[-16:]
            with open(f"/proc/{process.pid}/status") as status:
                most = int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])
            feeder.join()
            process.communicate(timeout=WAIT_S)
        self.assertEqual(process.returncode, 0)
        return most * 1024

    def test_memory_is_bounded(self):
        if self.broker.sanitized():
            self.skipTest("a sanitizer takes memory of its own")
        mib = 1 << 20
        many = b"".join(b"kv.set key:%09d value:%09d\n" % (i, i) for i in range(400000))
        self.assertLess(self.most_memory(many), 64 * mib)
        self.assertLess(self.most_memory((b"kv.set huge " + b"x" * (8 * mib) + b"\n") * 20), 160 * mib)
        self.assertLess(self.most_memory(b"kv.set long " + b"x" * mib + b"\n" + b"kv.get long\n" * 500, "-o", "raw"), 128 * mib)

    def test_quiet(self):
        self.assertEqual(self.pipe(["kv.set t text", "kv.get t"], "pipe", "-q"), (0, b"", ""))
        status, out, error = self.pipe(["kv.set t text", "", "kv.incr t", "kv.get t", "'"], "pipe", "--quiet")
        self.assertEqual((status, out), (2, b""))
        lines = error.splitlines()
        self.assertTrue(lines[0].startswith("wherry: line 3: error: EARG: the key's value is a str"), error)
        self.assertEqual(lines[1], "wherry: line 5: error: EARG: a quote is not closed")
        self.assertTrue(lines[2].startswith("wherry: 2 of 4 failed; first at line 3: EARG: "), error)

    def test_many(self):
        count = 60000
        sets = [f"kv.set key:{i:06} value:{i}:{'x' * (i % 50)}" for i in range(count)]
        status, out, error = self.pipe(sets + [f"kv.get key:{i:06}" for i in range(count)] + ["kv.count"])
        answers = out.decode().splitlines()
        self.assertEqual((status, error, len(answers)), (0, "", 2 * count + 1))
        self.assertEqual([int(answer) for answer in answers[:count]], list(range(int(answers[0]), int(answers[0]) + count)))
        for i in range(count):
            self.assertEqual(answers[count + i], f'"value:{i}:{"x" * (i % 50)}"')
        self.assertEqual(answers[-1], str(count))

    def test_many_failures(self):
        lines = [f"kv.set k{i} v" if i % 3 else "kv.set 'k v" for i in range(3000)]
        status, out, error = self.pipe(lines)
        answers = out.decode().splitlines()
        self.assertEqual((status, len(answers)), (2, 3000))
        self.assertTrue(all(answer.isdigit() == bool(i % 3) for i, answer in enumerate(answers)))
        self.assertIn("wherry: 1,000 of 3,000 failed; first at line 1: ", error)

    def test_long_answers(self):
        for size, count, args in [(100000, 500, []), (6 << 20, 8, [])]:
            path = self.file(os.urandom(size // 2).hex().encode())
            self.assertEqual(self.pipe([f"kv.set big @{path}"])[0], 0)
            status, out, error = self.pipe(["kv.get big"] * count, "-o", "raw", "pipe", *args)
            self.assertEqual((status, error), (0, ""))
            self.assertEqual(len(out), count * (size + 1))
        lines = ["kv.set small 1"] + ["kv.get small"] * 20000 + ["kv.get big"] * 8  # nothing tells that they will be long
        status, out, _ = self.pipe(lines, "-o", "raw", "pipe")
        self.assertEqual(status, 1)
        self.assertIn(b"error: ELIMIT: the answers of this frame are larger than max_answer", out)

    def test_a_module_loaded_by_a_line_has_options_on_the_next(self):
        module = os.path.join(BUILD, "lib", "wherry", "modules", "kv.so")
        with Wherryd(BUILD) as broker:
            self.assertEqual(run(WHERRY, "module.unload", "kv", url=broker.url)[0], 0)
            status, out, error = run(WHERRY, url=broker.url,
                                     stdin=f"module.load {module}\nkv.set a 1 --nx\nkv.set a 1 --nx\n".encode())
        self.assertEqual((status, out, error), (0, b"true\n1\nnull\n", ""))

    def test_namespaces(self):
        self.assertEqual(run(WHERRY, "ns.create", "orders", url=self.broker.url)[0], 0)
        self.expect(["kv.set a there", "kv.get a", "kv.get a --ns default", "session.use default", "kv.get a"],
                    ["1", '"there"', "null", "true", "null"], "--ns", "orders", "pipe")


class CutOff:
    """Stands between a client and a broker and cuts off after so many bytes to the one or from it."""

    def __init__(self, port, to_broker, from_broker):
        self.port, self.left = port, [to_broker, from_broker]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            client = self.listener.accept()[0]
        except OSError:
            return
        broker = socket.create_connection(("127.0.0.1", self.port))
        for way, streams in enumerate([(client, broker), (broker, client)]):
            threading.Thread(target=self._pump, args=(way, *streams), daemon=True).start()

    def _pump(self, way, source, sink):
        try:
            while self.left[way] != 0 and (data := source.recv(1 << 16)):
                if self.left[way] is not None:
                    data = data[:self.left[way]]
                    self.left[way] -= len(data)
                sink.sendall(data)
        except OSError:
            pass
        for stream in (source, sink):
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class Ends(unittest.TestCase):
    """What waits, what is lost, what nobody reads."""

    def start(self, broker, *args):
        process = subprocess.Popen([WHERRY, "-u", broker.url, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def ask(self, process, line):
        process.stdin.write(line + b"\n")
        process.stdin.flush()
        return process.stdout.readline()

    def test_who_waits_for_an_answer_gets_it(self):
        with Wherryd(BUILD) as broker:
            process = self.start(broker)
            for i in range(1, 20):
                self.assertEqual(self.ask(process, b"kv.incr a"), b"%d\n" % i)
            self.assertEqual(self.ask(process, b"kv.incr 'a"), b"error: EARG: a quote is not closed\n")
            self.assertEqual(process.communicate(b"kv.get a", WAIT_S)[0], b"19\n")
            self.assertEqual(process.returncode, 2)

    def test_a_lost_broker(self):
        broker = Wherryd(BUILD).start()
        process = self.start(broker)
        self.assertEqual(self.ask(process, b"kv.incr a"), b"1\n")
        broker.stop()
        self.assertIn(b"error: ESTALE: ", self.ask(process, b"kv.incr a"))
        out, error = process.communicate(b"kv.incr a\n" * 100000, WAIT_S)
        self.assertEqual((process.returncode, out), (75, b""))
        self.assertIn(b"wherry: gave up at line 2: ESTALE: the broker closed the connection. There is no answer to 1 of lines "
                      b"2 to 2: they may have run or not. None behind line 2 was sent.\n", error)

    def test_a_connection_that_is_cut(self):
        """What the last words say is known is so at the broker; and so is what they say was not sent."""
        count, rng = 60000, random.Random(6)
        lines = b"".join(b"kv.set k%d 1\n" % i for i in range(count))
        with Wherryd(BUILD) as broker:
            for cut in [(rng.randrange(1000, 20000), None), (None, rng.randrange(80000, 160000)), (rng.randrange(20000, 1000000), None),
                        (None, rng.randrange(80000, 500000)), (rng.randrange(20000, 1000000), None)]:
                with self.subTest(cut=cut), CutOff(broker.port, *cut) as between:
                    self.check_report(broker, run(WHERRY, url=between.url, stdin=lines), count)
                broker.call("kv.clear")

    def check_report(self, broker, result, count):
        status, out, error = result
        answers = out.decode().splitlines()
        known = [i for i, answer in enumerate(answers) if answer.isdigit()]
        told = re.search(r"gave up at line ([\d,]+): ESTALE: .* no answer to ([\d,]+) of lines [\d,]+ to ([\d,]+): they", error)
        self.assertEqual((status, bool(told)), (75, True), error)
        first, unknown, last = (int(number.replace(",", "")) for number in told.groups())
        self.assertEqual((known, unknown, len(answers)), (list(range(first - 1)), last - first + 1, last))
        if known:
            self.assertTrue(all(broker.call("kv.exists", *(f"k{i}" for i in known))))
        self.assertFalse(any(broker.call("kv.exists", "nobody", *(f"k{i}" for i in range(last, count)))))

    def test_a_silent_broker(self):
        answers = iter([1, 2, SILENCE, 4, 5, 6])
        commands = [{"name": "kv.set", "module": "kv", "help": "", "verb": "write", "flags": ["writes"], "args": []}]
        with Scripted({"sys.commands": commands, "kv.set": lambda *_: next(answers)}) as broker:
            status, out, error = run(WHERRY, "-t", "0.5", "pipe", url=broker.url, stdin=b"kv.set a 1\n" * 6)
        self.assertEqual((status, [line[:15] for line in out.splitlines()]), (75, [b"1", b"2", b"error: ETIMEOUT", b"4", b"5", b"6"]))
        self.assertIn("gave up at line 3: ETIMEOUT: ", error)
        with Scripted({"sys.commands": HANG_UP}) as broker:
            self.assertEqual(run(WHERRY, url=broker.url, stdin=b"kv.set a 1\n")[:2], (75, b""))

    def test_an_interrupt_ends_it_and_says_where(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number), Wherryd(BUILD) as broker:
                process = self.start(broker)
                self.assertEqual(self.ask(process, b"kv.incr a"), b"1\n")
                process.send_signal(number)
                process.wait(WAIT_S)
                out, error = process.communicate()
                self.assertEqual((process.returncode, out, error), (-number, b"", b"wherry: interrupted: none behind line 1 was sent\n"))
                self.assertEqual(broker.call("kv.get", "a"), 1)

    def wait_until(self, holds):
        end = time.monotonic() + WAIT_S
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    @staticmethod
    def catches(process, number):
        with open(f"/proc/{process.pid}/status") as status:
            return int(re.search(r"SigCgt:\s+(\w+)", status.read())[1], 16) >> (number - 1) & 1

    def test_a_second_interrupt_does_not_wait(self):
        with Scripted({"sys.commands": [], "kv.get": SILENCE}) as broker:
            process = self.start(broker)
            process.stdin.write(b"kv.get a\n")
            process.stdin.flush()
            self.wait_until(lambda: ["kv.get", ["a"]] in broker.asked)
            process.send_signal(signal.SIGINT)
            self.wait_until(lambda: not self.catches(process, signal.SIGINT))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(WAIT_S), -signal.SIGINT)
            process.communicate()

    def test_no_broker(self):
        url = f"tcp://127.0.0.1:{free_port()}"
        status, out, error = run(WHERRY, url=url, stdin=b"kv.get a\n")
        self.assertEqual((status, out), (75, b""))
        self.assertIn("no broker answers", error)

    def test_a_reader_that_has_enough(self):
        lines = b"sys.commands\n" * 2000
        with Wherryd(BUILD) as broker:
            process = self.start(broker)
            with open(os.path.join(broker.dir, "lines"), "wb") as out:
                out.write(lines)
            done = subprocess.run(f"{WHERRY} -u {broker.url} pipe {broker.dir}/lines | head -n 1", shell=True,
                                  capture_output=True, timeout=WAIT_S)
            self.assertEqual(len(done.stdout.splitlines()), 1)
            self.assertTrue(json.loads(done.stdout))
            with open("/dev/full", "wb") as full:
                done = subprocess.run([WHERRY, "-u", broker.url], input=lines, stdout=full, stderr=subprocess.PIPE,
                                      timeout=WAIT_S)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"No space left", done.stderr)
            process.communicate(timeout=WAIT_S)

    def test_progress_and_the_end_on_a_terminal(self):
        master, slave = os.openpty()
        try:
            with Wherryd(BUILD) as broker:
                done = subprocess.run([WHERRY, "-u", broker.url], input=b"sys.ping\n" * 1234, stdout=subprocess.PIPE,
                                      stderr=slave, timeout=WAIT_S)
            self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 1234))
            self.assertRegex(os.read(master, 1000).decode(), r"wherry: 1,234 done in \d+\.\d s\r\n$")
        finally:
            os.close(master)
            os.close(slave)


if __name__ == "__main__":
    unittest.main()
