"""The largest values, and memory that runs out."""

import unittest

from servers import Wherryd
from wherry_py import Client, WherryError

MIB = 1024 * 1024


class LargeValue(unittest.TestCase):
    SIZE = 16 * MIB

    def test_16_mib_there_and_back(self):
        value = bytes(range(256)) * (self.SIZE // 256)
        with Wherryd(max_frame="17MiB", max_answer="17MiB", config='module "kv" { max_value = 17MiB }\n') as broker:
            for protocol in ("pair1", "req"):
                with Client(broker.url, protocol, timeout=60) as client:
                    self.assertGreater(client.call("kv.set", protocol, value), 0)
                    self.assertEqual(client.call("kv.get", protocol), value)
                    self.assertEqual(client.call("kv.del", protocol), 1)

    def test_an_answer_above_the_limit_is_an_error_and_the_connection_stays(self):
        with Wherryd(max_answer="1MiB") as broker, Client(broker.url, timeout=60) as client:
            client.call("kv.set", "large", bytes(2 * MIB))
            with self.assertRaises(WherryError) as caught:
                client.call("kv.get", "large")
            self.assertEqual(caught.exception.name, "ELIMIT")
            client.call("kv.set", "small", 1)
            self.assertEqual(client.call("kv.get", "small"), 1)

    def test_a_frame_above_the_limit_closes_only_its_connection(self):
        with Wherryd(max_frame="64KiB") as broker, Client(broker.url) as other:
            with Client(broker.url) as client, self.assertRaises(Exception):
                client.call("kv.set", "large", bytes(MIB))
            other.call("kv.set", "small", 1)
            self.assertIsNone(other.call("kv.get", "large"))


class OutOfMemory(unittest.TestCase):
    """max_memory: what grows is refused with ELIMIT; reads and deletes go on, and make room."""

    LIMIT, VALUE = 32 * MIB, 64 * 1024

    def fill(self, client):
        for number in range(4 * self.LIMIT // self.VALUE):
            try:
                client.call("kv.set", f"key {number}", bytes(self.VALUE))
            except WherryError as refused:
                self.assertEqual(refused.name, "ELIMIT")
                return number
        self.fail(f"{4 * self.LIMIT} bytes were stored in {self.LIMIT}")

    def test_writes_are_refused_and_the_rest_goes_on(self):
        with Wherryd(max_memory=self.LIMIT) as broker, Client(broker.url) as client:
            stored = self.fill(client)
            self.assertGreater(stored, self.LIMIT // self.VALUE // 2)
            self.assertLessEqual(stored, self.LIMIT // self.VALUE)
            self.assertEqual(len(client.call("kv.get", "key 0")), self.VALUE)
            self.assertEqual(client.call("kv.count"), stored)
            with self.assertRaises(WherryError) as again:
                client.call("kv.set", "one more", bytes(self.VALUE))
            self.assertEqual(again.exception.name, "ELIMIT")
            self.assertIsNone(client.call("kv.get", "one more"))
            for number in range(stored // 2):
                self.assertEqual(client.call("kv.del", f"key {number}"), 1)
            self.assertGreater(client.call("kv.set", "one more", bytes(self.VALUE)), 0)
            self.assertEqual(len(client.call("kv.get", "one more")), self.VALUE)


if __name__ == "__main__":
    unittest.main()
