#!/usr/bin/python3
"""The command line over tls: who is trusted, and who is not.  Run by tests/support/run_python."""

import os
import shutil
import subprocess
import tempfile
import unittest

from test_cli import WHERRY, Started, run


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="wherry-test-")
        cls.cert, cls.key = (os.path.join(cls.dir, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", cls.key, "-out", cls.cert],
                       check=True, capture_output=True)
        conf = os.path.join(cls.dir, "conf")
        with open(conf, "w") as out:
            out.write(f'listen "tls+tcp://127.0.0.1:0" {{ tls_cert = "{cls.cert}" tls_key = "{cls.key}" }}\n')
        cls.broker = Started("-c", conf)
        cls.url = cls.broker.urls()[0].replace("127.0.0.1", "localhost")

    @classmethod
    def tearDownClass(cls):
        cls.broker.end()
        shutil.rmtree(cls.dir)

    def test_a_large_value_goes_and_comes_back(self):
        data = os.urandom(3 << 20)
        flags = ["--tls-ca", self.cert]
        self.assertEqual(run(WHERRY, *flags, "kv.set", "k", "-", url=self.url, stdin=data)[0], 0)
        self.assertEqual(run(WHERRY, *flags, "-o", "raw", "kv.get", "k", url=self.url), (0, data, ""))

    def test_nobody_is_trusted_unasked(self):
        status, _, error = run(WHERRY, "sys.ping", url=self.url)
        self.assertEqual(status, 2)
        self.assertIn("tls_ca_file", error)
        self.assertEqual(run(WHERRY, "--tls-unverified", "sys.ping", url=self.url)[:2], (0, b"PONG\n"))

    def test_another_certificate_is_refused(self):
        other = os.path.join(self.dir, "other.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", os.path.join(self.dir, "other-key.pem"), "-out", other], check=True, capture_output=True)
        self.assertEqual(run(WHERRY, "--tls-ca", other, "sys.ping", url=self.url)[0], 75)

    def test_a_plain_client_is_not_answered(self):
        status, out, _ = run(WHERRY, "-t", "3", "sys.ping", url=self.url.replace("tls+tcp", "tcp"))
        self.assertEqual((status, out), (75, b""))


if __name__ == "__main__":
    unittest.main()
