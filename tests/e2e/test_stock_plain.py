"""Sockets that know topics or a pipeline and nothing of Wherry: nngcat and nanocat as PUB, SUB, PUSH and PULL."""

import os
import shutil
import subprocess
import tempfile
import unittest

from daemon import BUILD, Running, await_true
from servers import free_port
from wherry_py import Client

MODULES = os.path.join(BUILD, "lib", "wherry", "modules")
BODY = b"sensors.hall\0\x01\xff\x00 any bytes"


def has(module):
    return os.path.exists(os.path.join(MODULES, f"{module}.so"))


def certificate(directory):
    cert, key = (os.path.join(directory, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class Plain(unittest.TestCase):
    """Three listeners with a queue, one for each transport, one that narrows its tap, and one for requests."""

    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.mkdtemp(prefix="wherry-test-")
        cls.cert, key = certificate(cls.files)
        tcp, tls = free_port(), free_port()
        cls.urls = {"tcp": f"tcp://127.0.0.1:{tcp}", "ipc": f"ipc://{cls.files}/jobs.sock",
                    "tls": f"tls+tcp://localhost:{tls}"}
        cls.narrow = f"ipc://{cls.files}/narrow.sock"
        conf = os.path.join(cls.files, "conf")
        with open(conf, "w") as out:
            out.write(f'modules = "{" ".join(name for name in ("kv", "pubsub", "queue") if has(name))}"\n'
                      f'listen "ipc://{cls.files}/w.sock" {{ }}\n'
                      f'listen "{cls.urls["tcp"]}" {{ queue = "jobs" }}\n'
                      f'listen "{cls.urls["ipc"]}" {{ queue = "jobs" }}\n'
                      f'listen "tls+tcp://127.0.0.1:{tls}" {{ queue = "jobs" tls_cert = "{cls.cert}" tls_key = "{key}" }}\n'
                      f'listen "{cls.narrow}" {{ tap = "other.>" payload = msgpack }}\n')
        cls.broker = Running(cls.files, "-c", conf)
        cls.body = os.path.join(cls.files, "body")
        with open(cls.body, "wb") as out:
            out.write(BODY)

    @classmethod
    def tearDownClass(cls):
        cls.broker.end()
        shutil.rmtree(cls.files)

    # --- peers ---

    def start(self, *words):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def nngcat(self, protocol, url, *flags):
        trust = ["--cacert", self.cert] if url.startswith("tls") else []
        return self.start("nngcat", f"--{protocol}", "--dial", url, *trust, *flags)

    def nanocat(self, protocol, url, *flags):
        return self.start("nanocat", f"--{protocol}", "--connect", url, *flags)

    def peers(self):
        """Each tool on each transport that it can."""
        for transport, url in self.urls.items():
            yield f"nngcat {transport}", self.nngcat, url
            if transport != "tls":
                yield f"nanocat {transport}", self.nanocat, url

    def read(self, process, count):
        """So many bytes of what it prints; as it prints them."""
        out = b""
        while len(out) < count:
            more = os.read(process.stdout.fileno(), count - len(out))
            self.assertNotEqual(more, b"", out)
            out += more
        return out

    def stats(self, layer, name):
        return self.broker.call("sys.stats")[layer][name]

    def await_stats(self, layer, name, wanted):
        await_true(lambda: wanted(self.stats(layer, name)), lambda: f"{layer}.{name}: {self.stats(layer, name)}")

    def subscribed(self, start, url, *flags):
        """A SUB peer whose tap is there."""
        before = self.stats("bus", "subscriptions")
        process = start("sub", url, "--raw", *flags)
        self.await_stats("bus", "subscriptions", lambda now: now > before)
        return process

    # --- topics ---

    def test_every_pub_reaches_every_sub_byte_for_byte(self):
        for name, start, url in self.peers():
            subs = [(who, self.subscribed(sub, at)) for who, sub, at in self.peers()]
            start("pub", url, "--file", self.body, "--interval", "1", "--delay", "1")
            for who, sub in subs:
                with self.subTest(f"{name} to {who}"):
                    self.assertEqual(self.read(sub, len(BODY)), BODY)

    def test_a_sub_filters_for_itself(self):
        sub = self.subscribed(self.nngcat, self.urls["tcp"], "--subscribe", "sensors.")
        self.nngcat("pub", self.urls["ipc"], "--data", "other.x", "--interval", "1", "--delay", "1")
        self.nngcat("pub", self.urls["ipc"], "--file", self.body, "--interval", "1", "--delay", "1")
        self.assertEqual(self.read(sub, len(BODY)), BODY)

    def test_a_listener_narrows_the_tap_and_decodes(self):
        dropped = self.stats("wire", "publish_dropped")
        sub = self.subscribed(self.nngcat, self.narrow)
        self.nngcat("pub", self.urls["tcp"], "--data", "sensors.x", "--interval", "1", "--delay", "1")
        self.nngcat("pub", self.narrow, "--file", self.body, "--delay", "1")
        self.await_stats("wire", "publish_dropped", lambda now: now > dropped)
        self.nngcat("pub", self.narrow, "--data", "other.x", "--interval", "1", "--delay", "1")
        self.assertEqual(self.read(sub, 7), b"other.x")

    @unittest.skipUnless(has("pubsub"), "no module pubsub")
    def test_requests_and_plain_sockets_share_topics(self):
        sub = self.subscribed(self.nngcat, self.urls["tcp"], "--subscribe", "news.")
        with Client(self.broker.url, "req", timeout=60) as client:
            client.call("pubsub.publish", "news.x", [1, "a"])
            self.assertEqual(self.read(sub, 11), b"news.x\0\x92\x01\xa1a")
            client.call("pubsub.subscribe", "sensors.*")
            self.nngcat("pub", self.urls["tcp"], "--file", self.body, "--interval", "1", "--delay", "1")
            (method, (_, seq, lost, messages)), = client.call("session.fetch", wait_ms=30000)
            self.assertEqual((method, seq, lost), ("messages", 1, 0))
            self.assertEqual(messages[0], ["sensors.hall", BODY.split(b"\0", 1)[1], None])

    # --- a queue ---

    @unittest.skipUnless(has("queue"), "no module queue")
    def test_push_and_pull_meet_in_the_queue(self):
        for name, start, url in self.peers():
            with self.subTest(name):
                start("push", url, "--data", name, "--delay", "1")
                self.await_stats("wire", "pushed", lambda now: now > 0)
                pull = self.nngcat("pull", self.urls["ipc"], "--raw")
                self.assertEqual(self.read(pull, len(name)).decode(), name)
                pull.kill()
                pull.wait()
        for name, start, url in self.peers():
            with self.subTest(f"to {name}"):
                self.broker.call("queue.push", "jobs", name.encode())
                pull = start("pull", url, "--raw")
                self.assertEqual(self.read(pull, len(name)).decode(), name)
                pull.kill()
                pull.wait()

    @unittest.skipUnless(has("queue"), "no module queue")
    def test_each_message_goes_to_one_of_several(self):
        numbers = {f"{i:04}" for i in range(1000)}
        pulls = [self.nngcat("pull", url, "--raw") for url in self.urls.values() for _ in range(2)]
        self.broker.call("queue.push", "jobs", *(number.encode() for number in sorted(numbers)))
        self.await_stats("wire", "pulled", lambda now: now >= len(numbers))
        got = []
        for pull in pulls:
            pull.terminate()
            out = pull.stdout.read().decode()
            got += [out[i:i + 4] for i in range(0, len(out), 4)]
        self.assertLessEqual(len(got), len(numbers))
        self.assertEqual(len(set(got)), len(got))

    @unittest.skipUnless(has("queue"), "no module queue")
    def test_a_full_queue_holds_a_push_up(self):
        with Client(self.broker.url, "req", timeout=60) as client:
            client.call("queue.create", "jobs", max_length=3)
            self.nngcat("push", self.urls["tcp"], "--data", "x", "--interval", "1", "--delay", "1")
            got = 0
            while got < 5:
                got += len(client.call("queue.pop", "jobs", ack=False, wait_ms=30000))
            client.call("queue.delete", "jobs")
        self.assertEqual(self.stats("wire", "push_dropped"), 0)

    def test_without_a_queue_a_push_is_turned_away(self):
        refused = self.stats("wire", "handshakes_failed")
        self.nngcat("push", self.broker.url, "--data", "x", "--delay", "1")
        self.await_stats("wire", "handshakes_failed", lambda now: now > refused)
        self.assertIn('listen \\"URL\\" { queue = \\"NAME\\" }', self.broker.read())


if __name__ == "__main__":
    unittest.main()
