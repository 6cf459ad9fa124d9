"""Stock NNG peers: programs that know NNG and msgpack and nothing of Wherry."""

import os
import subprocess
import tempfile
import unittest

from servers import Wherryd
from wherry_py import pack, unpack_all

TIMEOUT_S = 60


class Stock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Wherryd().start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()

    def test_libnng_sockets_set_and_get(self):
        for protocol in ("req", "pair1"):
            with self.subTest(protocol):
                done = subprocess.run([os.path.join(self.broker.build, "tests", "stock"), protocol, self.broker.url],
                                      stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S)
                self.assertEqual(done.returncode, 0)
                self.assertEqual(done.stdout, f"100 values set and got over {protocol}\n")

    def nngcat(self, protocol, request):
        """What nngcat prints for the answer to a frame that it reads from a file."""
        with tempfile.NamedTemporaryFile() as body:
            body.write(request)
            body.flush()
            # Of a pair socket it stops reading only when it would send again: hence the interval.
            done = subprocess.run(["nngcat", f"--{protocol}", "--dial", self.broker.url, "--file", body.name, "--raw",
                                   "--count", "1", "--interval", "2", "--recv-timeout", "10"],
                                  stdout=subprocess.PIPE, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 0)
        return done.stdout

    def test_nngcat_sets_and_gets(self):
        for protocol in ("req0", "pair1", "pair0"):
            with self.subTest(protocol):
                value = f"by nngcat over {protocol}"
                answer, = unpack_all(self.nngcat(protocol, pack([0, 1, "kv.set", ["cat", value]])))
                self.assertEqual(answer[:3], [1, 1, None])
                answers = unpack_all(self.nngcat(protocol, pack([0, 2, "kv.get", ["cat"]]) + pack([0, 3, "kv.get", [7]])))
                self.assertEqual(answers, [[1, 2, None, value], [1, 3, None, None]])


if __name__ == "__main__":
    unittest.main()
