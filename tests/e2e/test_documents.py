#!/usr/bin/python3
"""What the documents show is true: the bytes in include/wherry/README.md, the modules in modules/README.md and
examples/hello, what is said to be answered, and that an installation is complete."""

import os
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
    return transcripts.blocks(os.path.join(TOP, path), language)


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
        programs = os.path.join(daemon.build, "bin") + os.pathsep + os.environ["PATH"]
        transcripts.replay(self, text, WHERRY_URL=daemon.url, PATH=programs)

    def installed(self):
        prefix = os.path.join(self.directory, "prefix")
        done = run(["cmake", "--install", default_build(), "--prefix", prefix])
        self.assertEqual(done.returncode, 0, done.stdout)
        return prefix

    def shell(self, directory, text, **environment):
        done = run(["sh", "-c", " && ".join(text.strip().splitlines())], directory, **environment)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_ten_minutes(self):
        """As a newcomer does it: every block of the page in its order, on an installation."""
        prefix = self.installed()
        environment = {"PATH": os.path.join(prefix, "bin") + os.pathsep + os.environ["PATH"], "CMAKE_PREFIX_PATH": prefix}
        begin, build, start, swap = blocks("modules/README.md", "sh")
        self.assertEqual(start, "wherryd -m $PWD/build/visits.so\n")
        first, second = blocks("modules/README.md", "console")
        self.shell(self.directory, begin + build, **environment)
        folder = os.path.join(self.directory, "visits")
        with Daemon(os.path.join(folder, "build", "visits.so"), build=prefix) as daemon:
            self.transcript(daemon, first)
            self.make_it_yours(os.path.join(folder, "visits.c"))
            self.shell(folder, swap, WHERRY_URL=daemon.url, **environment)
            self.transcript(daemon, second)
        with open(os.path.join(folder, "transcript.txt"), "a", encoding="utf-8") as transcript:
            transcript.write("$ wherry visits.total home\n3\n")
        self.shell(folder, "ctest --test-dir build --output-on-failure", **environment)

    def make_it_yours(self, path):
        """Each piece of the page where the page says."""
        function, arguments, row = blocks("modules/README.md", "c")
        with open(path, encoding="utf-8") as source:
            code = source.read()
        for piece, place in ((function, "// --- the life of it"), (arguments, "static const wherry_command commands[]"),
                             (row, "};\n\n// The name of a type")):
            self.assertEqual(code.count(place), 1, place)
            code = code.replace(place, piece + place)
        with open(path, "w", encoding="utf-8") as source:
            source.write(code)

    def test_hello_on_an_installation(self):
        prefix, build = self.installed(), os.path.join(self.directory, "build")
        for words in (["cmake", "-S", "examples/hello", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"],
                      ["cmake", "--build", build]):
            done = run(words)
            self.assertEqual(done.returncode, 0, done.stdout)
        with Daemon(os.path.join(build, "hello.so"), build=prefix) as daemon:
            self.transcript(daemon, transcripts.indented(os.path.join(TOP, "examples", "hello", "README.md")))
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
