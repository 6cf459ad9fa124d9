#!/usr/bin/python3
"""What the documents show is true: the bytes in include/wherry/README.md, the modules in modules/README.md and
examples/hello, what is said to be answered, and that an installation is complete."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

from servers import Wherryd, default_build  # noqa: E402
from wherry_py import Client  # noqa: E402

PROGRAM = """
#include <stdio.h>
#include <wherry/client.h>

int main(int argc, char **argv)
{
	wherry_client *client;
	wherry_reply reply = {0};
	if (argc < 2 || wherry_client_open(argv[1], NULL, &client, &reply.error) != WHERRY_OK)
		return 1;
	int status = wherry_client_call(client, "sys.ping", NULL, 0, NULL, 0, &reply);
	printf("%zu\\n", reply.result_len);
	wherry_reply_free(&reply);
	wherry_client_close(client);
	return status != WHERRY_OK;
}
"""


class Daemon(Wherryd):
    def __init__(self, *modules, build=None):
        super().__init__(build)
        self.modules = modules

    def command(self):
        return super().command() + [word for module in self.modules for word in ("-m", module)]


def blocks(path, language):
    with open(os.path.join(TOP, path), encoding="utf-8") as text:
        return [block.partition("```")[0] for block in text.read().split(f"```{language}\n")[1:]]


def run(words, directory=TOP, **environment):
    return subprocess.run(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          env=os.environ | environment)


class Protocol(unittest.TestCase):
    def test_examples(self):
        found = blocks("include/wherry/README.md", "hex")
        self.assertGreater(len(found), 4)
        with Daemon() as daemon:
            for protocol in ("pair1", "req"):
                with Client(daemon.url, protocol) as client:
                    for block in found:
                        self.replay(client, block)

    def replay(self, client, block):
        lines = [line.partition("#")[0].split() for line in block.splitlines() if line.strip()]
        sent = bytes.fromhex("".join(byte for line in lines if line[0] == ">" for byte in line[1:]))
        want = [byte for line in lines if line[0] == "<" for byte in line[1:]]
        client.send(sent)
        got = client.recv().hex(" ").split()
        if want[-1] == "...":
            want.pop()
            self.assertGreater(len(got), len(want), block)
            got = got[:len(want)]
        self.assertEqual([".." if w == ".." else g for g, w in zip(got, want)], want, block)
        self.assertEqual(len(got), len(want), block)


class Modules(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def transcript(self, daemon, text):
        """Lines `$ command` and what it answers; one that shows no answer only has to succeed."""
        for piece in text.split("$ ")[1:]:
            command, _, want = piece.partition("\n")
            want = want.strip()
            programs = os.path.join(daemon.build, "bin") + os.pathsep + os.environ["PATH"]
            done = run(shlex.split(command), WHERRY_URL=daemon.url, PATH=programs)
            if want:
                self.assertEqual(done.stdout.strip(), want, command)
            else:
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_ten_minutes(self):
        (code,) = blocks("modules/README.md", "c")
        build, _start = blocks("modules/README.md", "sh")[0].strip().splitlines()
        with open(os.path.join(self.directory, "visits.c"), "w", encoding="utf-8") as source:
            source.write(code)
        built = run(shlex.split(build) + ["-Werror", "-I", os.path.join(TOP, "include")], self.directory)
        self.assertEqual(built.returncode, 0, built.stdout)
        with Daemon(os.path.join(self.directory, "visits.so")) as daemon:
            for text in blocks("modules/README.md", "console"):
                self.transcript(daemon, text)

    def test_hello_on_an_installation(self):
        prefix, build = os.path.join(self.directory, "prefix"), os.path.join(self.directory, "build")
        done = run(["cmake", "--install", default_build(), "--prefix", prefix])
        self.assertEqual(done.returncode, 0, done.stdout)
        for words in (["cmake", "-S", "examples/hello", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"],
                      ["cmake", "--build", build]):
            done = run(words)
            self.assertEqual(done.returncode, 0, done.stdout)
        with open(os.path.join(TOP, "examples", "hello", "README.md"), encoding="utf-8") as readme:
            shown = [line.strip() for line in readme if line.startswith("    ")]
        with Daemon(os.path.join(build, "hello.so"), build=prefix) as daemon:
            self.transcript(daemon, "\n".join(shown[shown.index(next(s for s in shown if s.startswith("$"))):]))
            (path,) = (line.split(": ")[1] for line in self.wherry(prefix, daemon, "module.show", "kv").splitlines()
                       if line.startswith("path: "))
            self.assertTrue(os.path.realpath(path).startswith(os.path.realpath(prefix) + os.sep), path)
            self.program(prefix, daemon.url)

    def wherry(self, prefix, daemon, *words):
        done = run([os.path.join(prefix, "bin", "wherry"), "-u", daemon.url, *words])
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def program(self, prefix, url):
        """A client that knows of the installation by pkg-config only."""
        if not shutil.which("pkg-config") or Wherryd(default_build()).sanitized():
            return
        (found,) = [folder for folder, _, names in os.walk(prefix) if "wherry.pc" in names]
        flags = run(["pkg-config", "--cflags", "--libs", "wherry"], PKG_CONFIG_PATH=found).stdout.split()
        source, program = os.path.join(self.directory, "ping.c"), os.path.join(self.directory, "ping")
        with open(source, "w", encoding="utf-8") as text:
            text.write(PROGRAM)
        built = run(["cc", "-Wall", "-Wextra", "-Werror", source, "-o", program, *flags])
        self.assertEqual(built.returncode, 0, built.stdout)
        libraries = os.pathsep.join(flag[2:] for flag in flags if flag.startswith("-L"))
        self.assertEqual(run([program, url], LD_LIBRARY_PATH=libraries).stdout, "5\n")


if __name__ == "__main__":
    unittest.main()
