#!/usr/bin/python3
"""The Python package's connection: every way in, time-outs, lost connections and what is repeated, restarts, threads and tasks,
closing while somebody waits, a broker that lies."""

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from cutting import Cutting  # noqa: E402
from python_clients import WAIT_S, Served, both, until, wherry  # noqa: E402
from scripted import HANG_UP, SILENCE, Bare, Raw, Refusal, Scripted  # noqa: E402
from servers import Wherryd, free_port  # noqa: E402

QUICK = {"backoff": 0.01, "backoff_max": 0.1}


@both
class WaysIn(Served):
    def test_tcp_and_a_name(self):
        self.assertEqual(self.connect().sys.ping(), "PONG")
        self.assertEqual(self.connect(f"tcp://localhost:{self.broker.port}").sys.ping(), "PONG")

    def test_environment(self):
        os.environ["WHERRY_URL"] = self.url
        self.addCleanup(os.environ.pop, "WHERRY_URL")
        client = self.made.connect(None)
        self.assertEqual(client.sys.ping(), "PONG")
        client.close()

    def test_addresses_that_are_none(self):
        for url in ("tcp://", "tcp://host", "tcp://:1", "tcp://h:99999", "http://h:1", "ipc://", "nonsense", "tcp://h:1/x"):
            self.assertRaises(wherry.ArgumentError, self.connect, url)
        self.assertRaises(TypeError, self.connect, colour="red")

    def test_nobody_there(self):
        with self.assertRaises(wherry.TryAgain) as caught:
            self.connect(f"tcp://127.0.0.1:{free_port()}")
        self.assertIn("refused", caught.exception.text)
        self.assertRaises(wherry.TryAgain, self.connect, "tcp://no.such.host.invalid:1973")

    def test_somebody_silent(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with self.assertRaises(wherry.TryAgain) as caught:
                self.connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}", connect_timeout=0.1)
            self.assertIn("0.1 s", caught.exception.text)

    def test_the_name_is_told(self):
        self.assertEqual(self.connect(name="tour").session.info()["client"], "tour")

    @unittest.skipUnless(shutil.which("openssl"), "no openssl")
    def test_tls(self):
        cert, key = os.path.join(self.broker.dir, "cert.pem"), os.path.join(self.broker.dir, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        port = free_port()
        with Both(listens=f'listen "tls+tcp://127.0.0.1:{port}" {{ tls_cert = "{cert}" tls_key = "{key}" }}\n') as broker:
            until(lambda: " ready " in broker.read_log())
            client = self.connect(f"tls+tcp://localhost:{port}", tls_ca_file=cert)
            value = random.Random(1).randbytes(3 << 20)
            client.kv.set("a", value)
            self.assertEqual(client.kv.get("a"), value)
            with client.subscribe("t") as messages:  # P4
                client.pubsub.publish("t", [1, 2, "hello"])
                self.assertEqual(next(messages).payload, [1, 2, "hello"])
            self.assertEqual(client.kv.get("a"), value)
            self.assertEqual(self.connect(f"tls+tcp://127.0.0.1:{port}", tls_unverified=True).sys.ping(), "PONG")
            for url, settings in ((f"tls+tcp://127.0.0.1:{port}", {"tls_ca_file": cert}), (f"tls+tcp://localhost:{port}", {}),
                                  (f"tls+tcp://127.0.0.1:{self.broker.port}", {"tls_unverified": True})):
                with self.assertRaises(wherry.TryAgain):
                    self.connect(url, connect_timeout=5, **settings)
            with self.assertRaises(wherry.WherryError):
                self.connect(f"tls+tcp://localhost:{port}", tls_ca_file="/nowhere")


class Both(Wherryd):
    """Listens where its file says, too: an address of the command line would take the place of those."""

    def __init__(self, listens):
        super().__init__()
        self.listens = listens

    def command(self):
        self.config = f'listen "{self.url}" {{}}\n' + self.listens
        words = super().command()
        at = words.index("-l")
        return words[:at] + words[at + 2:]


@both
class Ipc(Served):
    def test_ipc(self):
        directory = tempfile.mkdtemp(prefix="wherry-test-")
        self.addCleanup(shutil.rmtree, directory)
        with Both(listens=f'listen "ipc://{directory}/s" {{ }}\n') as broker:
            until(lambda: " ready " in broker.read_log())
            client = self.connect(f"ipc://{directory}/s")
            value = random.Random(1).randbytes(3 << 20)
            client.kv.set("a", value)
            self.assertEqual(client.kv.get("a"), value)


@both
class Lost(Served):
    def test_goes_on_after_a_restart(self):
        client = self.connect(name="tour", namespace=None, **QUICK)
        client.kv.set("a", 1)
        port = self.broker.port
        self.broker.process.kill()
        self.broker.process.wait()
        answer = self.in_thread(client.kv.get, "a")
        time.sleep(0.05)
        self.assertFalse(answer.done())
        self.broker.process = subprocess.Popen(self.restarted(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertIsNone(answer.result(WAIT_S))
        self.assertEqual(client.session.info()["client"], "tour")

    def restarted(self, port):
        return [os.path.join(self.broker.build, "bin", "wherryd"), "-l", f"tcp://127.0.0.1:{port}"]

    def test_what_only_reads_is_repeated(self):
        client = self.proxied()
        client.kv.set("a", 1)
        self.proxy.hold_answers()
        answer = self.in_thread(client.kv.get, "a")
        self.until_asked("kv.get", 1)
        self.proxy.cut()
        self.proxy.release_answers()
        self.assertEqual(answer.result(WAIT_S), 1)
        self.assertEqual(self.calls("kv.get"), 2)

    def test_what_is_marked_is_repeated(self):
        client = self.proxied()
        self.proxy.hold_answers()
        answer = self.in_thread(client.kv.set, "a", 1, repeatable=True)
        self.until_asked("kv.set", 1)
        self.proxy.cut()
        self.proxy.release_answers()
        answer.result(WAIT_S)
        self.assertEqual(self.calls("kv.set"), 2)

    def test_anything_else_is_not(self):
        client = self.proxied()
        self.proxy.hold_answers()
        answer = self.in_thread(client.kv.incr, "n")
        self.until_asked("kv.incr", 1)
        self.proxy.cut()
        self.proxy.release_answers()
        with self.assertRaises(wherry.Stale) as caught:
            answer.result(WAIT_S)
        self.assertTrue(caught.exception.local)
        self.assertIn("kv.incr ran is not known", caught.exception.text)
        self.assertEqual(client.kv.get("n"), 1)
        self.assertEqual(self.calls("kv.incr"), 1)

    def calls(self, method):
        return self.broker.call("sys.stats")["commands"].get(method, {}).get("calls", 0)

    def until_asked(self, method, count):
        until(lambda: self.calls(method) >= count)

    def test_waits_no_longer_than_its_time(self):
        client = self.proxied()
        self.proxy.refuse()
        until(lambda: not client.connected)
        with self.assertRaises(wherry.TryAgain) as caught:
            client.kv.incr("n", timeout=0.2)
        self.assertIn("not sent", caught.exception.text)
        self.proxy.accept()
        self.assertEqual(client.kv.incr("n"), 1)

    def test_a_time_out_leaves_open_whether_it_ran(self):
        client = self.proxied()
        self.proxy.hold_answers()
        with self.assertRaises(wherry.TimedOut) as caught:
            client.kv.incr("n", timeout=0.2)
        self.assertTrue(caught.exception.local)
        self.proxy.release_answers()
        self.assertEqual(client.kv.get("n"), 1)

    def test_the_namespace_comes_back(self):
        self.broker.call("ns.create", "other")
        client = self.proxied()
        client.session.use("other")
        client.kv.set("a", 1)
        self.proxy.cut()
        self.assertEqual(client.kv.get("a"), 1)
        self.assertEqual(client.session.info()["ns"], "other")

    def test_without_its_namespace_it_rather_fails(self):
        self.broker.call("ns.create", "other")
        client = self.connect(namespace="other", **QUICK)
        port = self.broker.port
        self.broker.process.kill()
        self.broker.process.wait()
        self.broker.process = subprocess.Popen(self.restarted(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with self.assertRaises(wherry.NotFound):
            while True:
                try:
                    client.kv.set("a", 1)
                except wherry.Stale:
                    continue  # on its way when the connection ended: the next one is asked on the new one

    def test_never_again(self):
        client = self.proxied(reconnect=False)
        client.sys.ping()
        self.proxy.cut()
        for _ in range(2):
            with self.assertRaises(wherry.Stale):
                until(lambda: client.sys.ping() is None)
        self.assertEqual(self.proxy.connections, 1)

    def test_changes_are_told(self):
        told = []
        client = self.proxied(on_change=lambda connected, error: told.append((connected, error and error.name)))
        self.proxy.cut()
        self.assertEqual(client.sys.ping(), "PONG")
        until(lambda: len(told) == 2)
        self.assertEqual(told, [(False, "ESTALE"), (True, None)])

    def test_a_callback_that_fails_does_no_harm(self):
        def changed(connected, error):
            raise ValueError("in a callback")
        client = self.proxied(on_change=changed)
        with self.assertLogs("wherry", "ERROR") as logs:
            self.proxy.cut()
            until(lambda: len(logs.records) == 2)
        self.assertEqual(client.sys.ping(), "PONG")

    def test_cut_at_random(self):
        """A counter that is only counted up by calls: what was answered is in it, and what may have run is told."""
        client, stop, rng = self.proxied(), threading.Event(), random.Random(11)

        def cut():
            while not stop.wait(rng.uniform(0.005, 0.05)):
                self.proxy.cut()
        cutter = self.in_thread(cut)
        done = doubtful = 0
        while done < 200 or self.proxy.connections < 6:
            try:
                client.kv.incr("n")
                done += 1
            except wherry.Stale:
                doubtful += 1
            except wherry.TryAgain:  # cut too often while it was being sent: it can't have run
                pass
        stop.set()
        cutter.result(WAIT_S)
        self.assertTrue(done <= client.kv.get("n") <= done + doubtful, (done, doubtful))


@both
class Shared(Served):
    def test_threads(self):
        client = self.connect()

        def work(name):
            for i in range(100):
                client.kv.incr("sum")
                self.assertEqual(client.kv.incr(name), i + 1)
        for answer in [self.in_thread(work, f"n{n}") for n in range(8)]:
            answer.result(WAIT_S)
        self.assertEqual(client.kv.get("sum"), 800)

    def test_a_call_and_then_the_end(self):
        """Whoever waits when it is closed is told."""
        client = self.proxied()
        self.proxy.hold_answers()
        answers = [self.in_thread(client.kv.get, "a") for _ in range(3)]
        until(lambda: self.broker.call("sys.stats")["commands"].get("kv.get", {}).get("calls", 0) == 3)
        client.close()
        for answer in answers:
            with self.assertRaises(wherry.ShuttingDown):
                answer.result(WAIT_S)
        with self.assertRaises(wherry.ShuttingDown):
            client.kv.get("a")
        client.close()

    def test_closed_while_nobody_is_there(self):
        client = self.proxied()
        self.proxy.refuse()
        answer = self.in_thread(client.kv.get, "a")
        time.sleep(0.05)
        client.close()
        with self.assertRaises(wherry.ShuttingDown):
            answer.result(WAIT_S)

    def test_nothing_is_left(self):
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            client = self.made.connect(self.url)
            client.kv.get("a")
            client.close()
        until(lambda: threading.active_count() <= threads)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), descriptors)
        until(lambda: self.broker.call("sys.stats")["router"]["sessions"] == 1)

    def test_too_much_at_once(self):
        client = self.proxied(max_pending=100000)
        self.proxy.hold_answers()
        answer = self.in_thread(client.kv.set, "a", b"x" * 90000)
        until(lambda: self.broker.call("kv.exists", "a")[0])
        with self.assertRaises(wherry.LimitReached) as caught:
            client.kv.set("b", b"x" * 90000)
        self.assertIn("max_pending", caught.exception.text)
        self.proxy.release_answers()
        answer.result(WAIT_S)
        client.kv.set("b", b"x" * 90000)

    def test_notes_nobody_takes(self):
        """(Until somebody publishes, a broker's good-bye is the only one.)"""
        noted = []
        client = self.connect(on_note=lambda method, params: noted.append((method, params)), **QUICK)
        client.sys.ping()
        self.broker.process.terminate()
        until(lambda: noted)
        self.assertEqual(noted[0][0], "session")
        self.assertEqual(noted[0][1][0], "goodbye")


class BlockingOnly(Served, unittest.TestCase):
    def connect(self, url=None, **settings):
        client = wherry.connect(url or self.url, **settings)
        self.addCleanup(client.close)
        return client

    def test_send(self):
        client = self.connect()
        answers = [client.send("kv.incr", "n") for _ in range(5000)]
        self.assertEqual([answer.result(WAIT_S) for answer in answers], list(range(1, 5001)))
        with self.assertRaises(wherry.UnknownCommand):
            client.send("kv.nonsense").result(WAIT_S)
        frames = self.broker.call("sys.stats")["wire"]["frames_in"]
        self.assertLess(frames, 10000)

    def test_a_callback_may_send_but_not_wait(self):
        client, told = self.connect(), []

        def answered(answer):
            try:
                client.kv.get("a")
            except wherry.ArgumentError as error:
                told.append(error)
            client.send("kv.set", "b", 2).add_done_callback(told.append)
        client.send("kv.set", "a", 1).add_done_callback(answered)
        until(lambda: len(told) == 2)
        self.assertIn("own thread", told[0].text)
        self.assertEqual(client.kv.get("b"), 2)

    def test_a_child_is_refused(self):
        client = self.connect()
        child = os.fork()
        if child == 0:
            try:
                client.sys.ping()
            except wherry.InternalError:
                os._exit(0)
            os._exit(1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(client.sys.ping(), "PONG")

    def test_ctrl_c(self):
        """It interrupts a call that waits, and the client goes on."""
        proxy = self.enterContext(Cutting(self.broker.port))
        code = ("import signal, sys, wherry\n"
                "client = wherry.connect(sys.argv[1])\n"
                "print('ready', flush=True); sys.stdin.readline()\n"
                "try: client.kv.get('a')\n"
                "except KeyboardInterrupt: print('interrupted', flush=True)\n"
                "sys.stdin.readline()\n"
                "print(client.kv.get('a'), flush=True)\n"
                "client.close()\n")
        environment = {**os.environ, "PYTHONPATH": os.path.join(HERE, "..", "..", "clients", "python")}
        self.broker.call("kv.set", "a", 1)
        with subprocess.Popen([sys.executable, "-c", code, proxy.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment) as process:
            self.assertEqual(process.stdout.readline(), "ready\n")
            proxy.hold_answers()
            process.stdin.write("\n")
            process.stdin.flush()
            until(lambda: self.broker.call("sys.stats")["commands"].get("kv.get", {}).get("calls", 0) == 1)
            process.send_signal(2)
            self.assertEqual(process.stdout.readline(), "interrupted\n")
            proxy.release_answers()
            process.stdin.write("\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), "1\n")
            self.assertEqual(process.wait(WAIT_S), 0)


class AsyncioOnly(Served, unittest.TestCase):
    def run_with_client(self, body, **settings):
        async def run():
            async with wherry.aio.connect(self.url, **settings) as client:
                await body(client)
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})
        asyncio.run(run())

    def test_what_is_asked_in_one_turn_travels_together(self):
        async def body(client):
            before = (await client.sys.stats())["wire"]["frames_in"]
            self.assertEqual(await asyncio.gather(*(client.kv.incr("n") for _ in range(1000))), list(range(1, 1001)))
            after = (await client.sys.stats())["wire"]["frames_in"]
            self.assertEqual(after - before, 2)
        self.run_with_client(body)

    def test_cancelled(self):
        async def body(client):
            task = asyncio.ensure_future(client.kv.incr("n"))
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertIn(await client.kv.get("n"), (None, 1))
        self.run_with_client(body)

    def test_awaited_without_a_block(self):
        async def run():
            client = await wherry.aio.connect(self.url)
            self.assertEqual(await client.sys.ping(), "PONG")
            await client.close()
            self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})
        asyncio.run(run())


@both
class Liars:
    """What a broker may answer that is none: an error that says so, and never a hang."""

    def scripted(self, answers):
        return self.enterContext(Scripted({"session.hello": {}, "sys.commands": [], "session.close": True, **answers}))

    def test_answers_that_are_none(self):
        for rubbish in (b"\xc1", b"\x92\x01", b"\x91" * 3000, b"\xdd\xff\xff\xff\xff", b"\xc7\x02\x01\x92\x01", b""):
            broker = self.scripted({"kv.get": Raw(rubbish)})
            client = self.connect(broker.url, **QUICK)
            with self.assertRaises(wherry.Corrupt) as caught:
                client.kv.get("a")
            self.assertTrue(caught.exception.local)
            self.assertEqual(client.sys.ping(), True)

    def test_errors_that_are_none(self):
        for refusal in (Refusal("x"), Refusal(-1), Refusal(-1, 2, 3)):
            client = self.connect(self.scripted({"kv.get": refusal}).url, **QUICK)
            with self.assertRaises(wherry.Corrupt):
                client.kv.get("a")

    def test_an_error_of_tomorrow(self):
        client = self.connect(self.scripted({"kv.get": Refusal(-99, "ENEW", "something new", {"retry_ms": 5})}).url, **QUICK)
        with self.assertRaises(wherry.WherryError) as caught:
            client.kv.get("a")
        error = caught.exception
        self.assertEqual((type(error), error.code, error.name, error.details),
                         (wherry.WherryError, -99, "ENEW", {"retry_ms": 5}))

    def test_silence(self):
        client = self.connect(self.scripted({"kv.get": SILENCE}).url, **QUICK)
        with self.assertRaises(wherry.TimedOut):
            client.kv.get("a", timeout=0.1)
        with self.assertRaises(wherry.TryAgain):
            self.connect(self.scripted({"session.hello": SILENCE}).url, connect_timeout=0.1)

    def test_hanging_up(self):
        client = self.connect(self.scripted({"kv.get": HANG_UP}).url, **QUICK)
        with self.assertRaises(wherry.Stale):
            client.kv.get("a")
        self.assertEqual(client.sys.ping(), True)
        with self.assertRaises(wherry.TryAgain):
            self.connect(self.scripted({"session.hello": HANG_UP}).url)

    def test_a_first_exchange_of_nonsense(self):
        for answers in ({"session.hello": [1, 2]}, {"session.hello": {"limits": {"frame": "x", "depth": -1}}},
                        {"sys.commands": [1]}, {"sys.commands": [{"name": "kv.get"}]}, {"sys.commands": Refusal(-10, "EDENIED", "no")}):
            self.assertEqual(self.connect(self.scripted(answers).url).kv.get("a"), True)
        with self.assertRaises(wherry.Unsupported):
            self.connect(self.scripted({"session.hello": Refusal(-11, "EUNSUPPORTED", "another version")}).url)

    def test_no_broker(self):
        for words in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0SP\0\0\x31\0\0", b"\0"):
            with socket.create_server(("127.0.0.1", 0)) as server:
                def serve(server=server, words=words):
                    stream, _ = server.accept()
                    stream.sendall(words)
                    stream.close()
                threading.Thread(target=serve, daemon=True).start()
                with self.assertRaises(wherry.TryAgain):
                    self.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}", connect_timeout=5)

    def test_frames_that_are_none(self):
        for frame in (b"\xff" * 12, b"\0" * 7 + b"\x02\0\0\0\1", b"\0\0\0\1\0\0\0\0\0\0\0\1", b"\0" * 7 + b"\x08\0\0\0\xff\x01\x02\x03\x04",
                      b"\0" * 7 + b"\x05\0\0\0\1\x01", b"\0" * 7 + b"\x09\0\0\0\1\x94\x01\xc0\xc0\xc0"):
            client = self.connect(self.scripted({"kv.get": Bare(frame)}).url, max_frame=1 << 20, **QUICK)
            with self.assertRaises(wherry.Corrupt):
                client.kv.get("a")
            self.assertEqual(client.sys.ping(), True)

    def test_what_nobody_asked(self):
        """Answers to nobody, and notifications that are not known, are passed over."""
        extra = b"\x94\x01\xcd\x7f\xff\xc0\x01" + b"\x93\x02\xa3new\x91\x01"
        client = self.connect(self.scripted({"kv.get": Raw(b"\x05" + extra)}).url)
        self.assertEqual(client.kv.get("a"), 5)
        self.assertEqual(client.kv.get("a"), 5)


if __name__ == "__main__":
    unittest.main()
