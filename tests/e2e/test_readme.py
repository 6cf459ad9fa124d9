#!/usr/bin/python3
"""README.md's tour, line by line, as a newcomer runs it: in a shell, in a folder of its own, against one fresh broker."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

import transcripts  # noqa: E402
from servers import Wherryd, default_build  # noqa: E402

README = os.path.join(TOP, "README.md")


class Tour(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.build = default_build()

    def shell(self, command, **environment):
        programs = os.path.join(self.build, "bin") + os.pathsep + os.environ["PATH"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WHERRY_")} | environment
        done = subprocess.run(["bash", "-c", command], cwd=self.directory, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env=environment | {"PATH": programs})
        return done.stdout.rstrip("\n"), done.returncode

    def test_every_line(self):
        count = 0
        with Wherryd(self.build) as broker:
            for block in transcripts.blocks(README, "console"):
                for command, answer in transcripts.pieces(block):
                    said, status = self.shell(command, WHERRY_URL=broker.url)
                    count += 1
                    if not answer:
                        self.assertEqual((said, status), ("", 0), command)
                    pattern = ".*".join(re.escape(part) for part in answer.split("..."))
                    self.assertRegex(said, re.compile(rf"\A{pattern}\Z", re.S), command)
            self.program(broker)
            self.python(broker)
        self.assertGreater(count, 15)

    def program(self, broker):
        """The C program: its broker is this one."""
        (code,) = transcripts.blocks(README, "c")
        with open(os.path.join(self.directory, "visits.c"), "w", encoding="utf-8") as out:
            out.write(code.replace("tcp://127.0.0.1:1973", broker.url))
        if broker.sanitized():
            return
        flags = f"-I{TOP}/include -L{self.build}/lib -Wl,-rpath,{self.build}/lib"
        self.assertEqual(self.shell(f"cc -Wall -Wextra -Werror visits.c {flags} -lwherry -o visits && ./visits"),
                         ("1 bytes of MessagePack", 0))

    def python(self, broker):
        """The Python program, on the same broker, after the C one."""
        (code,) = transcripts.blocks(README, "python")
        done = subprocess.run([sys.executable, "-c", code.replace("tcp://127.0.0.1:1973", broker.url)], text=True, timeout=120,
                              capture_output=True, env=os.environ | {"PYTHONPATH": os.path.join(TOP, "clients", "python")})
        self.assertRegex(done.stdout, r"\A\d+\n\Z", done.stderr)

    def test_the_configuration_is_one(self):
        (config,) = (block.split("```")[0] for block in open(README, encoding="utf-8").read().split("\n```\n")[1:]
                     if block.startswith("max_memory"))
        config = config.replace('module "/opt/hello/hello.so" { }', "").replace("/run/wherry", self.directory)
        config = config.replace("tls_cert", "#tls_cert").replace('tls_key = "key.pem" insecure = true }', "}")
        path = os.path.join(self.directory, "wherry.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write("".join(line + "\n" for line in config.splitlines() if "tls" not in line))
        said, status = self.shell(f"wherryd -c {path} -t")
        self.assertEqual(status, 0, said)


if __name__ == "__main__":
    unittest.main()
