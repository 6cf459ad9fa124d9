#!/usr/bin/python3
"""The Python package as others get it: its tour run line by line, and the package installed by pip and by cmake."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import transcripts  # noqa: E402
from servers import Wherryd, default_build  # noqa: E402

PACKAGE = os.path.join(TOP, "clients", "python")




def run(words, **options):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options)


class Pages(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wherry-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def environment(self, broker, **more):
        return transcripts.environment(self.dir, default_build(), broker, **more)


class Tour(Pages):
    def test_every_program(self):
        """Of clients/python/README.md, each with a broker of its own; what it prints stands under it."""
        with open(os.path.join(PACKAGE, "README.md"), encoding="utf-8") as text:
            pieces = text.read().split("```python\n")[1:]
        self.assertGreater(len(pieces), 10)
        for piece in pieces:
            code, _, rest = piece.partition("```")
            wanted = rest.partition("```text\n")[2].partition("```")[0]
            with self.subTest(code), Wherryd() as broker:
                done = run([sys.executable, "-W", "error", "-c", code], env=self.environment(broker), cwd=self.dir)
                transcripts.compare(self, done.stdout, wanted, code)
                self.assertEqual(done.returncode, 0)


class Installed(Pages):
    CODE = ("import wherry\n"
            "with wherry.connect() as client: print(client.sys.ping(), wherry.__version__, wherry.__file__)\n")

    def ping(self, path):
        with Wherryd() as broker:
            done = run([sys.executable, "-c", self.CODE], env=self.environment(broker, PYTHONPATH=path), cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stdout)
        pong, version, place = done.stdout.split()
        self.assertEqual((pong, version), ("PONG", "0.1.0"))
        self.assertTrue(os.path.realpath(place).startswith(os.path.realpath(path)), place)
        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(place), "py.typed")))

    @unittest.skipUnless(all(map(importlib.util.find_spec, ("pip", "setuptools", "wheel"))), "no pip, setuptools, wheel")
    def test_pip(self):
        """Without a network, from a copy: building leaves files beside the source."""
        source, target = os.path.join(self.dir, "source"), os.path.join(self.dir, "target")
        shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
        done = run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps",
                    "--target", target, source])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.ping(target)

    def test_cmake(self):
        prefix = os.path.join(self.dir, "prefix")
        done = run(["cmake", "--install", default_build(), "--prefix", prefix])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.ping(os.path.join(prefix, "lib", "python3", "dist-packages"))

    def test_the_version_is_the_projects(self):
        with open(os.path.join(TOP, "CMakeLists.txt"), encoding="utf-8") as text:
            version = re.search(r"VERSION (\d+\.\d+\.\d+)", text.read()).group(1)
        with open(os.path.join(PACKAGE, "wherry", "version.py"), encoding="utf-8") as text:
            self.assertIn(f'"{version}"', text.read())


if __name__ == "__main__":
    unittest.main()
